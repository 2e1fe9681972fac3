"""What a dataset looks like, column by column: small enough to keep and compare without the rows."""

import math
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.contracts.feature import ColumnProfile, DatasetProfile

QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


def profile(dataset: pl.DataFrame) -> DatasetProfile:
    """The profile of a dataset; the same rows in the same order give the same profile."""
    return DatasetProfile(rows=dataset.height, columns={name: _column(dataset[name]) for name in dataset.columns})


def _column(series: pl.Series) -> ColumnProfile:
    if series.dtype.is_numeric():
        values: NDArray[np.float64] = series.cast(pl.Float64).fill_null(np.nan).to_numpy()
        return _numbers(str(series.dtype), values)
    present = series.drop_nulls()
    return ColumnProfile(type=str(series.dtype), missing=series.len() - present.len(), distinct=present.n_unique())


def _numbers(type_: str, values: NDArray[np.float64]) -> ColumnProfile:
    finite = np.sort(values[np.isfinite(values)])
    missing = values.size - finite.size
    if not finite.size:
        return ColumnProfile(type=type_, missing=missing, distinct=0)
    # divided first and summed exactly: no order of the rows, and no size of theirs, makes another mean
    mean = math.fsum(finite / finite.size)
    with np.errstate(over="ignore"):
        deviation = math.sqrt(math.fsum((finite - mean) ** 2 / finite.size))
    chosen = np.quantile(finite, QUANTILES, method="inverted_cdf")
    return ColumnProfile(
        type=type_,
        missing=missing,
        distinct=1 + int(np.count_nonzero(finite[1:] != finite[:-1])),
        mean=mean,
        deviation=deviation if math.isfinite(deviation) else None,
        minimum=float(finite[0]),
        maximum=float(finite[-1]),
        quantiles={f"{share:g}": float(value) for share, value in zip(QUANTILES, chosen, strict=True)},
    )
