"""Two things compared: what changed in parameters, data, features, code, dependencies and metrics."""

import asyncio
from dataclasses import dataclass
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.objects import ObjectNotFoundError, Objects
from pelton.objects.bundles import UnfitBundleError
from pelton.registry.lineage import store
from pelton.registry.lineage.code import FileChange, code_difference
from pelton.registry.lineage.contents import Contents, contents_of
from pelton.registry.lineage.difference import Change, difference
from pelton.registry.lineage.graph import Key
from pelton.registry.lineage.references import InvalidReferenceError, read_reference
from pelton.registry.lineage.sight import Sight

SECTIONS: Final = (
    "parameters",
    "metrics",
    "configuration",
    "rules",
    "features",
    "transformations",
    "data",
    "sources",
    "schemas",
    "code",
    "environment",
    "dependencies",
    "files",
)
"""Every section of a comparison, in the order in which it is shown."""


class UnknownThingError(LookupError):
    """A name of nothing that the registry has heard of."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two things differ in. `code_note` says why the bundles that differ are not compared file by file."""

    a: Key
    b: Key
    sections: dict[str, tuple[Change, ...]]
    code: tuple[FileChange, ...] = ()
    code_note: str | None = None


async def find(connection: AsyncConnection, reference: str) -> Key:
    """The node that a reference names; a digest without a kind is looked up.

    Raises:
        InvalidReferenceError: it names nothing, or its digest is known as more than one kind.
        UnknownThingError: no fact told of the digest.
    """
    named = read_reference(reference)
    if isinstance(named, Key):
        return named
    kinds = await store.kinds_of(connection, named)
    if not kinds:
        raise UnknownThingError(f"no fact told of anything with the digest {named}")
    if len(kinds) > 1:
        raise InvalidReferenceError(f"{named} is known as {' and '.join(kinds)}: write <kind>:{named}")
    return Key(kinds[0], named)


async def compare(
    connection: AsyncConnection, objects: Objects, a: Key, b: Key, sight: Sight | None = None
) -> Comparison:
    """Compare two nodes by all that they consist of.

    Raises:
        UnknownThingError: the graph does not have one of them.
        ProblemError: 403, the actor of the sight may not read one of them.
    """
    before, after = [await _contents(connection, objects, key, sight) for key in (a, b)]
    sections = {
        name: difference(before.sections.get(name, {}), after.sections.get(name, {}))
        for name in SECTIONS
        if name in before.sections or name in after.sections
    }
    if before.bundle is None or after.bundle is None or before.bundle == after.bundle:
        return Comparison(a, b, sections)
    try:
        old, new = await objects.get(before.bundle), await objects.get(after.bundle)
        files = await asyncio.to_thread(code_difference, old, new)
    except (ObjectNotFoundError, UnfitBundleError) as error:
        return Comparison(a, b, sections, code_note=str(error))
    return Comparison(a, b, sections, files)


async def _contents(connection: AsyncConnection, objects: Objects, key: Key, sight: Sight | None) -> Contents:
    found = await contents_of(connection, objects, key, sight)
    if found is None:
        raise UnknownThingError(f"no fact told of the {key}")
    return found
