"""Tables of polars, pandas and Arrow: read as columns of numbers and texts, and given back as what they were."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.sdk.errors import PeltonError

Column = NDArray[Any]


class Frame(Protocol):
    """A table of polars, pandas, Arrow, DuckDB or any other library that speaks Arrow's C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """The table as a stream."""


FrameT = TypeVar("FrameT", bound=Frame)

_LIBRARIES: Final = {"pandas": pl.DataFrame.to_pandas, "pyarrow": pl.DataFrame.to_arrow}


class FrameError(PeltonError):
    """A table that lacks a column, or has one that is of no use; the message says which."""


def read(frame: object) -> pl.DataFrame:
    """A table as polars has it, or columns by name."""
    if isinstance(frame, pl.DataFrame):
        return frame
    if type(frame).__module__.partition(".")[0] == "pandas":
        return pl.from_pandas(frame, include_index=False)
    return pl.DataFrame(frame)  # type: ignore[arg-type]


def like(frame: FrameT, found: pl.DataFrame) -> FrameT:
    """A table of the library that `frame` is of; of polars where that is none of the three."""
    convert = _LIBRARIES.get(type(frame).__module__.partition(".")[0])
    return found if convert is None else convert(found)  # type: ignore[return-value]


def column(frame: pl.DataFrame, name: str, reader: str) -> Column:
    """A column as expressions read it, for `reader`: float64 with NaN for null, or texts with None.

    Truth values are 0 and 1, moments milliseconds since 1970.

    Raises:
        FrameError: it is missing, or of another type.
    """
    series = _series(frame, name, reader)
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone:
        return _milliseconds(series).cast(pl.Float64).fill_null(np.nan).to_numpy()
    if series.dtype in (pl.Null, pl.Boolean) or series.dtype.is_numeric():
        return series.cast(pl.Float64).fill_null(np.nan).to_numpy()
    if series.dtype in (pl.String, pl.Categorical, pl.Enum):
        return np.array(series.cast(pl.String).to_list(), dtype=object)
    raise FrameError(
        f"{reader} reads the column {name!r}, which is {series.dtype}: it must have numbers, texts or times with a zone"
    )


def moments(frame: pl.DataFrame, name: str, reader: str) -> NDArray[np.int64]:
    """A column of moments in milliseconds since 1970: times with a zone, RFC 3339 texts, or milliseconds.

    Raises:
        FrameError: it is missing, has a null, or what is no moment.
    """
    series = _series(frame, name, reader)
    if series.null_count():
        raise FrameError(f"{reader} reads the moments in {name!r}, which has {series.null_count()} nulls")
    match series.dtype:
        case pl.Datetime(time_zone=str()):
            return _milliseconds(series).to_numpy()
        case pl.String:
            return np.array([moment_ms(text) for text in series.to_list()], dtype=np.int64)
        case dtype if dtype.is_integer():
            return series.cast(pl.Int64).to_numpy()
        case dtype:
            raise FrameError(
                f"{reader} reads the moments in {name!r}, which is {dtype}: it must have times with a zone, RFC 3339 "
                "texts, or milliseconds since 1970"
            )


def moment_ms(moment: datetime | str) -> int:
    """A moment in milliseconds since 1970.

    Raises:
        FrameError: it is none, or has no zone.
    """
    try:
        read_ = datetime.fromisoformat(moment) if isinstance(moment, str) else moment
    except ValueError:
        raise FrameError(f"{moment!r} is no RFC 3339 time, such as 2013-03-01T12:00:00Z") from None
    if read_.tzinfo is None:
        raise FrameError(f"{moment} has no time zone; 2013-03-01T12:00:00Z is in UTC")
    return round(read_.timestamp() * 1000)


def of_moments(values: Sequence[int] | NDArray[np.int64]) -> pl.Series:
    """Milliseconds since 1970 as times in UTC."""
    return pl.Series(values, dtype=pl.Int64).cast(pl.Datetime("ms", UTC.tzname(None)))


def with_columns(frame: pl.DataFrame, columns: Mapping[str, Column]) -> pl.DataFrame:
    """The frame with these columns: numbers with null for NaN, texts, or lists."""
    return frame.with_columns(
        pl.Series(name, values).fill_nan(None)
        if values.dtype == np.float64
        else pl.Series(name, values.tolist(), strict=False)
        for name, values in columns.items()
    )


def _milliseconds(series: pl.Series) -> pl.Series:
    return (series.dt.epoch("us") / 1000).round(mode="half_to_even").cast(pl.Int64)


def _series(frame: pl.DataFrame, name: str, reader: str) -> pl.Series:
    if name not in frame.columns:
        raise FrameError(f"{reader} reads the column {name!r}, which the table lacks: {', '.join(frame.columns)}")
    return frame[name]
