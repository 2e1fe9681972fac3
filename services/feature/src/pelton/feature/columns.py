"""Events as typed columns, by the source's schema: what tiles are folded from and what Parquet holds."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.definitions import SourceDefinition
from pelton.feature.fields import kinds

Columns = Mapping[str, NDArray[Any]]

ID, TIME, PARTITION, OFFSET = "_id", "_event_time", "_partition", "_offset"
ARRIVAL, LATE, TIE = "_arrival", "_late", "_tie"


def frame(
    definition: SourceDefinition,
    data: Sequence[Mapping[str, Any]],
    ids: Sequence[str],
    times_ms: Sequence[int],
    places: Sequence[tuple[int, int]],
) -> pl.DataFrame:
    """Events as a frame, one row each, with their id, time, partition and offset.

    Numbers and truth values become Float64, texts String.
    """
    columns: dict[str, pl.Series] = {}
    for name, kind in kinds(definition).items():
        values = [one.get(name) for one in data]
        if kind == "number":
            values = [None if value is None else float(value) for value in values]
        columns[name] = pl.Series(name, values, dtype=pl.Float64 if kind == "number" else pl.String)
    columns[ID] = pl.Series(ID, ids, dtype=pl.String)
    columns[TIME] = pl.Series(TIME, times_ms, dtype=pl.Int64)
    columns[PARTITION] = pl.Series(PARTITION, [place[0] for place in places], dtype=pl.Int32)
    columns[OFFSET] = pl.Series(OFFSET, [place[1] for place in places], dtype=pl.Int64)
    return pl.DataFrame(columns)


def arrays(events: pl.DataFrame) -> Columns:
    """A frame's fields as numpy arrays: float64 with NaN for null, texts as objects with None for null."""
    found: dict[str, NDArray[Any]] = {}
    for name in events.columns:
        if name in (ID, TIME, PARTITION, OFFSET, ARRIVAL, LATE, TIE):
            continue
        series = events[name]
        if series.dtype == pl.Float64:
            found[name] = series.fill_null(np.nan).to_numpy()
        else:
            found[name] = np.array(series.to_list(), dtype=object)
    return found
