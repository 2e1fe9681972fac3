"""What is sent: a fact as a CloudEvent in structured JSON, or in the words of MLflow's webhooks. Pure."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from pelton.contracts.canonical import canonical_json
from pelton.contracts.fact import Fact, fact_class
from pelton.contracts.registry import (
    ModelAliasSet,
    ModelRegistered,
    ModelTagged,
    ModelVersionCreated,
    ModelVersionLogged,
    RegisteredModelCreated,
)
from pelton.contracts.values import ModelVersion
from pelton.eventkit.envelope import Envelope
from pelton.registry.webhooks.domain import Format

CLOUDEVENTS: Final = "application/cloudevents+json"
JSON: Final = "application/json"
ATTRIBUTE: Final = "ce_"

MLFLOW_EVENTS: Final = (
    "registered_model.created",
    "model_version.created",
    "model_version_tag.set",
    "model_version_tag.deleted",
    "model_version_alias.created",
    "model_version_alias.deleted",
)
"""The events of MLflow that Pelton tells of."""

EXAMPLES: Final[Mapping[str, Mapping[str, Any]]] = {
    "registered_model.created": {"name": "example", "tags": {}, "description": None},
    "model_version.created": {
        "name": "example",
        "version": "1",
        "source": "models:/m-example",
        "run_id": None,
        "tags": {},
        "description": None,
    },
    "model_version_tag.set": {"name": "example", "version": "1", "key": "reviewed", "value": "yes"},
    "model_version_tag.deleted": {"name": "example", "version": "1", "key": "reviewed"},
    "model_version_alias.created": {"name": "example", "alias": "champion", "version": "1"},
    "model_version_alias.deleted": {"name": "example", "alias": "champion"},
}


@dataclass(frozen=True, slots=True)
class Message:
    """What one delivery sends, and how its body is to be read."""

    id: str
    body: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Told:
    """A fact on its way to webhooks: what surrounds it, its bytes, and what it goes by."""

    envelope: Envelope
    data: bytes

    @property
    def fact(self) -> Fact:
        """The fact itself."""
        return fact_class(self.envelope.type).from_bytes(self.data)

    @property
    def model(self) -> str | None:
        """The model that the fact is about, if it is about one."""
        return getattr(self.fact, "model", None)

    @property
    def version(self) -> int | None:
        """The version of the model that the fact is about, if it is about one."""
        found = getattr(self.fact, "version", None)
        return found.version if isinstance(found, ModelVersion) else found

    def name(self, format_: Format) -> str | None:
        """What a webhook of this format calls it: the class of the fact, or MLflow's event where there is one."""
        if format_ == "cloudevents":
            return type(self.fact).__name__
        event = mlflow_event(self)
        return event[0] if event else None


def cloudevent(told: Told) -> Message:
    """The fact as the event topic has it, with the same attributes and the same data."""
    attributes = {
        name.removeprefix(ATTRIBUTE): value.decode()
        for name, value in told.envelope.headers()
        if name.startswith(ATTRIBUTE)
    }
    event = {**attributes, "datacontenttype": JSON, "data": json.loads(told.data)}
    return Message(str(told.envelope.id), canonical_json(event), CLOUDEVENTS)


def cloudevent_example(message_id: str, time: str) -> Message:
    """What a webhook is tried out with; no fact has its type."""
    event = {
        "specversion": "1.0",
        "id": message_id,
        "source": "/pelton/registry",
        "type": "pelton.registry.webhook_tried.v1",
        "subject": "webhooks/example",
        "time": time,
        "datacontenttype": JSON,
        "data": {},
    }
    return Message(message_id, canonical_json(event), CLOUDEVENTS)


def mlflow_message(told: Told) -> Message:
    """The fact as MLflow would tell it.

    Raises:
        LookupError: MLflow has no event for it.
    """
    found = mlflow_event(told)
    if found is None:
        raise LookupError(f"MLflow has no event for {told.envelope.type}")
    return _mlflow(str(told.envelope.id), found[0], told.envelope.time.isoformat(), found[1])


def mlflow_example(message_id: str, event: str, time: str) -> Message:
    """What a webhook in MLflow's format is tried out with."""
    return _mlflow(message_id, event, time, EXAMPLES[event])


def mlflow_event(told: Told) -> tuple[str, Mapping[str, Any]] | None:
    """MLflow's event for a fact, and its data."""
    match told.fact:
        case RegisteredModelCreated() as fact:
            data = {"name": fact.model, "tags": fact.tags, "description": fact.description or None}
            return "registered_model.created", data
        case ModelRegistered() as fact if told.envelope.stream_version == 1:
            return "registered_model.created", {"name": fact.model, "tags": {}, "description": None}
        case ModelVersionCreated() as fact:
            return "model_version.created", _version(fact.model, fact.version.version, run_id=fact.run_id)
        case ModelVersionLogged() as fact:
            run_id = fact.run.run_id if fact.run else None
            more = {"source": fact.source, "tags": fact.tags, "description": fact.description or None}
            return "model_version.created", _version(fact.model, fact.version, run_id=run_id) | more
        case ModelTagged(version=int() as version) as fact:
            tag = {"name": fact.model, "version": str(version), "key": fact.name}
            if fact.value is None:
                return "model_version_tag.deleted", tag
            return "model_version_tag.set", tag | {"value": fact.value}
        case ModelAliasSet(version=None) as fact:
            return "model_version_alias.deleted", {"name": fact.model, "alias": fact.alias}
        case ModelAliasSet() as fact:
            data = {"name": fact.model, "alias": fact.alias, "version": str(fact.version)}
            return "model_version_alias.created", data
        case _:
            return None


def _version(model: str, version: int, *, run_id: str | None) -> dict[str, Any]:
    source = f"models:/{model}/{version}"
    return {"name": model, "version": str(version), "source": source, "run_id": run_id, "tags": {}, "description": None}


def _mlflow(message_id: str, event: str, time: str, data: Mapping[str, Any]) -> Message:
    entity, _, action = event.partition(".")
    return Message(
        message_id, canonical_json({"entity": entity, "action": action, "timestamp": time, "data": dict(data)}), JSON
    )
