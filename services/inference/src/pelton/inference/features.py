"""Features for a request: read from the online store as of each row's own time, or computed of the request."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition, TransformationDefinition
from pelton.contracts.feature import FeatureViewApplied, TransformationApplied
from pelton.contracts.values import ModelVersion
from pelton.eventkit.envelope import Received
from pelton.inference.protocol import BadRequestError
from pelton.tiles.entities import entity_key
from pelton.tiles.expressions import Column, ExpressionError
from pelton.tiles.features import Features
from pelton.tiles.reader import TileReader
from pelton.tiles.transformations import computed


class FeatureReader:
    """Knows every version of every view and transformation from their facts, and reads their features."""

    def __init__(self, tiles: TileReader) -> None:
        self._tiles = tiles
        self._views: dict[str, FeatureViewDefinition] = {}
        self._transformations: dict[str, TransformationDefinition] = {}

    async def see_view(self, event: Received[FeatureViewApplied]) -> None:
        """Remember a version of a view."""
        self._views[event.data.definition_digest] = event.data.definition

    async def see_transformation(self, event: Received[TransformationApplied]) -> None:
        """Remember a version of a transformation."""
        self._transformations[event.data.definition_digest] = event.data.definition

    def view(self, version: ModelVersion, name: str) -> FeatureViewDefinition:
        """A view that a model's version reads, in the version it was trained with.

        Raises:
            BadRequestError: 503, that view has not been seen yet.
        """
        found = self._views.get(version.views[name])
        if found is None:
            raise BadRequestError(f"feature view {name} of version {version.version} is not known here yet", 503)
        return found

    def transformations(self, version: ModelVersion) -> dict[str, TransformationDefinition]:
        """The transformations that a model's version reads, by name, as it was trained with them.

        Raises:
            BadRequestError: 503, one has not been seen yet.
        """
        found = {name: self._transformations.get(digest) for name, digest in version.transformations.items()}
        unknown = sorted(name for name, one in found.items() if one is None)
        if unknown:
            raise BadRequestError(
                f"transformation {', '.join(unknown)} of version {version.version} is not known here yet", 503
            )
        return {name: one for name, one in found.items() if one is not None}

    def fields_read(self, versions: Iterable[ModelVersion]) -> frozenset[str]:
        """What the transformations of some versions read of the request, by name.

        Raises:
            BadRequestError: 503, a transformation has not been seen yet.
        """
        transformations = [one for version in versions for one in self.transformations(version).values()]
        return frozenset(name for one in transformations for name in one.request)

    def read(
        self,
        versions: Iterable[ModelVersion],
        entities: Mapping[str, Sequence[str]],
        request: Mapping[str, Column],
        times: NDArray[np.int64],
    ) -> dict[tuple[int, str], Column]:
        """Every feature that the versions need, by (version, `name:feature`), each of shape (rows,).

        `request` has what transformations may read of the request, each of shape (rows,).

        Raises:
            BadRequestError: an entity of some view was not sent, or a field that a transformation reads.
        """
        found: dict[str, Features] = {}
        columns: dict[tuple[int, str], Column] = {}
        for version in versions:
            transformations = self.transformations(version)
            views: dict[str, Features] = {}
            for name in _views_read(version, transformations):
                digest = version.views[name]
                if digest not in found:
                    found[digest] = self._of_view(self.view(version, name), entities, times)
                views[name] = found[digest]
            for ref in version.features:
                name, _, feature = ref.partition(":")
                if name in transformations:
                    columns[version.version, ref] = _of_request(transformations[name], feature, request, views)
                else:
                    columns[version.version, ref] = views[name].columns[feature]
        return columns

    def _of_view(
        self, view: FeatureViewDefinition, entities: Mapping[str, Sequence[str]], times: NDArray[np.int64]
    ) -> Features:
        missing = next((name for name in view.join_keys if name not in entities), None)
        if missing is not None:
            raise BadRequestError(
                f"features of view {view.name!r} need the entity {missing!r}: send an input of that name "
                "(BYTES), or send the features themselves"
            )
        columns = [entities[name] for name in view.join_keys]
        keys = columns[0] if len(columns) == 1 else [entity_key(row) or "" for row in zip(*columns, strict=True)]
        return self._tiles.features(view, keys, times)


def _views_read(version: ModelVersion, transformations: Mapping[str, TransformationDefinition]) -> list[str]:
    """The views that a version's features are read from, or computed of."""
    read: dict[str, None] = {}
    for ref in version.features:
        name = ref.partition(":")[0]
        inputs = transformations[name].inputs.values() if name in transformations else (ref,)
        read |= dict.fromkeys(one.partition(":")[0] for one in inputs)
    return list(read)


def _of_request(
    transformation: TransformationDefinition, feature: str, request: Mapping[str, Column], views: Mapping[str, Features]
) -> Column:
    missing = sorted(set(transformation.request) - request.keys())
    if missing:
        raise BadRequestError(
            f"transformation {transformation.name!r} reads {', '.join(missing)} of the request: send an input of that "
            "name, or send the features themselves"
        )
    try:
        return computed(transformation, feature, request, views)
    except ExpressionError as error:
        raise BadRequestError(f"{transformation.name}:{feature} cannot be computed: {error}") from error
