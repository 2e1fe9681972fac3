"""The SQL of the deployer: the test of each model's present step, and what is known of the models."""

import json
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import RolloutDefinition
from pelton.deployer.step import StepTest

SAVE_PLAN = text("""
    INSERT INTO plans (model, plan) VALUES (:model, CAST(:plan AS jsonb))
    ON CONFLICT (model) DO UPDATE SET plan = EXCLUDED.plan
""")
PLAN = text("SELECT plan FROM plans WHERE model = :model")

SAVE_TEST = text("""
    INSERT INTO step_tests (model, state, correlation_id) VALUES (:model, CAST(:state AS jsonb), :correlation_id)
    ON CONFLICT (model) DO UPDATE SET state = EXCLUDED.state, correlation_id = EXCLUDED.correlation_id
""")
UPDATE_TEST = text("UPDATE step_tests SET state = CAST(:state AS jsonb) WHERE model = :model")
HOLD_TEST = text("SELECT 1 FROM step_tests WHERE model = :model FOR UPDATE")
END_TEST = text("DELETE FROM step_tests WHERE model = :model")
TESTS = text("SELECT state, correlation_id FROM step_tests ORDER BY model FOR UPDATE")
TEST = text("SELECT state, correlation_id FROM step_tests WHERE model = :model")

TRACEPARENT = text("SELECT meta ->> 'traceparent' FROM events WHERE id = CAST(:id AS uuid)")
MODELS = text("SELECT DISTINCT stream FROM events WHERE stream LIKE 'rollouts/%' ORDER BY stream")
HISTORY = text("""
    SELECT id, type, data, time FROM events WHERE stream = :stream ORDER BY version DESC LIMIT :limit
""")


async def save_plan(connection: AsyncConnection, model: str, plan: RolloutDefinition) -> None:
    """Remember how a model's versions are to be rolled out."""
    await connection.execute(SAVE_PLAN, {"model": model, "plan": plan.model_dump_json()})


async def plan(connection: AsyncConnection, model: str) -> RolloutDefinition | None:
    """How a model's versions are to be rolled out; None of a model that was never registered."""
    row = (await connection.execute(PLAN, {"model": model})).first()
    return RolloutDefinition.model_validate(row.plan) if row else None


async def begin_test(connection: AsyncConnection, test: StepTest, correlation_id: str) -> None:
    """Let a step's test begin, in place of any other of its model."""
    state = json.dumps(test.to_dict())
    values = {"model": test.settings.model, "state": state, "correlation_id": correlation_id}
    await connection.execute(SAVE_TEST, values)


async def hold_test(connection: AsyncConnection, model: str) -> None:
    """Keep others from counting into the model's test until this transaction ends."""
    await connection.execute(HOLD_TEST, {"model": model})


async def save_test(connection: AsyncConnection, test: StepTest) -> None:
    """Store how far a test has come."""
    await connection.execute(UPDATE_TEST, {"model": test.settings.model, "state": json.dumps(test.to_dict())})


async def end_test(connection: AsyncConnection, model: str) -> None:
    """No step of the model is under test."""
    await connection.execute(END_TEST, {"model": model})


async def tests(connection: AsyncConnection) -> dict[str, tuple[StepTest, str]]:
    """The tests under way, by model, each with the correlation id of its rollout.

    They are held until the transaction ends: a replica that counts another partition, or a step that begins,
    waits, and neither writes over what the other has counted.
    """
    rows = (await connection.execute(TESTS)).all()
    return {row.state["settings"]["model"]: (StepTest.from_dict(row.state), row.correlation_id) for row in rows}


async def test_of(connection: AsyncConnection, model: str) -> StepTest | None:
    """The test under way for one model."""
    row = (await connection.execute(TEST, {"model": model})).first()
    return StepTest.from_dict(row.state) if row else None


async def traceparent(connection: AsyncConnection, event_id: str) -> str | None:
    """The trace in which one of the deployer's own facts was recorded."""
    found: str | None = (await connection.execute(TRACEPARENT, {"id": event_id})).scalar_one_or_none()
    return found


async def models(connection: AsyncConnection) -> list[str]:
    """Every model that has a rollout, present or past."""
    return [row.stream.partition("/")[2] for row in (await connection.execute(MODELS)).all()]


async def history(connection: AsyncConnection, model: str, limit: int) -> list[dict[str, Any]]:
    """The newest facts of a model's rollouts."""
    rows = (await connection.execute(HISTORY, {"stream": f"rollouts/{model}", "limit": limit})).all()
    return [
        {"id": str(row.id), "type": row.type, "time": row.time.isoformat(), "data": json.loads(row.data)}
        for row in rows
    ]
