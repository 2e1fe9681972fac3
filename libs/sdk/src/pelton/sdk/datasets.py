"""Features of rows at their own times, and the datasets that are kept of them.

from pelton.sdk.datasets import dataset, historical_features, make_dataset
"""

import hashlib
import io
import tempfile
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError
from pelton.sdk.online import Frame

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

Known = Literal["event_time", "arrival"]
Features = Sequence[str] | str
_ARROW: Final = "application/vnd.apache.arrow.stream"
_ASK_EVERY: Final = 0.5


def historical_features(
    client: Client, rows: Frame, features: Features, *, known: Known = "event_time"
) -> pl.DataFrame:
    """The rows with a column for each feature, as it was at the row's own `event_time`, never later.

    `rows` has a column for each key, and for what transformations read of a request. `features` lists `view:feature`
    and `transformation:feature`, or is the name of a feature service. With `known="arrival"` only events count that
    had arrived by the row's moment and that serving took in: what it would have answered then. Without, all events
    before the moment that are known now.

    Raises:
        NotReachableError: the feature service does not answer.
        RefusedError: a feature is not there, or the rows lack a key or their times.
    """
    answer = client.send(
        "feature",
        "POST",
        "/v1/historical-features",
        params={**_asked(features), "known": known},
        content=_stream(rows),
        headers={"content-type": _ARROW},
    )
    return pl.read_ipc_stream(answer.content)


@dataclass(frozen=True, slots=True)
class SourceRows:
    """Rows that are the events of a source, `start <= event time < end`, with these fields of theirs."""

    source: str
    start: datetime
    end: datetime
    fields: tuple[str, ...] = ()


def make_dataset(
    client: Client,
    name: str,
    rows: Frame | SourceRows,
    features: Features,
    *,
    known: Known = "event_time",
    timeout: float = 600.0,
) -> "Dataset":
    """Have a dataset made and kept: rows of your own or of a source, with features as `historical_features` has them.

    Raises:
        PeltonError: it cannot be made, or was not within the timeout (in seconds).
        NotReachableError: the feature service does not answer.
        RefusedError: a feature is not there, or the rows have no times.
    """
    query: dict[str, Any] = {"name": name, "known": known, "rows": _kept(client, rows), **_asked(features)}
    answer = client.send("feature", "POST", "/v1/datasets", json=query, headers={"idempotency-key": uuid.uuid4().hex})
    request = answer.json()["id"]
    until = time.monotonic() + timeout
    while time.monotonic() < until:
        found = client.get("feature", f"/v1/dataset-requests/{request}")
        if found["status"] == "made":
            return Dataset(client, found["dataset"])
        if found["status"] == "failed":
            raise PeltonError(f"the dataset {name!r} cannot be made: {found['failure']}")
        time.sleep(_ASK_EVERY)
    raise PeltonError(
        f"the dataset {name!r} was not made within {timeout:g} s, and may still be: GET /v1/dataset-requests/{request} "
        "of the feature service says what became of it"
    )


def dataset(digest: str, client: Client | None = None) -> "Dataset":
    """A dataset by its digest, `sha256:` and 64 digits; nothing is read before something is asked of it."""
    return Dataset(client or Client(), digest)


class Dataset:
    """An immutable dataset. Its file is downloaded once into the platform's home, and checked against its digest."""

    def __init__(self, client: Client, digest: str) -> None:
        self.digest = digest
        self._client = client
        self._told: dict[str, Any] | None = None

    @property
    def details(self) -> dict[str, Any]:
        """Where it came from and what is in it: query, offsets, views, rows, statistics."""
        if self._told is None:
            self._told = self._client.get("feature", f"/v1/datasets/{self.digest}")
        return self._told

    @property
    def path(self) -> Path:
        """Its Parquet file on this machine.

        Raises:
            PeltonError: what was sent is not what the digest names.
            RefusedError: there is no such dataset.
        """
        place = self._client.address.home / "cache" / "datasets" / f"{self.digest.replace(':', '-')}.parquet"
        if not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            self._download(place)
        return place

    def to_polars(self, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """The rows as a frame of polars."""
        return pl.read_parquet(self.path, columns=list(columns) if columns is not None else None)

    def to_pandas(self, columns: Sequence[str] | None = None) -> "pd.DataFrame":
        """The rows as a frame of pandas, which must be installed."""
        return self.to_polars(columns).to_pandas()

    def to_arrow(self, columns: Sequence[str] | None = None) -> "pa.Table":
        """The rows as a table of pyarrow, which must be installed."""
        return self.to_polars(columns).to_arrow()

    def batches(self, size: int, columns: Sequence[str] | None = None, *, seed: int | None = None) -> "Batches":
        """The rows in batches of numpy arrays by column, to train on; with a seed in another order each time."""
        return Batches(self.to_polars(columns), size, seed)

    def _download(self, place: Path) -> None:
        found = hashlib.sha256()
        with tempfile.TemporaryDirectory(dir=place.parent, prefix=".download-") as folder:
            draft = Path(folder) / "dataset.parquet"
            with draft.open("wb") as file:
                for piece in self._client.stream("feature", f"/v1/datasets/{self.digest}/content"):
                    found.update(piece)
                    file.write(piece)
            if f"sha256:{found.hexdigest()}" != self.digest:
                raise PeltonError(
                    f"what the feature service sent as {self.digest} is sha256:{found.hexdigest()}: the dataset was "
                    "changed or cut off on its way; ask again, and if it stays so, look at the object store"
                )
            draft.replace(place)


class Batches:
    """Batches of rows, each a numpy array by column, as often as they are iterated over.

    `len` is their number, and `[n]` the n-th without shuffling, which is all that a sampler of PyTorch's wants. With a
    seed each pass has another order of all rows, and the passes have the same orders whenever they are begun anew.
    """

    def __init__(self, rows: pl.DataFrame, size: int, seed: int | None = None) -> None:
        if size < 1:
            raise ValueError(f"a batch of {size} rows is none; give a size of 1 or more")
        self._rows = rows
        self._size = size
        self._chance = None if seed is None else np.random.default_rng(seed)

    def __len__(self) -> int:
        """How many batches there are; the last may be smaller."""
        return (self._rows.height + self._size - 1) // self._size

    def __getitem__(self, number: int) -> dict[str, NDArray[Any]]:
        """The n-th batch in the order of the dataset."""
        if not 0 <= number < len(self):
            raise IndexError(f"there is no batch {number}: there are {len(self)}")
        return _arrays(self._rows.slice(number * self._size, self._size))

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        """One pass over all rows."""
        rows = self._rows
        if self._chance is not None:
            rows = rows[self._chance.permutation(rows.height)]
        for start in range(0, rows.height, self._size):
            yield _arrays(rows.slice(start, self._size))


def _arrays(rows: pl.DataFrame) -> dict[str, NDArray[Any]]:
    return {name: rows[name].to_numpy() for name in rows.columns}


def _asked(features: Features) -> dict[str, Any]:
    return {"feature_service": features} if isinstance(features, str) else {"features": list(features)}


def _kept(client: Client, rows: Frame | SourceRows) -> Any:  # noqa: ANN401 - a digest, or an object of JSON
    if isinstance(rows, SourceRows):
        span = {"start": rows.start.isoformat(), "end": rows.end.isoformat()}
        return {"source": rows.source, **span, "fields": list(rows.fields)}
    sent = client.send("feature", "POST", "/v1/dataset-rows", content=_stream(rows), headers={"content-type": _ARROW})
    return sent.json()["digest"]


def _stream(rows: Frame) -> bytes:
    body = io.BytesIO()
    pl.DataFrame(rows).write_ipc_stream(body)
    return body.getvalue()
