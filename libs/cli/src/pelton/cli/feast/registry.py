"""What a registry of Feast's says, as far as it can become definitions of Pelton's."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pelton.cli.feast.fields import (
    DURATION_SECONDS,
    SPEC,
    ColumnField,
    EntityField,
    ProjectionField,
    RegistryField,
    ServiceField,
    SourceField,
    ViewField,
)
from pelton.cli.feast.wire import Message, WireError
from pelton.sdk.errors import PeltonError

CONFIGURATION = "feature_store.yaml"
# Of the enumeration feast.types.ValueType.
_TYPES = {
    1: "bytes",
    2: "string",
    3: "integer",
    4: "integer",
    5: "number",
    6: "number",
    7: "boolean",
    8: "time",
    36: "string",
    37: "string",
}
_COMPUTED = {
    RegistryField.ON_DEMAND_FEATURE_VIEWS: "an on-demand feature view",
    RegistryField.STREAM_FEATURE_VIEWS: "a stream feature view",
}


class FeastRegistryError(PeltonError):
    """A registry that cannot be read; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column. `type` is a word of JSON Schema, or what it is instead."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Entity:
    """What features are about."""

    name: str
    join_key: Field
    description: str
    owner: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Source:
    """Where rows come from. `batch` is the name of the batch source behind a push source."""

    name: str
    batch: str
    event_time: str
    description: str
    owner: str
    tags: Mapping[str, str]
    renamed: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class View:
    """A feature view; `source` is its stream or push source if it has one, else its batch source."""

    name: str
    entities: tuple[str, ...]
    features: tuple[Field, ...]
    keys: tuple[Field, ...]
    ttl_seconds: int
    source: Source
    description: str
    owner: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Service:
    """A feature service: references `view:feature`, and whether it renames views or keys, which Pelton does not."""

    name: str
    features: tuple[str, ...]
    renames: bool
    description: str
    owner: str
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Registry:
    """All that a project of Feast's has registered. `computed` names what runs Python, by its kind."""

    project: str
    entities: tuple[Entity, ...]
    views: tuple[View, ...]
    services: tuple[Service, ...]
    computed: Mapping[str, str]


def read_registry(path: Path, project: str | None = None) -> Registry:
    """Read a registry file, or the one that a `feature_store.yaml` (or its folder) names.

    Raises:
        FeastRegistryError: there is no such file, it is no registry, or it has several projects and none is named.
    """
    if path.is_dir():
        path = path / CONFIGURATION
    if path.suffix in {".yaml", ".yml"}:
        path, project = _configured(path, project)
    try:
        message = Message.parse(path.read_bytes())
        return _registry(message, project)
    except OSError as error:
        raise FeastRegistryError(f"{path} cannot be read: {error.strerror}") from error
    except WireError as error:
        raise FeastRegistryError(
            f"{path} is no registry file of Feast's: {error}. A registry in a database can be imported once Feast has "
            "copied it to a file: `registry: {registry_type: file, path: ...}` and `feast apply`"
        ) from error


def _configured(path: Path, project: str | None) -> tuple[Path, str | None]:
    try:
        settings: Any = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FeastRegistryError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise FeastRegistryError(f"{path} is no YAML: {error}") from error
    named = settings.get("registry") if isinstance(settings, dict) else None
    kind = named.get("registry_type", "file") if isinstance(named, dict) else "file"
    place = named.get("path") if isinstance(named, dict) else named
    if kind != "file" or not isinstance(place, str) or "://" in place:
        raise FeastRegistryError(
            f"{path} names no registry file on this machine ({named!r}): copy the registry to a file, and import that"
        )
    return path.parent / place, project or settings.get("project")


def _registry(message: Message, project: str | None) -> Registry:
    if project is None:
        specs = [one.message(SPEC) for one in message.messages(RegistryField.FEATURE_VIEWS)]
        named = {spec.text(ViewField.PROJECT) for spec in specs}
        if len(named) > 1:
            raise FeastRegistryError(f"the registry has the projects {', '.join(sorted(named))}: say which to import")
        project = next(iter(named), "")
    entities = [_entity(spec) for spec in _specs(message, RegistryField.ENTITIES, EntityField.PROJECT, project)]
    views = _specs(message, RegistryField.FEATURE_VIEWS, ViewField.PROJECT, project)
    computed = {
        spec.text(ViewField.NAME): kind
        for field, kind in _COMPUTED.items()
        for spec in _specs(message, field, ViewField.PROJECT, project)
    }
    computed |= {spec.text(ViewField.NAME): "a feature view made of others" for spec in views if _is_computed(spec)}
    by_name = {one.name: one for one in entities}
    return Registry(
        project,
        tuple(entities),
        tuple(_view(spec, by_name) for spec in views if not _is_computed(spec)),
        tuple(
            _service(spec) for spec in _specs(message, RegistryField.FEATURE_SERVICES, ServiceField.PROJECT, project)
        ),
        computed,
    )


def _specs(message: Message, kind: int, project_field: int, project: str) -> list[Message]:
    specs = [one.message(SPEC) for one in message.messages(kind)]
    return [spec for spec in specs if spec.text(project_field) == project]


def _is_computed(spec: Message) -> bool:
    return ViewField.SOURCE_VIEWS in spec or ViewField.FEATURE_TRANSFORMATION in spec


def _entity(spec: Message) -> Entity:
    name = spec.text(EntityField.NAME)
    kind = _type(spec.number(EntityField.VALUE_TYPE))
    return Entity(
        name=name,
        join_key=Field(spec.text(EntityField.JOIN_KEY) or name, kind),
        description=spec.text(EntityField.DESCRIPTION),
        owner=spec.text(EntityField.OWNER),
        tags=spec.mapping(EntityField.TAGS),
    )


def _view(spec: Message, entities: Mapping[str, Entity]) -> View:
    typed = {one.name: one for one in map(_field, spec.messages(ViewField.ENTITY_COLUMNS))}
    names = spec.texts(ViewField.ENTITIES)
    keys = [entities[name].join_key for name in names if name in entities]
    batch = spec.message(ViewField.BATCH_SOURCE)
    stream = spec.message(ViewField.STREAM_SOURCE)
    return View(
        name=spec.text(ViewField.NAME),
        entities=tuple(names),
        features=tuple(map(_field, spec.messages(ViewField.FEATURES))),
        keys=tuple(typed.get(key.name, key) for key in keys),
        ttl_seconds=spec.message(ViewField.TTL).number(DURATION_SECONDS),
        source=_source(stream if ViewField.STREAM_SOURCE in spec else batch, batch),
        description=spec.text(ViewField.DESCRIPTION),
        owner=spec.text(ViewField.OWNER),
        tags=spec.mapping(ViewField.TAGS),
    )


def _source(spec: Message, batch: Message) -> Source:
    return Source(
        name=spec.text(SourceField.NAME),
        batch=batch.text(SourceField.NAME),
        event_time=batch.text(SourceField.TIMESTAMP_FIELD) or spec.text(SourceField.TIMESTAMP_FIELD),
        description=spec.text(SourceField.DESCRIPTION) or batch.text(SourceField.DESCRIPTION),
        owner=spec.text(SourceField.OWNER) or batch.text(SourceField.OWNER),
        tags=batch.mapping(SourceField.TAGS) | spec.mapping(SourceField.TAGS),
        renamed=batch.mapping(SourceField.FIELD_MAPPING) | spec.mapping(SourceField.FIELD_MAPPING),
    )


def _field(spec: Message) -> Field:
    return Field(spec.text(ColumnField.NAME), _type(spec.number(ColumnField.VALUE_TYPE)))


def _type(value_type: int) -> str:
    return _TYPES.get(value_type, "a list, a map or another type with parts")


def _service(spec: Message) -> Service:
    projections = spec.messages(ServiceField.FEATURES)
    features = [
        f"{one.text(ProjectionField.VIEW)}:{column.text(ColumnField.NAME)}"
        for one in projections
        for column in one.messages(ProjectionField.COLUMNS)
    ]
    return Service(
        name=spec.text(ServiceField.NAME),
        features=tuple(features),
        renames=any(map(_renames, projections)),
        description=spec.text(ServiceField.DESCRIPTION),
        owner=spec.text(ServiceField.OWNER),
        tags=spec.mapping(ServiceField.TAGS),
    )


def _renames(projection: Message) -> bool:
    alias = projection.text(ProjectionField.ALIAS)
    return ProjectionField.JOIN_KEY_MAP in projection or alias not in {"", projection.text(ProjectionField.VIEW)}
