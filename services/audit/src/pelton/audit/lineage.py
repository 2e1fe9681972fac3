"""Why something happened: the chain of causes behind a fact, and what those causes led to on the way."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.audit import store
from pelton.audit.store import Entry

LONGEST = 1000


async def causes(connection: AsyncConnection, entry: Entry) -> list[Entry]:
    """The fact, its cause, the cause of that, and so on to the first: newest first.

    It ends where a fact was caused by no fact: by a person, or by the data.
    """
    chain = [entry]
    while (before := _fact_id(chain[-1].causation_id)) is not None and len(chain) < LONGEST:
        found = await store.by_event(connection, before)
        if found is None or any(found.index == one.index for one in chain):
            break
        chain.append(found)
    return chain


async def companions(connection: AsyncConnection, chain: Sequence[Entry]) -> list[Entry]:
    """What the causes in a chain led to besides the chain itself, up to its newest fact."""
    own = {one.index for one in chain}
    newest = max(own)
    beside = await store.caused_by(connection, [str(one.event_id) for one in chain], newest)
    return [one for one in beside if one.index not in own]


def _fact_id(text: str | None) -> UUID | None:
    """A cause may also be an upstream event, whose id is whatever its producer chose."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
