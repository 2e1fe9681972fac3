"""Rollouts: from a staged version to the champion, one test after another. Pure: facts in, facts out."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

from pelton.contracts.definitions import RolloutDefinition
from pelton.contracts.deployer import (
    Evidence,
    GuardrailBreached,
    ModelDeployed,
    Phase,
    RolloutAborted,
    RolloutAdvanced,
    RolloutStarted,
    RolloutSucceeded,
    StepSettings,
    TrafficShifted,
)
from pelton.contracts.fact import Fact
from pelton.contracts.values import ModelVersion

AbortReason = Literal["worse", "errors", "patience", "superseded", "denied", "person"]


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

    A trial beside a bake waits for its end: a new champion is watched for as long as its plan promised.
    """

    model: str
    revision: int = 0
    champion: ModelVersion | None = None
    trial: Trial | None = None
    bake: Bake | None = None
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
        bake = None
        if fact.mode == "bake" and fact.challenger is not None and self.last_plan is not None:
            bake = Bake(self.last_rollout_id, fact.challenger, self.last_plan)
        return replace(self, revision=fact.revision, champion=fact.champion, bake=bake)


def stage(rollout: Rollout, rollout_id: str, challenger: ModelVersion, plan: RolloutDefinition) -> Sequence[Fact]:
    """What a version that arrived in staging sets off.

    A trial still under way gives way to the newer version. A model's first version has nobody to be compared with,
    and passes at once. While a new champion bakes, the shadow waits.
    """
    facts: list[Fact] = []
    if rollout.trial is not None:
        if rollout.trial.challenger.version >= challenger.version:
            return []
        facts += _abort(rollout, rollout.trial, "superseded", None, shift=rollout.bake is None)
    started = RolloutStarted(
        rollout_id=rollout_id, model=rollout.model, champion=rollout.champion, challenger=challenger, plan=plan
    )
    if rollout.champion is None:
        return [*facts, started, _succeeded(rollout, started.rollout_id, challenger.version, None)]
    if rollout.bake is not None:
        return [*facts, started]
    return [*facts, started, _to_shadow(rollout, rollout.champion, rollout_id, challenger, after=facts)]


def step_settings(rollout: Rollout, began: str) -> StepSettings | None:
    """The test that the present step runs, if one does; `began` is the id of the fact that began the step."""
    if rollout.champion is None:
        return None
    if rollout.bake is not None:
        # The roles are mirrored: the new champion is on trial, the former one is what it is compared with.
        return StepSettings(
            model=rollout.model,
            revision=rollout.revision,
            phase="bake",
            step=0,
            kind="paired",
            champion=rollout.bake.former.version,
            challenger=rollout.champion.version,
            weight=1.0,
            centre=0.0,
            margin=rollout.bake.plan.margin,
            alpha=rollout.bake.plan.alpha,
            max_error_rate=rollout.bake.plan.max_error_rate,
            began=began,
        )
    trial = rollout.trial
    if trial is None or trial.passed:
        return None
    canary = trial.step > 0
    return StepSettings(
        model=rollout.model,
        revision=rollout.revision,
        phase=trial.phase,
        step=trial.step,
        kind="split" if canary else "paired",
        champion=rollout.champion.version,
        challenger=trial.challenger.version,
        weight=trial.weight,
        centre=trial.centre,
        margin=trial.plan.canary_margin if canary else trial.plan.margin,
        alpha=trial.plan.alpha,
        max_error_rate=trial.plan.max_error_rate,
        began=began,
    )


def settle(rollout: Rollout, evidence: Evidence, *, out_of_time: bool) -> Sequence[Fact]:
    """What the state of a test does to the rollout.

    An inconclusive verdict is no fact while there is time: the step keeps collecting. The step's own error
    probability is alpha: a worse challenger has to pass every step, so it is promoted with probability alpha at most;
    a good one is turned away in some step with at most alpha times the number of steps.
    """
    if evidence.settings.revision != rollout.revision:
        return []
    if rollout.bake is not None:
        return _settle_bake(rollout, rollout.bake, evidence, out_of_time=out_of_time)
    trial = rollout.trial
    if trial is None or trial.passed:
        return []
    if evidence.breached:
        return [_breached(rollout, trial.rollout_id, evidence, "errors"), *_abort(rollout, trial, "errors", evidence)]
    match evidence.verdict:
        case "worse" if trial.step > 0:
            return [
                _breached(rollout, trial.rollout_id, evidence, "worse"),
                *_abort(rollout, trial, "worse", evidence),
            ]
        case "worse":
            return _abort(rollout, trial, "worse", evidence)
        case "no_worse" if trial.is_last_step:
            return [_succeeded(rollout, trial.rollout_id, trial.challenger.version, evidence)]
        case "no_worse":
            return _advance(rollout, trial, evidence)
    return _abort(rollout, trial, "patience", evidence) if out_of_time else []


def promoted(rollout: Rollout, version: ModelVersion) -> Sequence[Fact]:
    """The registry named a champion: it answers from now on, and the former one watches it for a while."""
    if rollout.champion is not None and rollout.champion.version == version.version:
        return []
    facts: list[Fact] = []
    if rollout.trial is not None and rollout.trial.challenger.version != version.version:
        # It was on trial against a champion that is none any more; in silence it would stay staged for ever.
        facts += _abort(rollout, rollout.trial, "superseded", None, shift=False)
    former = rollout.champion
    shifted = TrafficShifted(
        model=rollout.model,
        revision=rollout.revision + 1,
        mode="champion" if former is None else "bake",
        champion=version,
        challenger=former,
        weight=0.0,
        salt=rollout.last_rollout_id,
    )
    deployed = ModelDeployed(model=rollout.model, version=version.version, revision=shifted.revision)
    return [*facts, shifted, deployed]


def rolled_back(rollout: Rollout, version: ModelVersion) -> Sequence[Fact]:
    """The registry took the former champion back: it alone answers, and whatever was on trial is over."""
    if rollout.champion is not None and rollout.champion.version == version.version:
        return []
    facts: list[Fact] = []
    if rollout.trial is not None:
        facts += _abort(rollout, rollout.trial, "superseded", None, shift=False)
    shifted = _to_champion_alone(rollout, version)
    return [*facts, shifted, ModelDeployed(model=rollout.model, version=version.version, revision=shifted.revision)]


def withdraw(rollout: Rollout, version: int, reason: AbortReason) -> Sequence[Fact]:
    """End the trial of a version that a person, or the registry, took out; nothing when it is not on trial."""
    trial = rollout.trial
    if trial is None or trial.challenger.version != version:
        return []
    return _abort(rollout, trial, reason, None, shift=rollout.bake is None)


def _settle_bake(rollout: Rollout, bake: Bake, evidence: Evidence, *, out_of_time: bool) -> Sequence[Fact]:
    if evidence.breached:
        return [_breached(rollout, bake.rollout_id, evidence, "errors"), _end_bake(rollout)]
    if evidence.verdict == "worse":
        return [_breached(rollout, bake.rollout_id, evidence, "worse"), _end_bake(rollout)]
    return [_end_bake(rollout)] if out_of_time else []


def _end_bake(rollout: Rollout) -> TrafficShifted:
    """The champion alone, or with the challenger that waited in its shadow."""
    if rollout.champion is None:
        raise ValueError(f"{rollout.model} bakes without a champion")
    if rollout.trial is not None:
        return _to_shadow(rollout, rollout.champion, rollout.trial.rollout_id, rollout.trial.challenger)
    return _to_champion_alone(rollout, rollout.champion)


def _advance(rollout: Rollout, trial: Trial, evidence: Evidence) -> Sequence[Fact]:
    if rollout.champion is None:
        raise ValueError(f"{rollout.model} has a trial without a champion")
    step = trial.step + 1
    weight = trial.plan.steps[step - 1]
    return [
        RolloutAdvanced(rollout_id=trial.rollout_id, model=rollout.model, step=step, weight=weight, evidence=evidence),
        TrafficShifted(
            model=rollout.model,
            revision=rollout.revision + 1,
            mode="canary",
            champion=rollout.champion,
            challenger=trial.challenger,
            weight=weight,
            salt=trial.rollout_id,
        ),
    ]


def _abort(
    rollout: Rollout, trial: Trial, reason: AbortReason, evidence: Evidence | None, *, shift: bool = True
) -> list[Fact]:
    aborted = RolloutAborted(
        rollout_id=trial.rollout_id,
        model=rollout.model,
        version=trial.challenger.version,
        reason=reason,
        evidence=evidence,
    )
    if rollout.champion is None or not shift:
        return [aborted]
    return [aborted, _to_champion_alone(rollout, rollout.champion)]


def _breached(
    rollout: Rollout, rollout_id: str, evidence: Evidence, guardrail: Literal["errors", "worse"]
) -> GuardrailBreached:
    return GuardrailBreached(
        rollout_id=rollout_id,
        model=rollout.model,
        version=evidence.settings.challenger,
        phase=evidence.settings.phase,
        guardrail=guardrail,
        evidence=evidence,
    )


def _succeeded(rollout: Rollout, rollout_id: str, version: int, evidence: Evidence | None) -> RolloutSucceeded:
    return RolloutSucceeded(rollout_id=rollout_id, model=rollout.model, version=version, evidence=evidence)


def _to_champion_alone(rollout: Rollout, champion: ModelVersion) -> TrafficShifted:
    return TrafficShifted(
        model=rollout.model,
        revision=rollout.revision + 1,
        mode="champion",
        champion=champion,
        challenger=None,
        weight=0.0,
        salt=rollout.last_rollout_id,
    )


def _to_shadow(
    rollout: Rollout, champion: ModelVersion, rollout_id: str, challenger: ModelVersion, after: Sequence[Fact] = ()
) -> TrafficShifted:
    return TrafficShifted(
        model=rollout.model,
        revision=rollout.revision + 1 + sum(isinstance(fact, TrafficShifted) for fact in after),
        mode="shadow",
        champion=champion,
        challenger=challenger,
        weight=0.0,
        salt=rollout_id,
    )
