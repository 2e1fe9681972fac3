"""A fixed stream of events, and batches of it: what the tests of the writer take in."""

import numpy as np
import polars as pl

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, Latest
from pelton.tiles.writer import Batch, Ints

EVENTS = 300
SOURCE = "landings"
VIEW = FeatureViewDefinition(
    name="delays",
    source=SOURCE,
    entity="origin",
    tile="1m",
    aggregates=(
        Aggregate(name="total", function="sum", value="delay", windows=("5m", "1h")),
        Aggregate(name="most", function="max", value="delay", windows=("5m",)),
        Aggregate(name="last", function="last", value="carrier", windows=("1h",)),
        Aggregate(name="carriers", function="top_k", value="carrier", k=2, windows=("1h",)),
        Aggregate(name="near", function="quantile", value="delay", quantile=0.5, windows=("1h",)),
        Aggregate(name="kinds", function="distinct", value="delay", windows=("1h",)),
    ),
    latest=(Latest(name="delay", value="delay"), Latest(name="carrier", value="carrier")),
)
ENTITIES = [f"airport {number}" for number in range(5)]


def times(places: Ints) -> Ints:
    """The events' times: seven seconds apart, but for late ones, and some that are too late."""
    found: Ints = places * 7000 - places % 7 * 60_000 - (places % 50 >= 48) * 7_200_000
    return found


def ids(places: Ints) -> pl.Series:
    """The events' ids: each thirteenth event comes twice."""
    return pl.Series([f"event {place - 2 * (place % 13 == 12)}" for place in places.tolist()], dtype=pl.String)


def batch(partition: int, start: int, end: int, view: FeatureViewDefinition = VIEW, covered: int = 0) -> Batch:
    """The events at these offsets of a partition."""
    places = np.arange(start, end, dtype=np.int64) * 2 + partition
    moments = times(places)
    return Batch(
        partition=("pelton.data.landings", partition),
        source=SOURCE,
        lateness_ms=3_600_000,
        offsets=np.arange(start, end, dtype=np.int64),
        next_offset=end,
        ids=ids(places),
        times_ms=moments,
        arrivals_ms=places * 7000,
        events={
            "origin": pl.Series([ENTITIES[place % 5] for place in places.tolist()], dtype=pl.String),
            "delay": (places * 37 % 1001 - 500) / 8,
            "carrier": np.array([("UA", "AA", None)[place % 3] for place in places.tolist()], dtype=object),
        },
        views=[view],
        covered=covered,
    )
