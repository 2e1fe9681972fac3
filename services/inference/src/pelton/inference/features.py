"""Features of entities for a request: from the online store's tiles, as of each row's own time."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.contracts.feature import FeatureViewApplied
from pelton.contracts.values import ModelVersion
from pelton.eventkit.envelope import Received
from pelton.inference.protocol import BadRequestError
from pelton.tiles.reader import TileReader

Column = NDArray[np.float64]


class FeatureReader:
    """Knows every version of every view from the feature service's facts, and reads their tiles."""

    def __init__(self, tiles: TileReader) -> None:
        self._tiles = tiles
        self._views: dict[str, FeatureViewDefinition] = {}

    async def see(self, event: Received[FeatureViewApplied]) -> None:
        """Remember a version of a view."""
        self._views[event.data.definition_digest] = event.data.definition

    def view(self, version: ModelVersion, ref: str) -> FeatureViewDefinition:
        """The view that a feature of a model's version comes from, in the version it was trained with.

        Raises:
            BadRequestError: 503, that view has not been seen yet.
        """
        name = ref.partition(":")[0]
        found = self._views.get(version.views[name])
        if found is None:
            raise BadRequestError(f"feature view {name} of version {version.version} is not known here yet", 503)
        return found

    def read(
        self, versions: Iterable[ModelVersion], entities: Mapping[str, Sequence[str]], times: NDArray[np.int64]
    ) -> dict[tuple[str, str], Column]:
        """Every feature that the versions need, by (digest of the view, `view:feature`), each of shape (rows,).

        Raises:
            BadRequestError: an entity of some view was not sent.
        """
        needed: dict[str, FeatureViewDefinition] = {}
        for version in versions:
            for ref in version.features:
                needed[version.views[ref.partition(":")[0]]] = self.view(version, ref)
        columns: dict[tuple[str, str], Column] = {}
        for digest, view in needed.items():
            keys = entities.get(view.entity)
            if keys is None:
                raise BadRequestError(
                    f"features of view {view.name!r} need the entity {view.entity!r}: send an input of that name "
                    "(BYTES), or send the features themselves"
                )
            for feature, column in self._tiles.features(view, keys, times).columns.items():
                columns[digest, f"{view.name}:{feature}"] = column
        return columns
