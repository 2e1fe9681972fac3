"""What becomes of a rollout: from a staged version to the champion, one test after another."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from pelton.contracts.definitions import RolloutDefinition
from pelton.contracts.deployer import (
    Evidence,
    GuardrailBreached,
    ModelDeployed,
    RolloutAborted,
    RolloutAdvanced,
    RolloutStarted,
    RolloutSucceeded,
    StepSettings,
    TrafficShifted,
    Variants,
)
from pelton.contracts.fact import Fact
from pelton.contracts.values import ModelVersion
from pelton.deployer.domain.rollout import (
    Bake,
    Rollout,
    Trial,
    to_bake,
    to_champion_alone,
    to_shadow,
    to_variants,
    without_others,
)

AbortReason = Literal["worse", "errors", "patience", "superseded", "denied", "person"]


def stage(rollout: Rollout, rollout_id: str, challenger: ModelVersion, plan: RolloutDefinition) -> Sequence[Fact]:
    """What a version that arrived in staging sets off.

    A trial still under way gives way to the newer version. A model's first version has nobody to be compared with,
    and passes at once. While a new champion bakes, or variants answer, the shadow waits.
    """
    facts: list[Fact] = []
    if rollout.trial is not None:
        if rollout.trial.challenger.version >= challenger.version:
            return []
        facts += _abort(rollout, rollout.trial, "superseded", None, shift=not rollout.trial_waits)
    started = RolloutStarted(
        rollout_id=rollout_id, model=rollout.model, champion=rollout.champion, challenger=challenger, plan=plan
    )
    if rollout.champion is None:
        return [*facts, started, _succeeded(rollout, started.rollout_id, challenger.version, None)]
    if rollout.trial_waits:
        return [*facts, started]
    return [*facts, started, to_shadow(rollout, rollout.champion, rollout_id, challenger, after=facts)]


def step_settings(rollout: Rollout, began: str) -> StepSettings | None:
    """The test that the present step runs, if one does; `began` is the id of the fact that began the step."""
    if rollout.champion is None or rollout.variants is not None:
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
    if trial is None or trial.passed or rollout.trial_waits:
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
    """The registry named a champion: it answers from now on, and the former one watches it for a while.

    Where variants answer, they go on, and nobody watches: the new champion has what they leave.
    """
    if rollout.champion is not None and rollout.champion.version == version.version:
        return []
    facts: list[Fact] = []
    if rollout.trial is not None and rollout.trial.challenger.version != version.version:
        # It was on trial against a champion that is none any more; in silence it would stay staged for ever.
        facts += _abort(rollout, rollout.trial, "superseded", None, shift=False)
    former = rollout.champion
    if rollout.variants is not None:
        shifted = to_variants(rollout, version, rollout.variants)
    elif former is None:
        shifted = to_champion_alone(rollout, version)
    else:
        shifted = to_bake(rollout, version, former)
    deployed = ModelDeployed(model=rollout.model, version=version.version, revision=shifted.revision)
    return [*facts, shifted, deployed]


def rolled_back(rollout: Rollout, version: ModelVersion) -> Sequence[Fact]:
    """The registry took the former champion back: it alone answers.

    Whatever was on trial is over, and so are variants: the version that did harm may be one.
    """
    if rollout.champion is not None and rollout.champion.version == version.version:
        return []
    facts: list[Fact] = []
    if rollout.trial is not None:
        facts += _abort(rollout, rollout.trial, "superseded", None, shift=False)
    shifted = to_champion_alone(rollout, version)
    return [*facts, shifted, ModelDeployed(model=rollout.model, version=version.version, revision=shifted.revision)]


def withdraw(rollout: Rollout, version: int, reason: AbortReason) -> Sequence[Fact]:
    """End what a version has part in that a person, or the registry, took out: its trial, and variants of it."""
    facts: list[Fact] = []
    trial = rollout.trial
    if trial is not None and trial.challenger.version == version:
        facts += _abort(rollout, trial, reason, None, shift=not rollout.trial_waits)
        rollout = replace(rollout, trial=None)
    if rollout.champion is not None and rollout.variants is not None and rollout.variants.has(version):
        facts.append(without_others(rollout, rollout.champion))
    return facts


def configure(rollout: Rollout, variants: Variants) -> Sequence[Fact]:
    """Somebody shares a model's keys out among versions: they answer from now on.

    A trial under way waits, and a bake ends: the new champion no longer has every row. Without a champion there is
    nobody to stand in for an arm that fails, and nothing changes.
    """
    if rollout.champion is None or rollout.variants == variants:
        return []
    return [to_variants(rollout, rollout.champion, variants)]


def end_variants(rollout: Rollout) -> Sequence[Fact]:
    """The champion answers every row again; nothing where it does."""
    if rollout.champion is None or rollout.variants is None:
        return []
    return [without_others(rollout, rollout.champion)]


def _settle_bake(rollout: Rollout, bake: Bake, evidence: Evidence, *, out_of_time: bool) -> Sequence[Fact]:
    if evidence.breached:
        return [_breached(rollout, bake.rollout_id, evidence, "errors"), _end_bake(rollout)]
    if evidence.verdict == "worse":
        return [_breached(rollout, bake.rollout_id, evidence, "worse"), _end_bake(rollout)]
    return [_end_bake(rollout)] if out_of_time else []


def _end_bake(rollout: Rollout) -> TrafficShifted:
    if rollout.champion is None:
        raise ValueError(f"{rollout.model} bakes without a champion")
    return without_others(rollout, rollout.champion)


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
    return [aborted, to_champion_alone(rollout, rollout.champion)]


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
