"""Sources, views and a model that the tests declare, and events of them."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from pelton.contracts.definitions import FeatureViewDefinition, ModelDefinition, SourceDefinition
from pelton.contracts.registry import ModelRegistered
from pelton.contracts.trainer import TrainingRequested, Trigger
from pelton.contracts.values import Artifact, Window

DAY_0 = datetime(2013, 1, 1, tzinfo=UTC)


def source(name: str, **changes: object) -> SourceDefinition:
    properties: dict[str, Any] = {
        "flight": {"type": "string"},
        "at": {"type": "string", "format": "date-time"},
        "carrier": {"type": ["string", "null"]},
        "gate": {"type": ["integer", "null"]},
        "delay": {"type": ["number", "null"]},
        "legs": {"type": "array"},
    }
    schema = {"type": "object", "required": ["flight", "at"], "properties": properties}
    content: dict[str, Any] = {"name": name, "json_schema": schema, "event_time": "at", "key": "flight"}
    return SourceDefinition.model_validate(content | changes)


def view(name: str, of: str, entity: str = "carrier", **changes: object) -> FeatureViewDefinition:
    aggregates = [
        {"name": "flights", "function": "count", "windows": ["1h", "1d"]},
        {"name": "delay", "function": "mean", "value": "delay", "windows": ["2h", "7d"]},
        {"name": "worst", "function": "max", "value": "delay", "windows": ["6h"]},
        {"name": "least", "function": "min", "value": "delay", "windows": ["6h"]},
        {"name": "late", "function": "sum", "value": "delay / 3", "where": "delay > 15", "windows": ["1d"]},
    ]
    content = {"name": name, "source": of, "entity": entity, "tile": "1h", "aggregates": aggregates}
    return FeatureViewDefinition.model_validate(content | changes)


def model(of: str, landings: str, features: Sequence[str], **changes: object) -> ModelDefinition:
    content = {
        "name": "late",
        "source": of,
        "label": {"source": landings, "value": "delay > 15", "delay": "1d"},
        "inputs": {"request": ("gate",), "features": tuple(features)},
        "pipeline": {"entry": "pipeline:trees"},
        "training": {"history": "60d", "holdout": "10d", "min_rows": 500},
        "triggers": {"first_after": "59d", "cooldown": "7d", "budget": 3, "budget_period": "60d"},
    }
    return ModelDefinition.model_validate(content | changes)


def registered(definition: ModelDefinition) -> ModelRegistered:
    code = Artifact(digest="sha256:" + "0" * 64, size=1, format="zip")
    return ModelRegistered(model=definition.name, definition=definition, definition_digest=definition.digest, code=code)


def requested(training_id: str, definition: ModelDefinition, start: datetime, end: datetime) -> TrainingRequested:
    return TrainingRequested(
        training_id=training_id,
        model=definition.name,
        trigger=Trigger(kind="manual", moment=end, event_id="e", detail=""),
        span=Window(start=start, end=end),
        as_of=end,
        definition_digest=definition.digest,
        seed=1,
    )


def event(number: int, at: datetime, **changes: object) -> dict[str, Any]:
    return {"flight": f"F{number:05d}", "at": at.isoformat(), "carrier": "UA", "gate": 1, "delay": 1.5} | changes


def stream(count: int, days: int, seed: int = 1) -> list[dict[str, Any]]:
    """Events over some days from DAY_0 in no perfect order, with nulls, some of them exactly on the hour."""
    chance = random.Random(seed)  # noqa: S311 - data, not secrets
    moments = sorted(chance.randrange(days * 86_400) for _ in range(count))
    found = []
    for number, moment in enumerate(moments):
        second = moment // 3600 * 3600 if chance.random() < 0.1 else max(0, moment - chance.randrange(0, 4000))
        found.append(
            event(
                number,
                DAY_0 + timedelta(seconds=second),
                carrier=chance.choice(["UA", "AA", "B6", None]),
                gate=chance.choice([1, 2, 30, None]),
                delay=None if chance.random() < 0.1 else round(chance.gauss(8, 20), 3),
            )
        )
    return found
