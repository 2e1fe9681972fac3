"""What lies at the location of a logged version: by digest, and what its files say about it."""

import json
from collections.abc import Sequence
from typing import Any, Final

import yaml
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.values import Artifact
from pelton.objects import Objects
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.policies import NOTHING, Seen, served_beside
from pelton.registry.files.manifests import manifest, read_manifest
from pelton.registry.files.paths import InvalidPathError
from pelton.registry.files.safety import unsafe_files
from pelton.registry.files.tree import AREA

DESCRIPTION: Final = "MLmodel"
LONGEST_DESCRIPTION: Final = 1024 * 1024


async def artifact_at(connection: AsyncConnection, objects: Objects, location: str) -> Artifact | None:
    """What lies at an artifact location now; None where Pelton does not keep it."""
    try:
        return await manifest(connection, objects, location)
    except InvalidPathError:
        return None


async def see(
    connection: AsyncConnection, objects: Objects, model: Model, version: Version, artifact: Artifact | None
) -> Seen:
    """What the files of a logged version, and of the champion, show that a gate of the model could ask for."""
    if artifact is None or version.details is not None:
        return NOTHING
    champion = served_beside(model, version)
    served = None if champion is None or champion.details is not None else champion.content
    return Seen(
        unsafe_files=await unsafe_files(connection, objects, artifact),
        inputs=await _inputs(objects, artifact),
        served=None if served is None else await _inputs(objects, served),
    )


async def _inputs(objects: Objects, artifact: Artifact) -> tuple[str, ...] | None:
    """The names of a model's input columns by its signature; None where it has none that names them."""
    files = (await read_manifest(objects, artifact.digest)).files
    found = next((one for one in files if one.path == DESCRIPTION and one.size <= LONGEST_DESCRIPTION), None)
    if found is None:
        return None
    return signature_inputs(await objects.within(AREA).get(found.digest))


def signature_inputs(description: bytes) -> tuple[str, ...] | None:
    """The input columns that an `MLmodel` file names; None where it does not, or is none."""
    try:
        content: Any = yaml.safe_load(description)
        columns: Any = json.loads(content["signature"]["inputs"])
        names: Sequence[Any] = [one["name"] for one in columns]
    except (yaml.YAMLError, ValueError, TypeError, KeyError, RecursionError):
        return None
    return tuple(names) if all(isinstance(name, str) for name in names) else None
