"""What a view accumulates: the columns of its tiles, and how each feature is made of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from typing import Final, Literal

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, seconds
from pelton.contracts.definitions.features import Function
from pelton.tiles.expressions import Expression

SCALE: Final = 1_000_000
Kind = Literal["count", "sum", "min", "max"]
_ORDER: Final[Mapping[Kind, int]] = {"count": 0, "sum": 1, "min": 2, "max": 3}
_KINDS: Final[Mapping[str, Kind]] = {"count": "count", "sum": "sum", "mean": "sum", "min": "min", "max": "max"}


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured of each event: a value, of those events for which a condition holds."""

    value: Expression | None
    where: Expression | None


@dataclass(frozen=True, slots=True)
class Accumulator:
    """What a view's tiles keep of a measure: one column, or for a sum two."""

    measure: Measure
    kind: Kind


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: a function over a window of tiles.

    `count` and `other` are the columns of its accumulators; of a sum `other` is the high half.
    """

    name: str
    function: Function
    window_ms: int
    count: int
    other: int


@dataclass(frozen=True)
class Plan:
    """A view made ready: its tile, its accumulators with their columns, its features in order.

    `prefix` is what the keys of this version of the view begin with in the store. The columns of a tile are counts,
    high halves of sums, low halves of sums, minima, maxima: what merges alike lies together. `columns` has the column
    of each accumulator; of a sum, that of its high half.
    """

    prefix: bytes
    entity: str
    tile_ms: int
    columns: Mapping[Accumulator, int]
    features: tuple[Feature, ...]
    longest_ms: int

    @cached_property
    def counts(self) -> slice:
        """The columns that hold counts."""
        return self._after(0, "count")

    @cached_property
    def highs(self) -> slice:
        """The columns that hold the high halves of sums."""
        return self._after(self.counts.stop, "sum")

    @cached_property
    def lows(self) -> slice:
        """The columns that hold the low halves of sums, in the order of the high ones."""
        return self._after(self.highs.stop, "sum")

    @cached_property
    def minima(self) -> slice:
        """The columns that hold minima."""
        return self._after(self.lows.stop, "min")

    @cached_property
    def maxima(self) -> slice:
        """The columns that hold maxima."""
        return self._after(self.minima.stop, "max")

    @cached_property
    def width(self) -> int:
        """How many columns a tile has."""
        return int(self.maxima.stop)

    def low_half(self, high: int) -> int:
        """The column of the low half of the sum whose high half is in column `high`."""
        return int(high + self.lows.start - self.highs.start)

    def _after(self, start: int, kind: Kind) -> slice:
        return slice(start, start + sum(one.kind == kind for one in self.columns))


@lru_cache(maxsize=512)
def _plan(view_json: str) -> Plan:
    view = FeatureViewDefinition.model_validate_json(view_json)
    measured = [(aggregate, _measure(aggregate)) for aggregate in view.aggregates]
    wanted = dict.fromkeys(accumulator for _, (count, other) in measured for accumulator in (count, other))
    columns = _columns(sorted(wanted, key=lambda one: _ORDER[one.kind]))
    features = tuple(
        Feature(
            f"{aggregate.name}_{window}", aggregate.function, seconds(window) * 1000, columns[count], columns[other]
        )
        for aggregate, (count, other) in measured
        for window in aggregate.windows
    )
    longest = max((feature.window_ms for feature in features), default=0)
    prefix = sha256(view.digest.encode()).digest()[:16]
    return Plan(prefix, view.entity, seconds(view.tile) * 1000, columns, features, longest)


def _measure(aggregate: Aggregate) -> tuple[Accumulator, Accumulator]:
    """The count of an aggregate's measure, and what its function needs besides; of a count, the same."""
    value = Expression.parse(aggregate.value) if aggregate.value is not None else None
    where = Expression.parse(aggregate.where) if aggregate.where is not None else None
    measure = Measure(value, where)
    return Accumulator(measure, "count"), Accumulator(measure, _KINDS[aggregate.function])


def _columns(accumulators: Sequence[Accumulator]) -> Mapping[Accumulator, int]:
    """The column of each accumulator, given in order of kind: the low halves of sums come after all the high ones."""
    sums = sum(one.kind == "sum" for one in accumulators)
    after = _ORDER["sum"]
    return {one: place + (sums if _ORDER[one.kind] > after else 0) for place, one in enumerate(accumulators)}


_known: dict[int, tuple[FeatureViewDefinition, Plan]] = {}


def plan_of(view: FeatureViewDefinition) -> Plan:
    """The plan of a view; the same definition is planned once."""
    known = _known.get(id(view))
    if known is not None and known[0] is view:
        return known[1]
    plan = _plan(view.model_dump_json())
    if len(_known) > 512:  # noqa: PLR2004 - the bound of the cache above
        _known.clear()
    _known[id(view)] = (view, plan)
    return plan
