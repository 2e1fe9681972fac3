"""Computing a decision about a rollout anew from the log: the same payload, to the byte, or it does not hold."""

from collections.abc import Sequence

from pelton.contracts.deployer import Evidence as Shown
from pelton.contracts.deployer import (
    GuardrailBreached,
    RolloutAborted,
    RolloutAdvanced,
    RolloutSucceeded,
    StepSettings,
    TrafficShifted,
)
from pelton.deployer.evidence import UNFIT, count
from pelton.deployer.step import StepTest
from pelton.eventkit.replay import Evidence, Record


class UnfoundedFactError(ValueError):
    """A fact that no test decided, or that its own evidence does not lead to."""


async def rollout_advanced(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `RolloutAdvanced`, computed from the records that its step counted.

    Raises:
        UnfoundedFactError: these records do not pass the step.
    """
    fact = RolloutAdvanced.from_bytes(fact_bytes)
    shown = await _show(fact.evidence, evidence)
    _require_passed(shown)
    return fact.model_copy(update={"step": shown.settings.step + 1, "evidence": shown}).to_bytes()


async def rollout_succeeded(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `RolloutSucceeded`, computed from the records that its last step counted.

    Raises:
        UnfoundedFactError: these records do not pass the step, or nothing was tested: a model's first version.
    """
    fact = RolloutSucceeded.from_bytes(fact_bytes)
    shown = await _show(_required(fact.evidence), evidence)
    _require_passed(shown)
    return fact.model_copy(update={"version": shown.settings.challenger, "evidence": shown}).to_bytes()


async def rollout_aborted(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `RolloutAborted`, computed from the records that its step counted.

    Raises:
        UnfoundedFactError: no test ended the rollout: a person did, the registry, or a newer version.
    """
    fact = RolloutAborted.from_bytes(fact_bytes)
    shown = await _show(_required(fact.evidence), evidence)
    reason = "errors" if shown.breached else "worse" if shown.verdict == "worse" else "patience"
    computed = {"version": shown.settings.challenger, "reason": reason, "evidence": shown}
    return fact.model_copy(update=computed).to_bytes()


async def guardrail_breached(fact_bytes: bytes, evidence: Evidence) -> bytes:
    """The payload of a `GuardrailBreached`, computed from the records that its step counted.

    Raises:
        UnfoundedFactError: these records breach no guardrail.
    """
    fact = GuardrailBreached.from_bytes(fact_bytes)
    shown = await _show(fact.evidence, evidence)
    if not shown.breached and shown.verdict != "worse":
        raise UnfoundedFactError(f"{fact.model} version {fact.version}: its records breach no guardrail")
    computed = {
        "version": shown.settings.challenger,
        "phase": shown.settings.phase,
        "guardrail": "errors" if shown.breached else "worse",
        "evidence": shown,
    }
    return fact.model_copy(update=computed).to_bytes()


async def _show(told: Shown, evidence: Evidence) -> Shown:
    route = TrafficShifted.from_bytes(await evidence.fact(told.settings.began))
    records = list(await evidence.records(told.offsets))
    return _counted(_on_route(told.settings, route), records).evidence()


def _counted(settings: StepSettings, records: Sequence[Record]) -> StepTest:
    """The test after these records; what is not the step's own is passed over by the rules of the live reader."""
    test = StepTest.begin(settings)
    for record in records:
        try:
            found = count({settings.model: (test, "")}, record.topic, record.partition, record.offset, record.value)
        except UNFIT:
            continue
        test = found or test
    return test


def _on_route(settings: StepSettings, route: TrafficShifted) -> StepSettings:
    """The settings as the fact that began the step has them; margins and levels are the plan's, as told."""
    if route.challenger is None:
        raise UnfoundedFactError(f"{route.model} revision {route.revision} has one version alone: nothing to compare")
    baked = route.mode == "bake"
    champion, challenger = (route.challenger, route.champion) if baked else (route.champion, route.challenger)
    return settings.model_copy(
        update={
            "model": route.model,
            "revision": route.revision,
            "phase": route.mode,
            "kind": "split" if route.mode == "canary" else "paired",
            "champion": champion.version,
            "challenger": challenger.version,
            "weight": 1.0 if baked else route.weight,
        }
    )


def _required(told: Shown | None) -> Shown:
    if told is None:
        raise UnfoundedFactError("no test decided this fact, so that there is nothing to count again")
    return told


def _require_passed(shown: Shown) -> None:
    if shown.breached or shown.verdict != "no_worse":
        raise UnfoundedFactError(
            f"{shown.settings.model} revision {shown.settings.revision}: its records do not show a version "
            f"that is no worse (verdict {shown.verdict}, breached: {shown.breached})"
        )
