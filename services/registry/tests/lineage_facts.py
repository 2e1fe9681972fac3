"""What other services report of data, training and traffic, and how the registry hears it, for the tests."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from registry_door import Door, envelope
from registry_facts import MODEL, SPAN, define, trained
from sqlalchemy import text

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, SourceDefinition
from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.fact import Fact
from pelton.contracts.feature import DatasetMaterialized, FeatureViewApplied, SourceRegistered
from pelton.contracts.registry import ModelVersionLogged
from pelton.contracts.trainer import TrainingRequested, Trigger
from pelton.contracts.values import Artifact, ModelVersion, OffsetRange
from pelton.eventkit.envelope import Received
from pelton.registry.lineage import projector
from pelton.registry.lineage.handlers import HANDLERS
from pelton.registry.store import facts_by_id

SOURCE = SourceDefinition(
    name="departures",
    json_schema={"type": "object", "properties": {"distance": {"type": "number"}}},
    event_time="scheduled",
    key="id",
)
VIEW = FeatureViewDefinition(
    name="route",
    source="departures",
    entity="route",
    aggregates=(Aggregate(name="delay_mean", function="mean", value="delay", windows=("1d",)),),
)
START = datetime(2013, 3, 1, tzinfo=UTC)


def source() -> SourceRegistered:
    return SourceRegistered(source=SOURCE.name, definition=SOURCE, definition_digest=SOURCE.digest)


def view() -> FeatureViewApplied:
    return FeatureViewApplied(view=VIEW.name, definition=VIEW, definition_digest=VIEW.digest)


def materialized(number: int, **changes: object) -> DatasetMaterialized:
    digest = sha256(b"dataset %d" % number)
    fields: dict[str, Any] = {
        "dataset": digest,
        "training_id": f"{MODEL}-{number}",
        "model": MODEL,
        "artifact": Artifact(digest=digest, size=900, format="parquet"),
        "rows": 1000,
        "positives": 200,
        "columns": ("key", "event_time", "distance", "route__delay_mean_1d", "label"),
        "span": SPAN,
        "as_of": SPAN.end,
        "offsets": (OffsetRange(topic="pelton.data.departures", partition=0, start=0, end=1200),),
        "views": {"route": VIEW.digest},
        "sources": {"departures": SOURCE.digest},
    }
    return DatasetMaterialized(**(fields | changes))


def requested(number: int) -> TrainingRequested:
    return TrainingRequested(
        training_id=f"{MODEL}-{number}",
        model=MODEL,
        trigger=Trigger(kind="drift", moment=SPAN.end, event_id=f"drift-{number}", detail="4 of 12 inputs drifted"),
        span=SPAN,
        as_of=SPAN.end,
        definition_digest=define().digest,
        seed=7,
    )


def shifted(revision: int, champion: ModelVersion, challenger: ModelVersion | None = None) -> TrafficShifted:
    return TrafficShifted(
        model=MODEL,
        revision=revision,
        mode="champion" if challenger is None else "canary",
        champion=champion,
        challenger=challenger,
        weight=0.0 if challenger is None else 0.1,
        salt="s",
    )


def training(number: int) -> Fact:
    return trained(number, views={"route": VIEW.digest})


async def hear(door: Door, fact: Fact, *, at: datetime = START) -> None:
    """Give a fact to the handlers of the graph, as the dispatcher does."""
    received = Received(replace(envelope(fact, 1), time=at), fact)
    async with door.units.begin(cause=received.cause) as unit:
        for handler in HANDLERS:
            if handler.fact is type(fact):
                await handler.call(received, unit)


async def tell_everything(door: Door, number: int = 1) -> None:
    """A version's whole story, as far as others tell it: data, request, training. Its model is declared already."""
    for fact in (source(), view(), materialized(number), requested(number), training(number)):
        await hear(door, fact, at=START + timedelta(hours=number))
    await door.receive(training(number))


def logged(model: str, version: int, **changes: Any) -> ModelVersionLogged:  # noqa: ANN401
    fields = {"source": "mlflow-artifacts:/1/m"} | changes
    return ModelVersionLogged(model=model, version=version, **fields)


async def record(door: Door, fact: Any) -> None:  # noqa: ANN401
    """A fact of the registry, without the command that decides it."""
    async with door.units.begin() as unit:
        found = await unit.connection.execute(text("SELECT count(*) FROM events WHERE stream = 'models/x'"))
        await unit.append_to("models/x", [fact], expected=found.scalar_one())
        for stored in await facts_by_id(unit.connection, [event.id for event in unit.recorded]):
            await projector.project(unit.connection, stored)


def keys(answer: dict[str, Any]) -> set[tuple[str, str]]:
    return {(node["key"]["kind"], node["key"]["id"]) for node in answer["nodes"]}


def roles(answer: dict[str, Any]) -> set[tuple[str, str, str]]:
    return {(edge["child"]["kind"], edge["role"], edge["parent"]["kind"]) for edge in answer["edges"]}


def attributes(answer: dict[str, Any], kind: str) -> dict[str, Any]:
    (found,) = (node["attributes"] for node in answer["nodes"] if node["key"]["kind"] == kind)
    return found  # type: ignore[no-any-return]
