"""Making a dataset: from the offline store to an immutable Parquet file in the object store."""

import asyncio
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

import polars as pl

from pelton.contracts.canonical import canonical_json
from pelton.contracts.feature import DatasetMaterialized
from pelton.contracts.values import Artifact, Digest, Window
from pelton.eventkit.failures import TransientError
from pelton.feature.datasets.history import moment
from pelton.feature.datasets.labelled import Recipe, build
from pelton.feature.datasets.profiles import profile
from pelton.feature.offline import OfflineStore
from pelton.feature.offline.files import parquet
from pelton.feature.offline.reading import Loaded, OfflineReader, Span
from pelton.objects import Objects


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a dataset is, wherever its rows come from."""

    artifact: Artifact
    profile: Digest
    rows: int
    columns: tuple[str, ...]


class Materializer:
    """Makes datasets beside the taking in. `behind` says which of some sources the offline store lacks events of."""

    def __init__(
        self,
        offline: OfflineStore,
        reader: OfflineReader,
        objects: Objects,
        behind: Callable[[Collection[str]], list[str]],
    ) -> None:
        self._offline = offline
        self._reader = reader
        self._objects = objects
        self._behind = behind

    async def make(self, recipe: Recipe, training_id: str) -> DatasetMaterialized:
        """Make the dataset of a training; the same recipe over the same events gives the same digest.

        Raises:
            ImpossibleDatasetError: there are no rows, or fields are missing.
            TransientError: the offline store has not caught up since the service was started.
        """
        loaded = await self.load(recipe.spans)
        dataset = await asyncio.to_thread(build, recipe, loaded.events)
        kept = await self.keep(dataset)
        return DatasetMaterialized(
            dataset=kept.artifact.digest,
            training_id=training_id,
            model=recipe.model.name,
            artifact=kept.artifact,
            rows=kept.rows,
            positives=int(dataset["label"].sum()),
            columns=kept.columns,
            span=Window(start=recipe.start, end=recipe.end),
            as_of=recipe.as_of,
            offsets=loaded.offsets,
            views={name: view.digest for name, view in sorted(recipe.selection.views.items())},
            transformations={name: one.digest for name, one in sorted(recipe.selection.transformations.items())},
            sources={name: source.digest for name, source in sorted(recipe.sources.items())},
            profile=kept.profile,
            known=recipe.known,
            dropped={name: moment(last) for name, last in loaded.dropped.items()},
        )

    async def load(self, spans: Mapping[str, Span]) -> Loaded:
        """The events of some sources, those that were just taken in among them.

        Raises:
            TransientError: the offline store has not caught up since the service was started.
        """
        behind = self._behind(spans)
        if behind:
            raise TransientError(f"the offline store is still reading {', '.join(behind)} again")
        await self._offline.flush()
        return await self._reader.load(spans)

    async def keep(self, dataset: pl.DataFrame) -> Snapshot:
        """Put a dataset into the object store, with its profile beside it."""
        data = await asyncio.to_thread(parquet, dataset)
        columns = await asyncio.to_thread(profile, dataset)
        return Snapshot(
            artifact=Artifact(digest=await self._objects.put(data), size=len(data), format="parquet"),
            profile=await self._objects.put(canonical_json(columns)),
            rows=dataset.height,
            columns=tuple(dataset.columns),
        )
