"""The plan of a whole project: what registering each of its definitions would do. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from pelton.contracts.definitions import FeatureViewDefinition, seconds
from pelton.contracts.values import Digest
from pelton.feature.domain.models import Pinned
from pelton.feature.domain.registered import Declared, Registered

Action = Literal["create", "change", "leave"]
KINDS: Final = {
    "EntityDefinition": "entity",
    "SourceDefinition": "source",
    "FeatureViewDefinition": "feature view",
    "TransformationDefinition": "transformation",
    "FeatureServiceDefinition": "feature service",
}


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a new version of a view is to be made of: events of so many seconds, or of all there ever were."""

    source: str
    history_seconds: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """What registering one definition does; `kept_by` are versions of models that go on with the version before."""

    action: Action
    kind: str
    name: str
    digest: Digest
    backfill: Backfill | None = None
    kept_by: tuple[Pinned, ...] = ()


def plan(registered: Registered, declared: Iterable[Declared], pinned: Sequence[Pinned]) -> list[Step]:
    """The step of each definition, given in the order in which they are to be registered.

    Raises:
        IncompatibleError: a definition does not fit what is registered, or those before it.
        ExpressionError: an expression is not of the language.
    """
    steps = []
    for definition in declared:
        state = registered.state(definition)
        facts = registered.applied(definition)
        before = state.definition
        action: Action = "leave" if not facts else "create" if before is None else "change"
        former = {one.digest for one in getattr(state, "versions", ())} - {definition.digest}
        kept_by = tuple(one for one in pinned if facts and former & one.pins)
        backfill = None
        if facts and isinstance(definition, FeatureViewDefinition):
            backfill = Backfill(definition.source, history(definition))
        steps.append(Step(action, kind_of(definition), definition.name, definition.digest, backfill, kept_by))
        registered = registered.evolve(definition, facts)
    return steps


def kind_of(definition: Declared) -> str:
    """What a definition is, in words."""
    return KINDS[type(definition).__name__]


def history(view: FeatureViewDefinition) -> int | None:
    """How many seconds of events a view's values of now are made of; None: of all there ever were."""
    if view.latest and view.max_age is None:
        return None
    spans = [seconds(window) for aggregate in view.aggregates for window in aggregate.windows]
    return max([*spans, *([seconds(view.max_age)] if view.latest and view.max_age else [])])
