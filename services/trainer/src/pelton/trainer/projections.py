"""The trainings as a table, from the trainer's own facts: kept live in the unit that records them, or rebuilt."""

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.fact import Fact, fact_class
from pelton.contracts.trainer import TrainingCompleted, TrainingFailed, TrainingRequested, TrainingStarted
from pelton.eventkit import store as event_store
from pelton.eventkit.unit import UnitOfWork
from pelton.trainer import store
from pelton.trainer.domain.retraining import Retraining

_PAGE = 500


async def record(unit: UnitOfWork, policy: Retraining, facts: Sequence[Fact]) -> Retraining:
    """Append what was decided, show it in the table, and wake those who wait for it."""
    policy = await unit.append(policy, facts)
    for fact in facts:
        await project(unit.connection, fact)
    if facts:
        await store.notify(unit.connection, policy.model)
    return policy


async def project(connection: AsyncConnection, fact: Fact) -> None:
    """Show one fact in the table."""
    match fact:
        case TrainingRequested():
            row = {"training_id": fact.training_id, "model": fact.model, "as_of": fact.as_of}
            await connection.execute(store.REQUESTED, row | {"requested": fact.model_dump_json()})
        case TrainingStarted():
            await connection.execute(store.STARTED, {"training_id": fact.training_id})
        case TrainingCompleted():
            row = {"training_id": fact.training_id, "completed": fact.model_dump_json()}
            await connection.execute(store.COMPLETED, row)
        case TrainingFailed():
            await connection.execute(store.FAILED, {"training_id": fact.training_id, "reason": fact.reason})
        case _:
            return


async def rebuild(connection: AsyncConnection) -> None:
    """Make the table anew from position zero, in the caller's transaction."""
    await connection.execute(store.FORGET_TRAININGS)
    position = 0
    while page := await event_store.page(connection, position, _PAGE):
        for row in page:
            await project(connection, fact_class(row["type"]).from_bytes(row["data"]))
        position = page[-1]["position"]
