"""Making a dataset: from the offline store to an immutable Parquet file in the object store."""

import asyncio

from pelton.contracts.canonical import canonical_json
from pelton.contracts.feature import DatasetMaterialized
from pelton.contracts.values import Artifact, Window
from pelton.eventkit.failures import TransientError
from pelton.feature.datasets import Recipe, build
from pelton.feature.ingest import Ingestion
from pelton.feature.offline import OfflineStore, parquet
from pelton.feature.profiles import profile
from pelton.objects import Objects


class Materializer:
    """Makes datasets beside the taking in, which it holds up only while the offline store writes what it collected."""

    def __init__(self, offline: OfflineStore, ingestion: Ingestion, objects: Objects) -> None:
        self._offline = offline
        self._ingestion = ingestion
        self._objects = objects

    async def make(self, recipe: Recipe, training_id: str) -> DatasetMaterialized:
        """Make a dataset and say what it is; the same recipe over the same events gives the same digest.

        Raises:
            ImpossibleDatasetError: there are no rows, or fields are missing.
            TransientError: the offline store has not caught up since the service was started.
        """
        async with self._ingestion.lock:
            behind = self._ingestion.behind(recipe.needed_sources)
            if behind:
                raise TransientError(f"the offline store is still reading {', '.join(behind)} again")
            await self._offline.flush()
        as_of_ms = round(recipe.as_of.timestamp() * 1000)
        loaded = await self._offline.load(recipe.needed_sources, recipe.first_needed_ms, as_of_ms)
        dataset = await asyncio.to_thread(build, recipe, loaded.events)
        data = await asyncio.to_thread(parquet, dataset)
        digest = await self._objects.put(data)
        columns = await asyncio.to_thread(profile, dataset)
        return DatasetMaterialized(
            dataset=digest,
            training_id=training_id,
            model=recipe.model.name,
            artifact=Artifact(digest=digest, size=len(data), format="parquet"),
            rows=dataset.height,
            positives=int(dataset["label"].sum()),
            columns=tuple(dataset.columns),
            span=Window(start=recipe.start, end=recipe.end),
            as_of=recipe.as_of,
            offsets=loaded.offsets,
            views={name: view.digest for name, view in sorted(recipe.views.items())},
            sources={name: source.digest for name, source in sorted(recipe.sources.items())},
            profile=await self._objects.put(canonical_json(columns)),
        )
