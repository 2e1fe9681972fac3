"""What a window is compared with: how each input was distributed when the model was trained."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from numpy.typing import NDArray

from pelton.contracts.canonical import digest
from pelton.monitor.statistics.partition import Bins, Categories, UnfitColumnError, cells

Columns = Mapping[str, Sequence[object] | NDArray[Any]]


@dataclass(frozen=True, slots=True)
class FeatureReference:
    """One input of the reference: its cells, and the rows in each, the missing ones last."""

    feature: str
    partition: Bins | Categories
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WindowCounts:
    """A window over the cells of a reference: rows in each cell of each feature, features by name."""

    rows: int
    counts: tuple[tuple[int, ...], ...]

    def merge(self, other: Self) -> Self:
        """The counts of two disjoint sets of rows together, over the same reference."""
        counts = tuple(
            tuple(mine + theirs for mine, theirs in zip(one, another, strict=True))
            for one, another in zip(self.counts, other.counts, strict=True)
        )
        return type(self)(rows=self.rows + other.rows, counts=counts)


@dataclass(frozen=True)
class Reference:
    """The inputs of a model on reference rows, sorted by name."""

    rows: int
    features: tuple[FeatureReference, ...]

    @classmethod
    def pin(cls, columns: Columns) -> Self:
        """The reference of these columns: name to values, shape (rows,), numbers or texts.

        Numbers are cut into at most ten bins by quantile, or one bin a level where there are at most ten levels;
        of texts, the thirty most frequent are kept.

        Raises:
            UnfitColumnError: a column of another type, or columns of different lengths.
        """
        rows = _rows(columns)
        features = []
        for name in sorted(columns):
            values = cells(name, columns[name])
            partition = Categories.of(values) if values.dtype == object else Bins.of(values)
            features.append(FeatureReference(name, partition, partition.count(values)))
        return cls(rows=rows, features=tuple(features))

    def count(self, columns: Columns) -> WindowCounts:
        """The rows of a window, or of a part of it, by the reference's cells; columns it does not know are ignored.

        Raises:
            UnfitColumnError: a column is absent, of another type than in the reference, or of another length.
        """
        counted = []
        for feature in self.features:
            if feature.feature not in columns:
                raise UnfitColumnError(
                    f"column {feature.feature!r} of the reference is not in the window, which has {sorted(columns)}"
                )
            values = cells(feature.feature, columns[feature.feature])
            if values.size and (values.dtype == object) is not isinstance(feature.partition, Categories):
                raise UnfitColumnError(
                    f"column {feature.feature!r} changed between numbers and texts: pin a new reference"
                )
            counted.append(feature.partition.count(values))
        rows = _rows({feature.feature: columns[feature.feature] for feature in self.features})
        return WindowCounts(rows=rows, counts=tuple(counted))

    @cached_property
    def digest(self) -> str:
        """The digest of the canonical JSON of `to_dict`."""
        return digest(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """The reference as JSON can say it; `from_dict` gives the same reference back."""
        return {
            "rows": self.rows,
            "features": {
                f.feature: {
                    **(
                        {"edges": list(f.partition.edges)}
                        if isinstance(f.partition, Bins)
                        else {"names": list(f.partition.names)}
                    ),
                    "counts": list(f.counts),
                }
                for f in self.features
            },
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The reference that `to_dict` wrote."""
        features = (
            FeatureReference(
                feature=name,
                partition=Bins(tuple(feature["edges"])) if "edges" in feature else Categories(tuple(feature["names"])),
                counts=tuple(feature["counts"]),
            )
            for name, feature in sorted(state["features"].items())
        )
        return cls(rows=state["rows"], features=tuple(features))


def _rows(columns: Columns) -> int:
    lengths = {name: len(columns[name]) for name in sorted(columns)}
    if len(set(lengths.values())) > 1:
        raise UnfitColumnError(f"columns of different lengths: {lengths}; pass one value a row in each")
    return next(iter(lengths.values()), 0)
