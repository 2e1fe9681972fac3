"""The state of a model's rollout, folded from the deployer's own facts, and the routes that it can lead to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pelton.contracts.definitions import RolloutDefinition
from pelton.contracts.deployer import (
    ModelDeployed,
    Phase,
    RolloutAborted,
    RolloutAdvanced,
    RolloutStarted,
    RolloutSucceeded,
    TrafficShifted,
    Variants,
)
from pelton.contracts.fact import Fact
from pelton.contracts.values import ModelVersion


@dataclass(frozen=True, slots=True)
class Trial:
    """A challenger under way. Step 0 is the shadow, step k the k-th canary step of the plan.

    `passed` means that every step is behind it and the registry has the word. `centre` is the champion's mean loss
    in the step before, known before the present step's first row.
    """

    rollout_id: str
    challenger: ModelVersion
    plan: RolloutDefinition
    step: int = 0
    passed: bool = False
    centre: float = 0.0

    @property
    def phase(self) -> Phase:
        """What the present step is called."""
        return "shadow" if self.step == 0 else "canary"

    @property
    def weight(self) -> float:
        """The challenger's share of the requests in the present step."""
        return 0.0 if self.step == 0 else self.plan.steps[self.step - 1]

    @property
    def is_last_step(self) -> bool:
        """Whether no step comes after the present one."""
        return self.step == len(self.plan.steps)


@dataclass(frozen=True, slots=True)
class Bake:
    """A new champion under watch, with the former one scoring in its shadow."""

    rollout_id: str
    former: ModelVersion
    plan: RolloutDefinition


@dataclass(frozen=True, slots=True)
class Rollout:
    """How one model's requests are answered, and what is being tried on them.

    A trial beside a bake waits for its end: a new champion is watched for as long as its plan promised. So does one
    beside variants: while several versions share the keys by somebody's word, no test can have them too.
    """

    model: str
    revision: int = 0
    champion: ModelVersion | None = None
    trial: Trial | None = None
    bake: Bake | None = None
    variants: Variants | None = None
    last_plan: RolloutDefinition | None = None
    last_rollout_id: str = ""

    category: ClassVar[str] = "rollouts"

    @classmethod
    def initial(cls, key: str) -> Self:
        """A model that answers nothing yet."""
        return cls(key)

    @property
    def key(self) -> str:
        """The model."""
        return self.model

    @property
    def trial_waits(self) -> bool:
        """Whether the route is for something else than a trial."""
        return self.bake is not None or self.variants is not None

    def evolve(self, fact: Fact) -> Self:
        """The rollout after one more of its own facts."""
        match fact:
            case RolloutStarted():
                trial = Trial(fact.rollout_id, fact.challenger, fact.plan)
                return replace(self, trial=trial, last_plan=fact.plan, last_rollout_id=fact.rollout_id)
            case RolloutAdvanced() if self.trial:
                centre = fact.evidence.champion_loss or 0.0
                return replace(self, trial=replace(self.trial, step=fact.step, centre=centre))
            case RolloutSucceeded() if self.trial:
                return replace(self, trial=replace(self.trial, passed=True))
            case RolloutAborted():
                return replace(self, trial=None)
            case TrafficShifted():
                return self._shifted(fact)
            case ModelDeployed():
                return replace(self, trial=None)
            case _:
                return self

    def _shifted(self, fact: TrafficShifted) -> Self:
        bake, trial = None, self.trial
        if fact.mode == "bake" and fact.challenger is not None and self.last_plan is not None:
            bake = Bake(self.last_rollout_id, fact.challenger, self.last_plan)
        if fact.mode == "shadow" and trial is not None:
            trial = replace(trial, step=0, centre=0.0)
        return replace(
            self, revision=fact.revision, champion=fact.champion, trial=trial, bake=bake, variants=fact.variants
        )


def to_champion_alone(rollout: Rollout, champion: ModelVersion) -> TrafficShifted:
    """The route on which one version answers every row."""
    return TrafficShifted(
        model=rollout.model,
        revision=rollout.revision + 1,
        mode="champion",
        champion=champion,
        challenger=None,
        weight=0.0,
        salt=rollout.last_rollout_id,
    )


def to_bake(rollout: Rollout, champion: ModelVersion, former: ModelVersion) -> TrafficShifted:
    """The route on which the former champion scores beside the new one, to watch it."""
    alone = to_champion_alone(rollout, champion)
    return alone.model_copy(update={"mode": "bake", "challenger": former})


def to_variants(rollout: Rollout, champion: ModelVersion, variants: Variants) -> TrafficShifted:
    """The route on which several versions share the keys."""
    return to_champion_alone(rollout, champion).model_copy(update={"variants": variants})


def to_shadow(
    rollout: Rollout, champion: ModelVersion, rollout_id: str, challenger: ModelVersion, after: Sequence[Fact] = ()
) -> TrafficShifted:
    """The route on which a challenger scores beside the champion: the first step of its trial."""
    return TrafficShifted(
        model=rollout.model,
        revision=rollout.revision + 1 + sum(isinstance(fact, TrafficShifted) for fact in after),
        mode="shadow",
        champion=champion,
        challenger=challenger,
        weight=0.0,
        salt=rollout_id,
    )


def without_others(rollout: Rollout, champion: ModelVersion) -> TrafficShifted:
    """The route once a bake or variants are over: the champion's, with the challenger that waited in its shadow.

    The trial that waited begins anew: its steps count on one another, and the rows between are missing. One that had
    passed every step needs no more rows.
    """
    if rollout.trial is not None and not rollout.trial.passed:
        return to_shadow(rollout, champion, rollout.trial.rollout_id, rollout.trial.challenger)
    return to_champion_alone(rollout, champion)
