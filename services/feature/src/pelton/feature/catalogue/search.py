"""The catalogue as people search it: entries of every kind, and which of them words mean. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal

from pelton.contracts.definitions import SourceDefinition
from pelton.feature.domain import Entity, FeatureService, Source, Transformation, View
from pelton.feature.domain.models import DeclaredModel, Pinned
from pelton.feature.domain.registered import Registered

Kind = Literal["entity", "source", "feature view", "transformation", "feature service"]
Key = tuple[Kind, str]
"""What tells one entry from another: its kind and its name."""

_CATEGORIES: Final[Mapping[Kind, str]] = {
    "entity": Entity.category,
    "source": Source.category,
    "feature view": View.category,
    "transformation": Transformation.category,
    "feature service": FeatureService.category,
}
_NOWHERE: Final = 9


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing of the catalogue.

    `fields` are those that it takes of events or requests. It is made of what it `reads`; what is made of it is in
    `read_by`. `versions` are its digests, the newest last.
    """

    kind: Kind
    name: str
    description: str
    owner: str
    tags: Mapping[str, str]
    versions: tuple[str, ...]
    features: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    reads: tuple[Key, ...] = ()
    read_by: tuple[Key, ...] = field(default=())

    @property
    def key(self) -> Key:
        """What tells it from others."""
        return self.kind, self.name

    @property
    def stream(self) -> str:
        """Where its facts are."""
        return f"{_CATEGORIES[self.kind]}/{self.name}"


def entries(registered: Registered) -> dict[Key, Entry]:
    """Everything that is registered, sorted by kind and name."""
    found = {entry.key: entry for entry in _entries(registered)}
    read_by: dict[Key, list[Key]] = {}
    for entry in found.values():
        for key in entry.reads:
            read_by.setdefault(key, []).append(entry.key)
    return {key: replace(found[key], read_by=tuple(sorted(read_by.get(key, ())))) for key in sorted(found)}


def search(found: Iterable[Entry], words: str = "", *, kind: str = "", tag: str = "", owner: str = "") -> list[Entry]:
    """The entries that every word is in, those first whose names have them.

    `tag` is a tag's name, or `name=value`; `owner` the whole owner. Case makes no difference in words.
    """
    name, has_value, value = tag.partition("=")
    wanted = words.casefold().split()
    ranked = []
    for entry in found:
        if (kind and entry.kind != kind) or (owner and entry.owner != owner):
            continue
        if tag and (name not in entry.tags or (has_value and entry.tags[name] != value)):
            continue
        places = [_place(entry, word) for word in wanted]
        if _NOWHERE not in places:
            ranked.append((sum(places), entry))
    return [entry for _, entry in sorted(ranked, key=lambda one: one[0])]


def users(
    entry: Entry, found: Mapping[Key, Entry], pinned: Sequence[Pinned], declared: Sequence[DeclaredModel]
) -> tuple[list[Pinned], list[DeclaredModel]]:
    """The versions of models that were trained with a thing or what is made of it, and the models that name one."""
    made = [one for one in _made_of(entry, found) if one.kind in ("feature view", "transformation")]
    digests = {digest for one in made for digest in one.versions}
    versions = [one for one in pinned if digests & one.pins]
    return versions, [one for one in declared if any(one.reads(thing.name) for thing in made)]


def _made_of(entry: Entry, found: Mapping[Key, Entry]) -> Iterator[Entry]:
    """A thing, and whatever is made of it."""
    yield entry
    for key in entry.read_by:
        yield from _made_of(found[key], found)


def _place(entry: Entry, word: str) -> int:
    """How far from the name the best place is that a word stands in."""
    places = (
        (entry.name,),
        entry.features,
        (entry.owner, *entry.tags, *entry.tags.values()),
        (entry.description,),
        entry.fields,
    )
    if entry.name.casefold() == word:
        return 0
    inside = (place for place, texts in enumerate(places, 1) if any(word in text.casefold() for text in texts))
    return next(inside, _NOWHERE)


def _entries(registered: Registered) -> Iterator[Entry]:
    for entity in registered.entities.values():
        if (declared := entity.definition) is not None:
            about = (declared.description, declared.owner, declared.tags)
            yield Entry("entity", declared.name, *about, (declared.digest,), fields=declared.keys)
    for source in registered.sources.values():
        if (events := source.definition) is not None:
            about = (events.description, events.owner, events.tags)
            yield Entry("source", events.name, *about, (events.digest,), fields=tuple(_documented(events)))
    for view in registered.views.values():
        if (newest := view.definition) is not None:
            about = (newest.description, newest.owner, newest.tags)
            yield Entry(
                "feature view",
                newest.name,
                *about,
                tuple(one.digest for one in view.versions),
                features=newest.feature_names,
                fields=newest.join_keys,
                reads=(("source", newest.source), ("entity", newest.entity)),
            )
    for transformation in registered.transformations.values():
        if (computed := transformation.definition) is not None:
            about = (computed.description, computed.owner, computed.tags)
            yield Entry(
                "transformation",
                computed.name,
                *about,
                tuple(one.digest for one in transformation.versions),
                features=computed.feature_names,
                fields=computed.request,
                reads=tuple(_groups(registered, computed.inputs.values())),
            )
    for service in registered.services.values():
        if (asked := service.definition) is not None:
            about = (asked.description, asked.owner, asked.tags)
            reads = tuple(_groups(registered, asked.features))
            yield Entry("feature service", asked.name, *about, (asked.digest,), features=asked.features, reads=reads)


def _groups(registered: Registered, refs: Iterable[str]) -> Iterator[Key]:
    """The views and transformations that references are of, each once."""
    for name in dict.fromkeys(ref.partition(":")[0] for ref in refs):
        yield ("transformation" if name in registered.transformations else "feature view"), name


def _documented(source: SourceDefinition) -> Iterator[str]:
    """The fields of a source's events, and what its schema says of each."""
    for name, schema in source.json_schema.get("properties", {}).items():
        yield name
        if isinstance(schema, dict) and isinstance(schema.get("description"), str):
            yield schema["description"]
