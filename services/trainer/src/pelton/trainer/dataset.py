"""A materialized dataset as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


class UnfitDatasetError(ValueError):
    """A file that is not the dataset it should be."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled rows in order of event time: microseconds since 1970, labels 0 or 1, and float32 columns.

    A missing value is NaN. `texts` are the attributes that are no numbers; a missing text is None.
    """

    times: NDArray[np.int64]
    labels: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float32]]
    texts: Mapping[str, NDArray[np.object_]] = field(default_factory=dict)

    def since(self, row: int) -> "Dataset":
        """The rows from this one on."""
        return Dataset(
            self.times[row:],
            self.labels[row:],
            {name: column[row:] for name, column in self.columns.items()},
            {name: column[row:] for name, column in self.texts.items()},
        )

    def attribute(self, name: str) -> NDArray[Any]:
        """A column by which rows can be grouped, numbers or texts."""
        return self.texts[name] if name in self.texts else self.columns[name]

    def matrix(self, names: Sequence[str]) -> NDArray[np.float32]:
        """These columns in this order, of shape [n, k]."""
        matrix = np.empty((len(self.times), len(names)), dtype=np.float32)
        for place, name in enumerate(names):
            matrix[:, place] = self.columns[name]
        return matrix


def read_dataset(path: Path, inputs: Sequence[str], attributes: Sequence[str] = ()) -> Dataset:
    """Read Parquet with `event_time`, `label`, at least these inputs and these attributes, sorted by time.

    Raises:
        UnfitDatasetError: a column is missing or of the wrong type, the rows are not in order, a label is not 0 or 1.
    """
    table = pq.read_table(path)
    missing = [name for name in ("event_time", "label", *inputs, *attributes) if name not in table.column_names]
    if missing:
        raise UnfitDatasetError(f"the dataset has no column {', '.join(missing)}: it was made for another definition")
    try:
        times = table["event_time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        labels = table["label"].cast(pa.int64()).to_numpy()
        texts = {name: _texts(table[name]) for name in attributes if not _is_number(table[name])}
        names = [name for name in table.column_names if name not in {"key", "event_time", "label", *texts}]
        columns = {name: table[name].cast(pa.float64()).to_numpy().astype(np.float32) for name in names}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnfitDatasetError(f"the dataset has a column of the wrong type: {error}") from error
    if table["label"].null_count or table["event_time"].null_count or not np.isin(labels, (0, 1)).all():
        raise UnfitDatasetError("the dataset has rows without a time, or with a label that is not 0 or 1")
    if np.any(np.diff(times) < 0):
        raise UnfitDatasetError("the rows of the dataset are not in order of event_time")
    return Dataset(times, labels, columns, texts)


def _is_number(column: pa.ChunkedArray) -> bool:
    return bool(pa.types.is_integer(column.type) or pa.types.is_floating(column.type))


def _texts(column: pa.ChunkedArray) -> NDArray[np.object_]:
    return np.array(column.cast(pa.string()).to_pylist(), dtype=object)
