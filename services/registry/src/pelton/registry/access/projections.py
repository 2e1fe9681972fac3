"""Teams and restrictions as tables, made from their facts."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import canonical_json
from pelton.contracts.registry import RestrictionLifted, RestrictionSet, TeamChanged, TeamRemoved
from pelton.registry.access import store
from pelton.registry.store import StoredFact, write


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show one fact in the tables, and announce to every replica that the rules are others."""
    origin = {"time": stored.time, "actor": stored.actor}
    match stored.fact:
        case TeamChanged(team=name) as fact:
            await write(connection, store.SAVE_TEAM, name=name, details=canonical_json(fact).decode(), **origin)
        case TeamRemoved(team=name):
            await write(connection, store.DELETE_TEAM, name=name)
        case RestrictionSet(restriction=name) as fact:
            await write(connection, store.SAVE_RESTRICTION, name=name, details=canonical_json(fact).decode(), **origin)
        case RestrictionLifted(restriction=name):
            await write(connection, store.DELETE_RESTRICTION, name=name)
        case _:
            return
    await connection.execute(store.ANNOUNCE)
