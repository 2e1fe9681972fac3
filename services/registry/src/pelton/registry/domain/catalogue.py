"""What is decided about models that others train: their names, their versions, and what is said about them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    LoggedRun,
    ModelAliasSet,
    ModelDescribed,
    ModelTagged,
    ModelVersionChanged,
    ModelVersionDeleted,
    ModelVersionLogged,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
)
from pelton.contracts.values import Artifact
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.refusals import (
    DeclaredModel,
    InvalidName,
    InvalidText,
    ModelExists,
    ReservedAlias,
    StillNeeded,
    UnknownAlias,
)

LONGEST_NAME: Final = 256
LONGEST_ALIAS: Final = 255
LONGEST_TAG: Final = 250
CHAMPION: Final = "champion"

_ALIAS: Final = re.compile(r"[\w-]+")
_NUMBERED: Final = re.compile(r"v[0-9]+|latest", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that somebody's program logs.

    `location` is the artifact location behind the `source`, where that is another; `artifact` what lies there now.
    """

    source: str
    location: str = ""
    artifact: Artifact | None = None
    run: LoggedRun | None = None
    run_link: str = ""
    logged_model_id: str | None = None
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)


def create(model: Model, name: str, description: str = "", tags: Mapping[str, str] | None = None) -> Sequence[Fact]:
    """A name in the catalogue, for versions that others log.

    Raises:
        InvalidName: a model, or a tag, cannot be called that.
        ModelExists: one is already.
    """
    check_name(name)
    if model.exists:
        raise ModelExists(f"a model {name!r} exists already; log a version of it, or choose another name")
    check_text(description, "the description")
    return [RegisteredModelCreated(model=name, description=description, tags=_tags(tags or {}))]


def rename(model: Model, to: str) -> Sequence[Fact]:
    """Another name for a model that others train; its history stays. Whether the new one is free is seen elsewhere.

    Raises:
        InvalidName: a model cannot be called that.
        DeclaredModel: other services know it by its name.
    """
    check_name(to)
    if model.definition is not None:
        raise DeclaredModel(f"{model.name} is declared in a project and keeps its name: declare another beside it")
    return [] if to == model.name else [RegisteredModelRenamed(model=model.name, to=to)]


def describe(model: Model, description: str, number: int | None = None) -> Sequence[Fact]:
    """Other words about a model, or about a version of it.

    Raises:
        UnknownVersion: the model does not have it.
    """
    if number is not None:
        model.version(number)
    check_text(description, "the description")
    return [ModelDescribed(model=model.name, version=number, description=description)]


def tag(model: Model, name: str, value: str | None, number: int | None = None) -> Sequence[Fact]:
    """A tag of a model, or of a version of it; None takes it away.

    Raises:
        InvalidName: a tag cannot be called that.
        UnknownVersion: the model does not have it.
    """
    if number is not None:
        model.version(number)
    check_tag(name)
    check_text(value or "", f"the tag {name!r}")
    return [ModelTagged(model=model.name, version=number, name=name, value=value)]


def log(model: Model, draft: Draft) -> Sequence[Fact]:
    """The next version of a model that others train.

    Raises:
        DeclaredModel: its versions come from its own trainings.
        InvalidName: a tag cannot be called that.
    """
    if model.definition is not None:
        raise DeclaredModel(
            f"{model.name} is declared in a project, and its versions come from its own trainings; "
            "register yours under another name"
        )
    check_text(draft.description, "the description")
    check_text(draft.source + draft.location + draft.run_link, "the source")
    return [
        ModelVersionLogged(
            model=model.name,
            version=model.last + 1,
            source=draft.source,
            run=draft.run,
            run_link=draft.run_link,
            logged_model_id=draft.logged_model_id,
            location=draft.location,
            artifact=draft.artifact,
            description=draft.description,
            tags=_tags(draft.tags),
        )
    ]


def look(model: Model, number: int, artifact: Artifact | None) -> Sequence[Fact]:
    """What lies at a logged version's location now; other content than before voids whatever was said about it.

    Raises:
        UnknownVersion: the model does not have it.
    """
    version = model.version(number)
    if version.details is not None or version.artifact == (artifact and artifact.digest):
        return []
    return [ModelVersionChanged(model=model.name, version=number, artifact=artifact)]


def delete_version(model: Model, number: int, others: Sequence[str] = (), reason: str = "") -> Sequence[Fact]:
    """Take a version out of the catalogue that nothing depends on; `others` depend on it that the model cannot know.

    Raises:
        UnknownVersion: the model does not have it.
        StillNeeded: something does.
    """
    version = model.version(number)
    needed = [*dependencies(model, version), *others]
    if needed:
        raise StillNeeded(str(version), needed)
    return [ModelVersionDeleted(model=model.name, version=number, reason=reason)]


def delete(model: Model, others: Sequence[str] = (), reason: str = "") -> Sequence[Fact]:
    """Take a model out of the catalogue with every version of it, none of which anything depends on.

    Raises:
        DeclaredModel: the loop goes on training it.
        StillNeeded: something depends on one of its versions.
    """
    if model.definition is not None:
        raise DeclaredModel(
            f"{model.name} is declared in a project, whose loop goes on training it; deprecate it instead"
        )
    needed = [f"{version}: {one}" for version in model.versions.values() for one in dependencies(model, version)]
    if needed or others:
        raise StillNeeded(model.name, [*needed, *others])
    return [RegisteredModelDeleted(model=model.name, reason=reason)]


def set_alias(model: Model, alias: str, number: int) -> Sequence[Fact]:
    """Let an alias name a version; the same again is no fact.

    Raises:
        InvalidName: an alias cannot be called that.
        ReservedAlias: it is given by the registry.
        UnknownVersion: the model does not have it.
    """
    check_alias(alias)
    _check_free(model, alias)
    model.version(number)
    return [] if model.aliases.get(alias) == number else [ModelAliasSet(model=model.name, alias=alias, version=number)]


def remove_alias(model: Model, alias: str) -> Sequence[Fact]:
    """Let an alias name nothing.

    Raises:
        ReservedAlias: it is given by the registry.
        UnknownAlias: it names nothing already.
    """
    _check_free(model, alias)
    if alias not in model.aliases:
        raise UnknownAlias(f"{model.name} has no alias {alias!r}; it has {_listed(model.aliases)}")
    return [ModelAliasSet(model=model.name, alias=alias, version=None)]


def dependencies(model: Model, version: Version) -> Sequence[str]:
    """What of the model itself depends on a version, in words."""
    number = version.number
    found = []
    if version.stage in ("staging", "production"):
        found.append(f"it is in {version.stage}")
    found += [f"the alias {alias!r} names it" for alias in model.aliases_of(number)]
    if model.variants is not None:
        found += [f"the variant {one.name!r} is it" for one in model.variants.variants if one.version == number]
    if version.pending is not None:
        found.append(f"{version.pending.requested_by} waits for an approval of it")
    found += [
        "a deprecation names it as the successor" for one in model.deprecations.values() if one.successor == number
    ]
    return found


def check_name(name: str) -> None:
    """Let a name pass that a model can have: in any script, without `/` and `:`, which addresses of models have.

    Raises:
        InvalidName: another one.
    """
    if not name.strip() or len(name) > LONGEST_NAME:
        raise InvalidName(f"a model's name has 1 to {LONGEST_NAME} characters, not all of them blank")
    if "/" in name or ":" in name or not _printable(name):
        raise InvalidName(f"the name {name!r} has a '/', a ':' or a control character; leave it out")
    if name in (".", ".."):
        raise InvalidName(f"{name!r} is a place in a path and no name")


def check_tag(name: str) -> None:
    """Let a name pass that a tag can have.

    Raises:
        InvalidName: another one.
    """
    if not 0 < len(name) <= LONGEST_TAG or not _printable(name):
        raise InvalidName(f"a tag's name has 1 to {LONGEST_TAG} characters, and no control character: {name!r}")


def check_alias(alias: str) -> None:
    """Let a name pass that an alias can have: letters and digits of any script, `_` and `-`.

    Raises:
        InvalidName: another one.
        ReservedAlias: a word that names versions by itself.
    """
    if len(alias) > LONGEST_ALIAS or not _ALIAS.fullmatch(alias):
        raise InvalidName(f"an alias has 1 to {LONGEST_ALIAS} letters, digits, '_' and '-': {alias!r} is none")
    if _NUMBERED.fullmatch(alias):
        raise ReservedAlias(f"{alias!r} names versions by itself (`latest`, `v12`); choose another alias")


def check_text(text: str, what: str) -> None:
    """Let a text pass that the database has characters for.

    Raises:
        InvalidText: another one.
    """
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidText(f"{what} has a zero character, or half of a surrogate pair: leave it out")


def _check_free(model: Model, alias: str) -> None:
    if alias == CHAMPION and model.governed:
        raise ReservedAlias(f"the alias {CHAMPION!r} of {model.name} follows production; promote a version instead")


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    for name, value in tags.items():
        check_tag(name)
        check_text(value, f"the tag {name!r}")
    return dict(tags)


def _listed(aliases: Mapping[str, int]) -> str:
    return ", ".join(sorted(aliases)) or "none"


def _printable(text: str) -> bool:
    return all(character >= " " and not "\ud800" <= character <= "\udfff" for character in text)
