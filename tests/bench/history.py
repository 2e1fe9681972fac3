"""The point-in-time join: a million events, ten thousand entities, ten features, a hundred thousand rows.

Beside Feast's file store and its DuckDB store, and polars' `join_asof` as the limit; each reads Parquet from disk in a
process of its own, in turns, and joins once before it is timed. Then Pelton alone over HTTP.
"""

import json
import math
import subprocess
import sys
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
import uvloop
from _history_http import over_http
from _history_side import view
from _results import Row, save
from _servers import PEERS

from pelton.feature.columns import ARRIVAL, ID, LATE, OFFSET, PARTITION, TIME
from pelton.feature.offline.files import by_day, parquet, whole
from pelton.testkit.peers import Peer

HERE: Final = Path(__file__).parent
ROUNDS: Final = 3
EVENTS, ENTITIES, FEATURES, ROWS = 1_000_000, 10_000, 10, 100_000
DAYS: Final = 30
START: Final = datetime(2026, 1, 1, tzinfo=UTC)
CASE: Final = f"{EVENTS:,} events, {ENTITIES:,} entities, {FEATURES} features, {ROWS:,} rows, from Parquet"


def events() -> pl.DataFrame:
    """Events in order of their arrival, which follows their time by seconds."""
    chance = np.random.default_rng(1)
    first = round(START.timestamp() * 1000)
    times = np.sort(chance.integers(first, first + DAYS * 86_400_000, EVENTS))
    words = chance.integers(0, 2**63, (2, EVENTS))
    return pl.DataFrame(
        {
            "entity": [f"e{one}" for one in chance.integers(0, ENTITIES, EVENTS)],
            **{f"f{place}": chance.normal(size=EVENTS).round(6) for place in range(FEATURES)},
            ID: [f"{a:016x}{b:016x}" for a, b in zip(*words.tolist(), strict=True)],
            TIME: times,
            ARRIVAL: times + 5000,
            LATE: np.zeros(EVENTS, np.int8),
            PARTITION: np.zeros(EVENTS, np.int32),
            OFFSET: np.arange(EVENTS),
        }
    )


def rows() -> pl.DataFrame:
    """Moments of entities, in no order."""
    chance = np.random.default_rng(2)
    seconds = chance.integers(0, DAYS * 86_400, ROWS)
    return pl.DataFrame(
        {
            "entity": [f"e{one}" for one in chance.integers(0, ENTITIES, ROWS)],
            "event_time": pl.Series([START + timedelta(seconds=int(one), milliseconds=500) for one in seconds]).cast(
                pl.Datetime("us", "UTC")
            ),
        }
    )


def prepare(folder: Path) -> None:
    """The same events for each side: in the files of the offline store, and as Feast wants them in one."""
    made = events()
    for number, day in enumerate(by_day(whole(made))):
        place = folder / "offline" / "_source=events" / f"_day={number:02}"
        place.mkdir(parents=True)
        (place / "0.parquet").write_bytes(parquet(day))
    # Feast joins with `<=`: a millisecond later is the `<` of the others.
    moments = (pl.col(TIME) + 1).cast(pl.Datetime("ms", "UTC")).alias("event_timestamp")
    feast = made.select("entity", moments, *(f"f{place}" for place in range(FEATURES)))
    feast.write_parquet(folder / "feast.parquet", compression="zstd")
    rows().write_parquet(folder / "rows.parquet")


def timed(python: Path, script: str, *words: str | Path, env: dict[str, str] | None = None) -> tuple[float, float]:
    """One join in a process of its own: its seconds, and the sum of a feature."""
    command = [python, HERE / script, *words, str(FEATURES)]
    told = json.loads(subprocess.run(command, env=env, stdout=subprocess.PIPE, check=True).stdout.splitlines()[-1])
    return told["seconds"], told["sum"]


def main() -> None:
    """Measure in turns."""
    peer = Peer(PEERS / "feast-offline.txt")
    ours = Path(sys.executable)
    seconds: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="pelton-bench-history-") as name:
        folder = Path(name)
        prepare(folder)
        for _ in range(ROUNDS):
            sums = {}
            for side in ("pelton", "polars", "pelton-known"):
                took, sums[side] = timed(ours, "_history_side.py", side, folder)
                seconds[side].append(took)
            for store in ("dask", "duckdb"):
                took, sums[store] = timed(peer.python, "_feast_history.py", store, folder, env=peer.env)
                seconds[store].append(took)
            check(sums)
        over, total = uvloop.run(over_http(folder / "platform", events(), rows(), view(FEATURES), ROUNDS))
        check({**sums, "pelton": total})
    versions = peer.versions()
    own = seconds["pelton"]
    told = [
        Row.cost(CASE, "s", own, "Feast's file store", seconds["dask"]),
        Row.cost(CASE, "s", own, "Feast's DuckDB store", seconds["duckdb"]),
        Row.cost(CASE, "s", own, "polars join_asof", seconds["polars"]),
        Row.cost(f"{CASE}, as known", "s", seconds["pelton-known"]),
        Row.cost("the same over HTTP, rows and answer as Arrow", "s", over),
    ]
    save("history", told, {name: versions[name] for name in ("feast", "duckdb", "dask")})


def check(sums: dict[str, float]) -> None:
    """All but what is as known found the same values. (Feast's file store leaves out the rows that have none.)"""
    expected = sums["polars"]
    for side in ("pelton", "dask", "duckdb"):
        if not math.isclose(sums[side], expected, rel_tol=1e-9):
            raise RuntimeError(f"{side} found a sum of {sums[side]}, polars one of {expected}")


if __name__ == "__main__":
    main()
