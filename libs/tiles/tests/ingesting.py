"""Takes a fixed stream of events into a store, as a process of its own that can be killed: `ingesting.py FOLDER`.

Prints the next offset after each commit, and `done` at the end.
"""

import sys
from pathlib import Path

import numpy as np

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition
from pelton.tiles.fold import fold
from pelton.tiles.store import LmdbTileStore
from pelton.tiles.tiles import Ints, Tiles

EVENTS, BATCH = 6000, 20
PARTITION = ("pelton.data.landings", 0)
VIEW = FeatureViewDefinition(
    name="delays",
    source="landings",
    entity="origin",
    tile="1m",
    aggregates=(
        Aggregate(name="total", function="sum", value="delay", windows=("1h",)),
        Aggregate(name="most", function="max", value="delay", windows=("1h",)),
    ),
)


def times(start: int, end: int) -> Ints:
    """The events' times: a second apart, but for late ones."""
    places = np.arange(start, end, dtype=np.int64)
    return places * 1000 - places % 7 * 60_000


def ids(start: int, end: int) -> list[str]:
    """The events' ids."""
    return [f"event-{place}" for place in range(start, end)]


def tiles(start: int, end: int) -> Tiles:
    """The tiles of the events at these offsets."""
    places = np.arange(start, end)
    origins = np.array([f"airport {place % 5}" for place in places], dtype=object)
    return fold(VIEW, {"origin": origins, "delay": (places * 37 % 1001 - 500) / 8}, times(start, end))


def main(folder: Path) -> None:
    """Go on where the store's offsets say."""
    store = LmdbTileStore(folder)
    for start in range(store.offsets().get(PARTITION, 0), EVENTS, BATCH):
        end = start + BATCH
        with store.transaction() as transaction:
            assert all(transaction.mark_seen("landings", ids(start, end), times(start, end)))
            transaction.merge(VIEW, tiles(start, end))
            moments = times(start, end)
            transaction.advance("landings", newest_ms=int(moments.max()), oldest_ms=int(moments.min()), events=BATCH)
            transaction.set_offsets({PARTITION: end})
        print(end, flush=True)  # noqa: T201 - who kills waits for these
    print("done", flush=True)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
