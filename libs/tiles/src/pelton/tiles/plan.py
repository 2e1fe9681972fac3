"""What a view accumulates of its events, at which grains of time, and what each of its features is made of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from hashlib import sha256
from itertools import count
from typing import Final, Literal

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, seconds
from pelton.contracts.definitions.features import Function
from pelton.tiles.expressions import Expression

NO_MIN: Final = 2**63 - 1
NO_MAX: Final = -(2**63)
SCALE: Final = 1_000_000
"""Values are accumulated as whole numbers of millionths."""
ParallelKind = Literal["count", "sum", "square_high", "square_mixed", "square_low", "min", "max"]
Kind = ParallelKind | Literal["first", "last", "distinct", "quantile", "top_k"]

# A square of millionths has up to 100 bits: `(a * 2**25 + b)**2` is kept as the sums of a*a, of a*b and of b*b.
SQUARES: Final[tuple[Kind, ...]] = ("square_high", "square_mixed", "square_low")
_SUMS: Final[tuple[Kind, ...]] = ("sum", *SQUARES)
PICKS: Final[tuple[Kind, ...]] = ("first", "last")
SKETCHES: Final[tuple[Kind, ...]] = ("distinct", "quantile", "top_k")
PICK_WIDTH: Final = 3
_NEEDS: Final[Mapping[Function, tuple[Kind, ...]]] = {
    "mean": ("count", "sum"),
    "rate": ("sum",),
    "variance": ("count", "sum", *SQUARES),
}
_MOST_TILES: Final = 32
_FAN_OUT: Final = 64


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured of each event: a value, of those events for which a condition holds."""

    value: Expression | None
    where: Expression | None


@dataclass(frozen=True, slots=True)
class Accumulator:
    """What is kept of a measure: columns of an entry, or cells beside it."""

    measure: Measure
    kind: Kind


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: a function of what its accumulators hold over a window. `place` has the columns, or the slot."""

    name: str
    function: Function
    window_ms: int
    place: Mapping[Kind, int]
    quantile: float = 0.0
    k: int = 0


@dataclass(frozen=True, slots=True)
class Latest:
    """A feature that is the newest value of an expression."""

    name: str
    value: Expression


@dataclass(frozen=True)
class Plan:
    """A view made ready.

    An entry covers a span of time of an entity. Its columns are, in this order: counts, high halves of sums, low halves
    of sums, minima, maxima (what merges alike lies together), then three for each pick: time, tie and value. `columns`
    has the (first) column of each accumulator; of a sum, that of its high half. `slots` numbers those that keep cells.

    Entries are as fine as `grain_ms`, or as coarse as one of the `sizes`, of which each is a multiple of the next: the
    first is what one record covers, the second is the view's tile.
    """

    view: FeatureViewDefinition
    prefix: bytes
    tile_ms: int
    grain_ms: int
    sizes: tuple[int, ...]
    columns: Mapping[Accumulator, int]
    slots: Mapping[Accumulator, int]
    features: tuple[Feature, ...]
    latest: tuple[Latest, ...]
    longest_ms: int
    max_age_ms: int | None

    def end(self, at_ms: int) -> int:
        """Where a window that is asked for at a moment ends."""
        return at_ms // self.grain_ms * self.grain_ms if self.view.resolution else at_ms

    @cached_property
    def fields(self) -> frozenset[str]:
        """The fields that the expressions read."""
        measures = {one.measure for one in (*self.columns, *self.slots)}
        read = [one for measure in measures for one in (measure.value, measure.where) if one is not None]
        return frozenset().union(*(one.fields for one in (*read, *(latest.value for latest in self.latest))))

    @cached_property
    def highs(self) -> slice:
        """The columns that hold the high halves of sums; counts are before them."""
        counts = self._number(("count",))
        return slice(counts, counts + self._number(_SUMS))

    @cached_property
    def lows(self) -> slice:
        """The columns that hold the low halves of sums, in the order of the high ones."""
        return slice(self.highs.stop, self.highs.stop + self._number(_SUMS))

    @cached_property
    def minima(self) -> slice:
        """The columns that hold minima."""
        return slice(self.lows.stop, self.lows.stop + self._number(("min",)))

    @cached_property
    def maxima(self) -> slice:
        """The columns that hold maxima."""
        return slice(self.minima.stop, self.minima.stop + self._number(("max",)))

    @cached_property
    def picks(self) -> tuple[tuple[Kind, int], ...]:
        """Each pick, and its first column."""
        return tuple((one.kind, column) for one, column in self.columns.items() if one.kind in PICKS)

    @cached_property
    def width(self) -> int:
        """How many columns an entry has."""
        return int(self.maxima.stop + PICK_WIDTH * self._number(PICKS))

    @cached_property
    def nothing(self) -> tuple[int, ...]:
        """The columns of no event."""
        columns = [0] * self.minima.start + [NO_MIN] * (self.minima.stop - self.minima.start)
        columns += [NO_MAX] * (self.maxima.stop - self.maxima.start)
        for kind, _ in self.picks:
            columns += [NO_MIN if kind == "first" else NO_MAX] * PICK_WIDTH
        return tuple(columns)

    @cached_property
    def windows(self) -> tuple[int, ...]:
        """The windows that there are, in milliseconds."""
        return tuple(sorted({feature.window_ms for feature in self.features}))

    def low_half(self, high: int) -> int:
        """The column of the low half of the sum whose high half is in column `high`."""
        return int(high + self.lows.start - self.highs.start)

    def _number(self, kinds: Iterable[Kind]) -> int:
        return sum(one.kind in kinds for one in self.columns)


@lru_cache(maxsize=512)
def _plan(view_json: str) -> Plan:
    view = FeatureViewDefinition.model_validate_json(view_json)
    wanted = dict.fromkeys(
        Accumulator(_measure(aggregate), kind) for aggregate in view.aggregates for kind in _needs(aggregate)
    )
    columns = _columns([one for one in wanted if one.kind not in SKETCHES])
    slots = dict(zip((one for one in wanted if one.kind in SKETCHES), count(), strict=False))
    places = {**columns, **slots}
    features = tuple(
        Feature(
            f"{aggregate.name}_{window}",
            aggregate.function,
            seconds(window) * 1000,
            {kind: places[Accumulator(_measure(aggregate), kind)] for kind in _needs(aggregate)},
            aggregate.quantile or 0.0,
            aggregate.k or 0,
        )
        for aggregate in view.aggregates
        for window in aggregate.windows
    )
    longest = max((feature.window_ms for feature in features), default=0)
    tile = seconds(view.tile) * 1000
    grain = seconds(view.resolution) * 1000 if view.resolution else 1
    return Plan(
        view=view,
        prefix=sha256(view.digest.encode()).digest()[:16],
        tile_ms=tile,
        grain_ms=grain,
        sizes=_sizes(tile, grain, longest),
        columns=columns,
        slots=slots,
        features=features,
        latest=tuple(Latest(one.name, Expression.parse(one.value)) for one in view.latest),
        longest_ms=longest,
        max_age_ms=seconds(view.max_age) * 1000 if view.max_age else None,
    )


def _needs(aggregate: Aggregate) -> tuple[Kind, ...]:
    if aggregate.function == "rate" and aggregate.value is None:
        return ("count",)
    return _NEEDS.get(aggregate.function) or (aggregate.function,)  # type: ignore[return-value]


def _measure(aggregate: Aggregate) -> Measure:
    value = Expression.parse(aggregate.value) if aggregate.value is not None else None
    return Measure(value, Expression.parse(aggregate.where) if aggregate.where is not None else None)


def _columns(accumulators: list[Accumulator]) -> Mapping[Accumulator, int]:
    """The column of each accumulator: those that merge alike beside each other, then the picks."""
    groups: tuple[tuple[Kind, ...], ...] = (("count",), _SUMS, ("min",), ("max",), PICKS)
    columns: dict[Accumulator, int] = {}
    place = 0
    for kinds in groups:
        group = [one for one in accumulators if one.kind in kinds]
        width = PICK_WIDTH if kinds is PICKS else 1
        columns |= {one: place + width * position for position, one in enumerate(group)}
        # The low halves of sums come after all the high ones.
        place += len(group) * (2 if kinds is _SUMS else width)
    return columns


def _sizes(tile: int, grain: int, longest: int) -> tuple[int, ...]:
    """What records cover, from the coarsest to the finest; the entries of the finest are of the grain."""
    sizes = [tile * min(_MOST_TILES, max(1, longest // tile))]
    if grain < tile:
        sizes.append(tile)
        while sizes[-1] > _FAN_OUT * grain:
            sizes.append(sizes[-1] // _ratio(sizes[-1] // grain))
    return tuple(sizes)


def _ratio(grains: int) -> int:
    """Into how many parts a size is divided: as many as go into it, at most the fan-out where that is possible."""
    parts = [number for number in range(2, _FAN_OUT + 1) if grains % number == 0]
    return parts[-1] if parts else next(number for number in count(_FAN_OUT + 1) if grains % number == 0)


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
