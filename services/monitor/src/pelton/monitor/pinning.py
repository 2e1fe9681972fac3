"""The job that pins a reference: the champion's dataset as distributions of its inputs."""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import structlog
from numpy.typing import NDArray

from pelton.contracts.definitions import ModelDefinition, seconds
from pelton.contracts.monitor import ReferencePinned
from pelton.contracts.values import ModelVersion
from pelton.eventkit.failures import TransientError
from pelton.eventkit.jobs import Job
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.monitor import findings, store
from pelton.monitor.domain import PinnedReference
from pelton.monitor.windows import floor
from pelton.objects import CorruptObjectError, ObjectNotFoundError, Objects

log = structlog.get_logger(__name__)


class UnfitDatasetError(ValueError):
    """A file that is not the dataset of the version; the message says why."""


@dataclass(frozen=True)
class Dataset:
    """The inputs of a dataset, and the event time of its last row in milliseconds since 1970."""

    columns: dict[str, NDArray[Any]]
    last: int


class Pinning:
    """Pins each version's reference once. A version whose dataset cannot be read is watched without one."""

    def __init__(self, units: Units, objects: Objects) -> None:
        self._units = units
        self._objects = objects

    async def run(self, job: Job) -> None:
        """Read the dataset and pin; repeated, it changes nothing."""
        details = ModelVersion.model_validate(job.payload)
        async with self._units.begin() as unit:
            definition = await store.model(unit.connection, details.model)
            if definition is None:
                raise TransientError(f"model {details.model!r} has not been registered here yet")
            if await store.pin(unit.connection, details.model, details.version) is not None:
                return
        try:
            data = await self._objects.get(details.dataset)
            dataset = await asyncio.to_thread(read_dataset, data, details.inputs)
        except (ObjectNotFoundError, CorruptObjectError, UnfitDatasetError) as error:
            log.warning("reference cannot be pinned", model=details.model, version=details.version, reason=str(error))
            async with self._units.begin(cause=job.cause) as unit:
                await _keep(unit, details, None, str(error))
                # Only the dataset could say since when. From the first prediction on, then: a wall clock would pass
                # over all of them where events are older than it, such as those that are played back.
                await _begin(unit, definition, 0)
            return
        fact = await asyncio.to_thread(reference_of, details, dataset)
        async with self._units.begin(cause=job.cause) as unit:
            stream = await unit.load(PinnedReference, f"{details.model}@{details.version}")
            if stream.pinned:
                return
            await unit.append(stream, [fact])
            await _keep(unit, details, fact, None)
            await _begin(unit, definition, dataset.last)


def read_dataset(data: bytes, inputs: Sequence[str]) -> Dataset:
    """Read Parquet with `event_time` and at least these inputs; a missing value is NaN.

    Raises:
        UnfitDatasetError: it is no Parquet, has no rows, or lacks a column.
    """
    try:
        table = pq.read_table(io.BytesIO(data))
        missing = [name for name in ("event_time", *inputs) if name not in table.column_names]
        if missing:
            raise UnfitDatasetError(f"the dataset has no column {', '.join(missing)}")
        if not table.num_rows:
            raise UnfitDatasetError("the dataset has no rows")
        times = table["event_time"].cast(pa.timestamp("ms", "UTC"), safe=False)
        last = int(np.max(times.cast(pa.int64()).to_numpy()))
        columns = {name: table[name].cast(pa.float64()).to_numpy() for name in inputs}
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError) as error:
        raise UnfitDatasetError(f"the dataset cannot be read: {error}") from error
    return Dataset(columns, last)


def reference_of(details: ModelVersion, dataset: Dataset) -> ReferencePinned:
    """The reference of a version: its inputs as they were in its dataset, its performance on the held-out rows."""
    reference, features = findings.pin(dataset.columns)
    return ReferencePinned(
        model=details.model,
        version=details.version,
        dataset=details.dataset,
        features=features,
        evaluation=details.evaluation,
        reference_digest=reference.digest,
    )


async def _keep(unit: UnitOfWork, details: ModelVersion, fact: ReferencePinned | None, error: str | None) -> None:
    await store.save_pin(
        unit.connection,
        name=details.model,
        version=details.version,
        threshold=details.threshold,
        evaluation=details.evaluation.model_dump_json(),
        fact=fact,
        event_id=str(unit.recorded[-1].id) if fact else None,
        error=error,
    )
    await store.changed(unit.connection)


async def _begin(unit: UnitOfWork, definition: ModelDefinition, last: int) -> None:
    """Watch the model from the window in which its first champion's dataset ends.

    What was predicted for earlier times was not predicted by a champion. And labels of earlier windows are needed
    by nobody, so that the label source can be read from its beginning without being kept.
    """
    await store.begin_progress(unit.connection, definition.name, floor(last, seconds(definition.monitor.window) * 1000))
