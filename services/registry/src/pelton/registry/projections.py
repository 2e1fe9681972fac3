"""The registry's catalogue as tables: kept live in the unit that records the facts, or made anew from them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import canonical_json
from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    ModelPromoted,
    ModelRegistered,
    ModelRetired,
    ModelRolledBack,
    ModelStageChanged,
    ModelVersionCreated,
    ModelVersionRejected,
    ModelVersionValidated,
    RunFinished,
)
from pelton.eventkit.envelope import Cause
from pelton.eventkit.unit import Aggregate, UnitOfWork
from pelton.registry import store
from pelton.registry.access import projections as access
from pelton.registry.access.store import FORGET as FORGET_ACCESS
from pelton.registry.allowances import store as allowances
from pelton.registry.cards import projector as cards
from pelton.registry.cards.store import FORGET as FORGET_CARDS
from pelton.registry.catalogue import projections as catalogue
from pelton.registry.catalogue.store import FORGET as FORGET_CATALOGUE
from pelton.registry.governance import projections as governance
from pelton.registry.lineage import projector as lineage
from pelton.registry.signing import projector as signing
from pelton.registry.signing.store import FORGET as FORGET_SIGNATURES
from pelton.registry.store import StoredFact, write
from pelton.registry.tracking.trainings import show_run_finished

PAGE = 500


async def record(
    unit: UnitOfWork, subject: Aggregate, facts: Sequence[Fact], *, cause: Cause | None = None
) -> Sequence[StoredFact]:
    """Append what was decided about a subject and show it in the tables; returns the facts as they were stored."""
    before = len(unit.recorded)
    await unit.append(subject, facts, cause=cause)
    stored = [StoredFact.of(event) for event in unit.recorded[before:]]
    for one in stored:
        await project(unit.connection, one)
    return stored


async def rebuild(connection: AsyncConnection) -> int:
    """Make every table anew from the first fact, in the caller's transaction; returns the number of facts.

    Nobody appends meanwhile, and readers see the old tables until the transaction commits.
    """
    await connection.execute(store.BLOCK_WRITERS)
    for statement in (
        *store.FORGET,
        *FORGET_CATALOGUE,
        *FORGET_ACCESS,
        *FORGET_CARDS,
        *FORGET_SIGNATURES,
        *allowances.FORGET,
    ):
        await connection.execute(statement)
    await lineage.forget(connection)
    count = seq = 0
    while page := await store.facts_after(connection, seq, PAGE):
        for seq, one in page:  # noqa: B007 - the last one is where the next page begins
            await project(connection, one)
        count += len(page)
    return count


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show one fact in every table that it has a place in."""
    for projector in PROJECTORS:
        await projector(connection, stored)


async def _show(connection: AsyncConnection, stored: StoredFact) -> None:
    match stored.fact:
        case ModelRegistered() as fact:
            await write(
                connection,
                store.SAVE_MODEL,
                key=stored.key,
                model=fact.model,
                description=fact.definition.description,
                definition=_json(fact.definition),
                definition_digest=fact.definition_digest,
                code=fact.code.digest,
                time=stored.time,
                actor=stored.actor,
            )
        case RunFinished() as fact:
            await write(
                connection,
                store.SAVE_RUN,
                run_id=fact.run_id,
                training_id=fact.training_id,
                model=fact.model,
                parameters=_json(fact.parameters),
                metrics=_json(fact.metrics),
                environment=_json(fact.environment),
                time=stored.time,
            )
            await show_run_finished(connection, stored)
        case ModelVersionCreated() as fact:
            await write(
                connection,
                store.SAVE_VERSION,
                model=fact.model,
                version=fact.version.version,
                details=_json(fact.version),
                run_id=fact.run_id,
                code=fact.code,
                definition_digest=fact.definition_digest,
                artifact=fact.version.artifact.digest,
                time=stored.time,
                actor=stored.actor,
            )
        case (ModelVersionValidated() | ModelVersionRejected()) as fact:
            gates = _json([gate.model_dump(mode="json") for gate in fact.gates])
            await write(connection, store.SAVE_GATES, model=fact.model, version=fact.version, gates=gates)
        case ModelStageChanged() as fact:
            await _show_stage(connection, fact, stored)
        case ModelPromoted() as fact:
            await write(connection, store.PROMOTE, model=fact.model, version=fact.version, previous=fact.previous)
        case ModelRolledBack() as fact:
            await write(connection, store.ROLL_BACK, model=fact.model, version=fact.version)
        case ModelRetired() as fact:
            await write(connection, store.RETIRE, model=fact.model, successor=fact.successor)
        case _:
            return


async def _show_stage(connection: AsyncConnection, fact: ModelStageChanged, stored: StoredFact) -> None:
    subject = {"model": fact.model, "version": fact.version}
    await write(connection, store.SAVE_STAGE, **subject, to_stage=fact.to_stage, time=stored.time)
    await write(
        connection,
        store.SAVE_STAGE_CHANGE,
        **subject,
        event_id=stored.id,
        number=stored.version,
        from_stage=fact.from_stage,
        to_stage=fact.to_stage,
        reason=fact.reason,
        actor=stored.actor,
        cause=stored.causation_id,
        time=stored.time,
    )


def _json(value: object) -> str:
    return canonical_json(value).decode()


PROJECTORS: Final[tuple[Callable[[AsyncConnection, StoredFact], Awaitable[None]], ...]] = (
    _show,
    governance.project,
    catalogue.project,
    access.project,
    lineage.project,
    cards.project,
    signing.project,
    allowances.project,
)
