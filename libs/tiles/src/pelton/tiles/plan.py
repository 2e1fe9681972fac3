"""What a view accumulates: the columns of its tiles, and how each feature is made of them."""

from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from typing import Final, Literal

from pelton.contracts.definitions import FeatureViewDefinition, seconds
from pelton.tiles.expressions import Expression

SCALE: Final = 1_000_000
Kind = Literal["count", "sum", "min", "max"]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is measured of each event: a value, of those events for which a condition holds."""

    value: Expression | None
    where: Expression | None


@dataclass(frozen=True, slots=True)
class Accumulator:
    """One column of a view's tiles."""

    measure: Measure
    kind: Kind


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature: a function over a window of tiles. `count` and `other` are the places of its accumulators."""

    name: str
    function: Literal["count", "sum", "mean", "min", "max"]
    window_ms: int
    count: int
    other: int


@dataclass(frozen=True, slots=True)
class Plan:
    """A view made ready: its tile, its accumulators in order, its features in order.

    `prefix` is what the keys of this version of the view begin with in the store.
    """

    prefix: bytes
    entity: str
    tile_ms: int
    accumulators: tuple[Accumulator, ...]
    features: tuple[Feature, ...]
    longest_ms: int

    @property
    def width(self) -> int:
        """How many columns a tile has."""
        return len(self.accumulators)


@lru_cache(maxsize=512)
def _plan(view_json: str) -> Plan:
    view = FeatureViewDefinition.model_validate_json(view_json)
    accumulators: dict[Accumulator, int] = {}
    features: list[Feature] = []
    for aggregate in view.aggregates:
        value = Expression.parse(aggregate.value) if aggregate.value is not None else None
        where = Expression.parse(aggregate.where) if aggregate.where is not None else None
        measure = Measure(value, where)
        count = accumulators.setdefault(Accumulator(measure, "count"), len(accumulators))
        other = count
        if aggregate.function != "count":
            kind: Kind = "sum" if aggregate.function == "mean" else aggregate.function
            other = accumulators.setdefault(Accumulator(measure, kind), len(accumulators))
        features += [
            Feature(f"{aggregate.name}_{window}", aggregate.function, seconds(window) * 1000, count, other)
            for window in aggregate.windows
        ]
    longest = max((feature.window_ms for feature in features), default=0)
    prefix = sha256(view.digest.encode()).digest()[:16]
    return Plan(prefix, view.entity, seconds(view.tile) * 1000, tuple(accumulators), tuple(features), longest)


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
