"""What the programs and the tests share: facts that carry an amount, and tables that show every effect of them."""

import json
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pelton.contracts.fact import Fact
from pelton.eventkit.database import create_engine, migrate
from pelton.eventkit.envelope import Received
from pelton.eventkit.unit import UnitOfWork, Units

# Neither table refuses a second effect: that is what the tests look for.
TABLES = (
    "CREATE TABLE IF NOT EXISTS total (amount bigint NOT NULL, batches integer NOT NULL)",
    "INSERT INTO total SELECT 0, 0 WHERE NOT EXISTS (SELECT FROM total)",
    """
    CREATE TABLE IF NOT EXISTS handled (
        place bigserial PRIMARY KEY, stream text, version integer, position bigint, amount bigint
    )
    """,
)
ADD = text("UPDATE total SET amount = amount + :amount, batches = batches + 1")
TOTAL = text("SELECT amount FROM total")
NOTE_HANDLED = text("INSERT INTO handled (stream, version, position, amount) VALUES (:stream, :version, :position, :n)")
HANDLED = text("SELECT stream, version, position, amount FROM handled ORDER BY place")


class Amount(Fact, owner="counting"):
    """An amount to add."""

    amount: int


def counted(owner: str) -> type[Amount]:
    """The fact `Counted` of an owner of its own, so that tests on one broker have topics of their own."""

    class Counted(Amount, owner=owner):
        """An amount of this owner."""

    return Counted


@dataclass(frozen=True)
class Handled:
    """One effect, in the order of the commits."""

    stream: str
    version: int
    position: int
    amount: int


async def prepared(dsn: str, service: str) -> Units:
    """Units on a database that has the event store and the tables."""
    engine = create_engine(dsn)
    await migrate(engine, [])
    async with engine.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))
    return Units(engine, service)


def dsn_of(units: Units) -> str:
    """The DSN of the units' database, for a program or a relay."""
    return units.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")


async def add(event: Received[Amount], unit: UnitOfWork) -> None:
    """Take an amount into the total."""
    envelope = event.envelope
    await unit.connection.execute(ADD, {"amount": event.data.amount})
    row = {"stream": envelope.subject, "version": envelope.stream_version, "position": envelope.position}
    await unit.connection.execute(NOTE_HANDLED, row | {"n": event.data.amount})


async def total(engine: AsyncEngine) -> int:
    """The sum so far."""
    async with engine.connect() as connection:
        return int((await connection.execute(TOTAL)).scalar_one())


async def handled(engine: AsyncEngine) -> list[Handled]:
    """Every effect so far."""
    async with engine.connect() as connection:
        return [Handled(*row) for row in await connection.execute(HANDLED)]


async def write(units: Units, fact: type[Amount], amounts: Sequence[int], stream: str = "accounts/one") -> None:
    """Append one fact for each amount to the end of a stream, each in a transaction of its own."""
    async with units.engine.connect() as connection:
        query = text("SELECT coalesce(max(version), 0) FROM events WHERE stream = :stream")
        version = (await connection.execute(query, {"stream": stream})).scalar_one()
    for amount in amounts:
        async with units.begin() as unit:
            await unit.append_to(stream, [fact(amount=amount)], expected=version)
        version += 1


def options() -> dict[str, Any]:
    """What the test told this program."""
    told: dict[str, Any] = json.loads(sys.argv[1])
    return told


def die() -> None:
    """End as by kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_once(marker: str) -> None:
    """End as by kill -9, unless that happened before: the marker is a file that says so."""
    path = Path(marker)
    if not path.exists():
        path.touch()
        die()
