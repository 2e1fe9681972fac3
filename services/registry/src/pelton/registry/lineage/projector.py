"""The graph kept live: by the registry's own facts as they are recorded, by those of others as they arrive."""

from typing import Final
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ModelStageChanged,
    ModelVersionDeleted,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
)
from pelton.eventkit.envelope import Received
from pelton.eventkit.unit import UnitOfWork
from pelton.registry.lineage import store
from pelton.registry.lineage.graph import Key
from pelton.registry.lineage.telling import graph_of, judged
from pelton.registry.store import StoredFact

PAGE: Final = 500


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show what one of the registry's own facts tells, or takes out of the graph."""
    match stored.fact:
        case RegisteredModelRenamed() as fact:
            await store.rename_model(connection, fact.model, fact.to)
        case ModelVersionDeleted() as fact:
            await store.forget_version(connection, Key.version(fact.model, fact.version))
        case RegisteredModelDeleted() as fact:
            await store.forget_model(connection, fact.model)
        case ModelStageChanged() as fact:
            policy = await store.policy_in_force(connection, fact.model, fact.to_stage)
            if policy is not None:
                await store.tell(connection, judged(fact, policy), stored.time, stored.id)
        case fact:
            await store.tell(connection, graph_of(fact, stored.time), stored.time, stored.id)


async def take_in(event: Received[Fact], unit: UnitOfWork) -> None:
    """Show what a fact of another service tells, and keep it."""
    await store.keep_fact(unit.connection, event)
    await store.tell(unit.connection, graph_of(event.data, event.time), event.time, event.envelope.id)


async def forget(connection: AsyncConnection) -> None:
    """Empty the graph, and show again what others' kept facts tell. Those that arrive wait for the transaction.

    The registry's own facts are then shown by `project`, one by one.
    """
    await connection.execute(store.BLOCK_FACTS)
    for statement in store.FORGET:
        await connection.execute(statement)
    after = UUID(int=0)
    while page := await store.kept_facts(connection, after, PAGE):
        for event_id, fact, time in page:
            await store.tell(connection, graph_of(fact, time), time, event_id)
        after = page[-1][0]
