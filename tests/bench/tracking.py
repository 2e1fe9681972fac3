"""Tracking and the model catalogue through MLflow's own client, beside MLflow's server on SQLite and on PostgreSQL.

A row against "no server" has as its other side a server that only repeats answers: the client's own limit on this
machine, which no server can pass.
"""

import tempfile
from collections import defaultdict
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import uvloop
from _mlflow_side import Clients, Side, clients, mlflow, pelton, replay
from _results import Row, save
from _servers import PEERS

from pelton.testkit.peers import Peer

ROUNDS = 3
SECONDS = 1.0
TOGETHER = (1, 4)
BATCH = 1000
CASES = {
    "create_run": ("create run", 1),
    "log_metric": ("log metric", 1),
    "log_batch": ("log batch of 1000, metrics", BATCH),
    "create_version": ("create version", 1),
    "search_runs": ("search: 100 of 10,000 runs, filtered, ordered", 1),
}
# Of one run: at Pelton's count the others would take minutes.
BATCHES, OTHERS_BATCHES = 1000, 50

Rates = dict[tuple[str, int, str], list[float]]


async def throughput(sides: Sequence[tuple[Side, Clients]]) -> Rates:
    """How often a second each side does each case for one client and for several, in turns."""
    found: Rates = defaultdict(list)
    for _ in range(ROUNDS):
        for case, (_, each) in CASES.items():
            for together in TOGETHER:
                for side, own in sides:
                    found[case, together, side.name].append(each * await own.rate(case, together, SECONDS))
    return found


async def long_run(side: Side, own: Clients, how: str, batches: int) -> dict[str, list[float]]:
    """The seconds for one run of very many points: to log it, to read it whole, and as a chart shows it."""
    await own.prepare(side)
    return {
        "logged" if how == "log_batch" else "logged without the client": [await own.time(how, batches)],
        "read page by page": [await own.time("history")],
        "sampled to 320": [await own.time("downsample") for _ in range(ROUNDS)],
    }


async def long_runs(sides: Sequence[tuple[Side, Clients]]) -> list[Row]:
    """Runs as long as the others can take, and a longer one of Pelton's own."""
    (ours, *others) = sides
    found = await long_run(*ours, "log_batch", OTHERS_BATCHES)
    rows = []
    for other in others:
        theirs = await long_run(*other, "log_batch", OTHERS_BATCHES)
        rows += [
            Row.cost(f"{OTHERS_BATCHES * BATCH:,} points of a run, {what}", "s", seconds, other[0].name, theirs[what])
            for what, seconds in found.items()
        ]
    found = await long_run(*ours, "log_without_client", BATCHES)
    rows += [Row.cost(f"{BATCHES * BATCH:,} points of a run, {what}", "s", seconds) for what, seconds in found.items()]
    return rows


def rows_of(rates: Rates, others: Sequence[str]) -> list[Row]:
    """Each case against each other side."""
    return [
        Row.rate(
            f"{label}, {together} client{'s' * (together > 1)}",
            rates[case, together, "Pelton"],
            other,
            rates[case, together, other],
        )
        for case, (label, _) in CASES.items()
        for together in TOGETHER
        for other in others
    ]


async def main() -> None:
    """All servers up at once, asked in turns."""
    peer = Peer(PEERS / "mlflow.txt")
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pelton-bench-tracking-")))
        ours, started = await pelton(folder / "pelton", stack)
        started.layout.postgres.ensure_database("mlflow")
        postgres = started.layout.postgres.dsn("mlflow").replace("+asyncpg", "+psycopg2")
        theirs = [
            await mlflow("MLflow on SQLite", peer, folder / "sqlite", "", stack),
            await mlflow("MLflow on PostgreSQL", peer, folder / "postgres", postgres, stack),
        ]
        limit = replay(ours, folder, stack)
        sides = [
            (side, await stack.enter_async_context(clients(peer, side, max(TOGETHER))))
            for side in (ours, *theirs, limit)
        ]
        rows = rows_of(await throughput(sides), [side.name for side, _ in sides[1:]])
        rows += await long_runs(sides[:-1])
    installed = peer.versions()
    save("tracking", rows, {name: installed[name] for name in ("mlflow", "SQLAlchemy", "psycopg2-binary")})


if __name__ == "__main__":
    uvloop.run(main())
