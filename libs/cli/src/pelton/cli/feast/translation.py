"""What Feast's definitions are in Pelton, and what is left out because Pelton has nothing that means the same. Pure."""

import keyword
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from pelton.cli.feast import registry as feast
from pelton.contracts.definitions import (
    LONGEST,
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    Latest,
    SourceDefinition,
    seconds,
)

PUSH_SOURCES: Final = "feast_push_sources"
LATENESS_WITHOUT_TTL: Final = "365d"
_NO_ENTITY: Final = "__dummy"
_COLUMNS: Final = frozenset({"string", "integer", "number", "boolean"})
_UNITS: Final = (("d", 86_400), ("h", 3600), ("m", 60), ("s", 1))

Made = TypeVar("Made", EntityDefinition, SourceDefinition, FeatureViewDefinition, FeatureServiceDefinition)


@dataclass(slots=True)
class Translation:
    """Definitions of Pelton's, and why others of Feast's have none."""

    entities: list[EntityDefinition] = field(default_factory=list)
    sources: list[SourceDefinition] = field(default_factory=list)
    views: list[FeatureViewDefinition] = field(default_factory=list)
    services: list[FeatureServiceDefinition] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)

    def make(self, what: str, make: Callable[[], Made]) -> Made | None:
        """Make a definition, or note why it cannot be made."""
        try:
            return make()
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            self.left_out.append(f"{what}: {place + ': ' if place else ''}{first['msg']}")
            return None


def translate(registry: feast.Registry) -> Translation:
    """A registry's definitions as Pelton's."""
    found = Translation()
    for name, kind in sorted(registry.computed.items()):
        found.left_out.append(
            f"{name}: it is {kind}, which runs Python code; write it as a transformation, see docs/guides/feast.md"
        )
    views = [one for one in registry.views if _is_importable(one, found)]
    entities = {one.name: one for one in registry.entities if one.name != _NO_ENTITY}
    for entity in entities.values():
        details = {"description": entity.description, "owner": entity.owner, "tags": dict(entity.tags)}
        _add_entity(entity.name, [entity.join_key.name], details, found)
    for view in views:
        if len(view.entities) > 1 and _entity_name(view) not in {one.name for one in found.entities}:
            _add_entity(_entity_name(view), [key.name for key in view.keys], {}, found)
    by_source: dict[str, list[feast.View]] = {}
    for one in views:
        by_source.setdefault(one.source.batch or one.source.name, []).append(one)
    for together in by_source.values():
        source = _source(together, found)
        if source is not None:
            found.sources.append(source)
            for one in together:
                _add_view(one, source, found)
    for service in registry.services:
        _add_service(service, found)
    return found


def _is_importable(view: feast.View, found: Translation) -> bool:
    if not view.keys or _NO_ENTITY in view.entities:
        found.left_out.append(f"{view.name}: it is of no entity, and Pelton's features are of one")
        return False
    if not view.source.event_time:
        found.left_out.append(f"{view.name}: its source has no timestamp field, by which Pelton orders events")
        return False
    return True


def _entity_name(view: feast.View) -> str:
    return "_".join(view.entities)


def _add_entity(name: str, keys: Sequence[str], details: dict[str, Any], found: Translation) -> None:
    made = found.make(f"entity {name}", lambda: EntityDefinition(name=name, keys=tuple(keys), **details))
    if made is not None:
        found.entities.append(made)


def _source(views: Sequence[feast.View], found: Translation) -> SourceDefinition | None:
    """One source for the views that read the same rows, under the name that rows are pushed by."""
    pushed = [one.source for one in views if one.source.batch and one.source.name != one.source.batch]
    first = (pushed or [views[0].source])[0]
    others = sorted({one.name for one in pushed} - {first.name})
    for column, name in sorted({pair for one in views for pair in one.source.renamed.items()}):
        found.left_out.append(f"{first.name}: Feast renames its column {column} to {name}; publish it as {name}")
    keys = {key.name: key for one in views for key in one.keys}
    fields = keys | {one.name: one for view in views for one in view.features if one.type in _COLUMNS}
    key = views[0].keys[0].name
    schema = {
        "type": "object",
        "required": [key, first.event_time],
        "properties": {
            **{name: _schema(one, nullable=name != key) for name, one in fields.items()},
            first.event_time: {"type": "string", "format": "date-time"},
        },
    }
    return found.make(
        f"source {first.name}",
        lambda: SourceDefinition(
            name=first.name,
            description=first.description,
            json_schema=schema,
            event_time=first.event_time,
            key=key,
            lateness=_lateness(views),
            owner=first.owner,
            tags=dict(first.tags) | ({PUSH_SOURCES: ",".join(others)} if others else {}),
        ),
    )


def _schema(one: feast.Field, *, nullable: bool) -> dict[str, Any]:
    kind = one.type if one.type in _COLUMNS else "string"
    return {"type": [kind, "null"] if nullable else kind}


def _lateness(views: Iterable[feast.View]) -> str:
    """Feast takes a row in however old it is: one that no view would serve any more may stay away."""
    ttls = [one.ttl_seconds for one in views]
    return duration(max(ttls)) or LATENESS_WITHOUT_TTL if all(ttls) else LATENESS_WITHOUT_TTL


def _add_view(view: feast.View, source: SourceDefinition, found: Translation) -> None:
    latest = []
    for one in view.features:
        if one.type not in _COLUMNS:
            found.left_out.append(f"{view.name}:{one.name}: it is {one.type}; features are numbers, texts and truths")
        elif not one.name.isidentifier() or keyword.iskeyword(one.name):
            found.left_out.append(f"{view.name}:{one.name}: an expression cannot name this field")
        else:
            latest.append(one.name)
    made = found.make(
        f"feature view {view.name}",
        lambda: FeatureViewDefinition(
            name=view.name,
            description=view.description,
            source=source.name,
            entity=_entity_name(view),
            keys=tuple(key.name for key in view.keys),
            latest=tuple(Latest(name=name, value=name) for name in latest),
            max_age=duration(view.ttl_seconds),
            owner=view.owner,
            tags=dict(view.tags),
        ),
    )
    if made is not None:
        found.views.append(made)


def _add_service(service: feast.Service, found: Translation) -> None:
    made_features = {f"{view.name}:{name}" for view in found.views for name in view.feature_names}
    missing = sorted(set(service.features) - made_features)
    if service.renames:
        found.left_out.append(f"feature service {service.name}: it renames views or keys, which Pelton does not")
        return
    if missing:
        found.left_out.append(f"feature service {service.name}: it has {', '.join(missing)}, which are left out")
        return
    made = found.make(
        f"feature service {service.name}",
        lambda: FeatureServiceDefinition(
            name=service.name,
            features=service.features,
            description=service.description,
            owner=service.owner,
            tags=dict(service.tags),
        ),
    )
    if made is not None:
        found.services.append(made)


def duration(length: int) -> str | None:
    """A length in seconds as a duration; None for none, and for one that is too long to be one."""
    if not 0 < length <= seconds(LONGEST):
        return None
    return next(f"{length // unit}{letter}" for letter, unit in _UNITS if length % unit == 0)
