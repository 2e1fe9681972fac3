"""A materialized dataset as arrays."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray


class UnfitDatasetError(ValueError):
    """A file that is not the dataset it should be."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Labelled rows in order of event time: microseconds since 1970, labels 0 or 1, and float32 columns.

    A missing value is NaN.
    """

    times: NDArray[np.int64]
    labels: NDArray[np.int64]
    columns: Mapping[str, NDArray[np.float32]]

    def since(self, row: int) -> "Dataset":
        """The rows from this one on."""
        return Dataset(self.times[row:], self.labels[row:], {name: col[row:] for name, col in self.columns.items()})

    def matrix(self, names: Sequence[str]) -> NDArray[np.float32]:
        """These columns in this order, of shape [n, k]."""
        matrix = np.empty((len(self.times), len(names)), dtype=np.float32)
        for place, name in enumerate(names):
            matrix[:, place] = self.columns[name]
        return matrix


def read_dataset(path: Path, inputs: Sequence[str]) -> Dataset:
    """Read Parquet with `event_time`, `label` and at least these inputs, sorted by time.

    Raises:
        UnfitDatasetError: a column is missing or of the wrong type, the rows are not in order, a label is not 0 or 1.
    """
    table = pq.read_table(path)
    missing = [name for name in ("event_time", "label", *inputs) if name not in table.column_names]
    if missing:
        raise UnfitDatasetError(f"the dataset has no column {', '.join(missing)}: it was made for another definition")
    try:
        times = table["event_time"].cast(pa.timestamp("us", "UTC")).cast(pa.int64()).to_numpy()
        labels = table["label"].cast(pa.int64()).to_numpy()
        names = [name for name in table.column_names if name not in {"key", "event_time", "label"}]
        columns = {name: table[name].cast(pa.float64()).to_numpy().astype(np.float32) for name in names}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnfitDatasetError(f"the dataset has a column of the wrong type: {error}") from error
    if table["label"].null_count or table["event_time"].null_count or not np.isin(labels, (0, 1)).all():
        raise UnfitDatasetError("the dataset has rows without a time, or with a label that is not 0 or 1")
    if np.any(np.diff(times) < 0):
        raise UnfitDatasetError("the rows of the dataset are not in order of event_time")
    return Dataset(times, labels, columns)
