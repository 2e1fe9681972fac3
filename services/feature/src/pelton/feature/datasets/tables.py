"""Tables as they travel: Arrow's stream, Parquet, or JSON by column."""

import io
from typing import Final

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from pelton.eventkit.problems import ProblemError
from pelton.feature import arrow
from pelton.feature.offline.files import parquet

PARQUET: Final = "application/vnd.apache.parquet"
JSON: Final = "application/json"


def form_of(header: str, default: str = JSON) -> str:
    """The form that a header (`content-type` or `accept`) names first; the default where it names none of them."""
    for part in header.lower().split(","):
        named = part.partition(";")[0].strip()
        if named in (arrow.MEDIA_TYPE, PARQUET, JSON):
            return named
    return default


def read(body: bytes, form: str) -> pa.Table:
    """A table from Arrow's stream or Parquet.

    Raises:
        ProblemError: 400, it is none.
    """
    if form == arrow.MEDIA_TYPE:
        return arrow.read(body)
    try:
        return pq.read_table(io.BytesIO(body))
    except (pa.ArrowException, OSError) as error:
        raise ProblemError(400, "malformed-parquet", "The body is not Parquet", str(error)) from error


def write(table: pa.Table, form: str) -> bytes:
    """A table in a form; as JSON `{"columns": {name: values}}` with null for what is missing or no number."""
    if form == arrow.MEDIA_TYPE:
        return arrow.write(table)
    if form == PARQUET:
        return parquet(pl.DataFrame(table))
    return msgspec.json.encode({"columns": table.to_pydict()})
