"""Stage policies: what a version of a model must show, and who must agree, before it enters a stage."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pelton.contracts.definitions import StageGates, StagePolicy
from pelton.contracts.evidence import Evidence
from pelton.contracts.fact import Fact
from pelton.contracts.registry import EvidenceRecorded, Gate, ModelPolicySet
from pelton.contracts.values import Stage
from pelton.registry.domain.evidence_gates import Shown, ceiling, floor, judge_evidence
from pelton.registry.domain.gates import scores_of, unsafe_formats
from pelton.registry.domain.model import Model, Version
from pelton.registry.domain.refusals import GatesFailed, InvalidPolicy


@dataclass(frozen=True, slots=True)
class Seen:
    """What was found in the files of a logged version when somebody decides; None where Pelton does not keep them.

    `unsafe_files` could run code when they are loaded, and nobody answers for them. `inputs` are the columns of its
    signature, and `served` those of the champion's. Of a version that Pelton trained all of it is known without
    looking.
    """

    unsafe_files: tuple[str, ...] | None = None
    inputs: tuple[str, ...] | None = None
    served: tuple[str, ...] | None = None


NOTHING: Final = Seen()
ENTERED: Final[tuple[Stage, ...]] = ("staging", "production")
"""The stages that a version must earn; a policy for another would ask for something to give a version up."""


def set_policy(model: Model, stage: Stage, policy: StagePolicy | None, reason: str) -> Sequence[Fact]:
    """What versions need to enter a stage, from now on; without a policy the definition decides, or nobody.

    The same again is no fact. Requests that wait for the stage become void.

    Raises:
        InvalidPolicy: nobody has to earn this stage.
    """
    if stage not in ENTERED:
        raise InvalidPolicy(f"a version enters {stage} freely; set a policy for {' or '.join(ENTERED)}")
    if model.policies.get(stage) == policy:
        return []
    return [ModelPolicySet(model=model.name, stage=stage, policy=policy, reason=reason)]


def record_evidence(model: Model, number: int, evidence: Evidence, by: str) -> Sequence[Fact]:
    """What somebody measured about a version, and answers for.

    Raises:
        UnknownVersion: the model does not have it.
    """
    model.version(number)
    return [EvidenceRecorded(model=model.name, version=number, evidence=evidence, by=by)]


def judge_policy(model: Model, version: Version, stage: Stage, seen: Seen = NOTHING) -> tuple[Gate, ...]:
    """Every gate of the stage's policy with its verdict: floors, ceilings, then those on evidence.

    That nothing of a logged version could run code unless an administrator answers for it needs no policy to ask.
    """
    policy = model.policies.get(stage)
    asked = StageGates() if policy is None else policy.gates
    if version.details is None:
        # the trainer writes ONNX and nothing else; whoever logs a version could log anything
        asked = asked.model_copy(update={"safe_formats": True})
    shown = shown_by(model, version, seen)
    gates = [
        floor(metric, shown.metrics.get(metric), limit, _unmeasured(metric, shown))
        for metric, limit in sorted(asked.floors.items())
    ]
    gates += [
        ceiling(metric, shown.metrics.get(metric), limit, _unmeasured(metric, shown))
        for metric, limit in sorted(asked.ceilings.items())
    ]
    return (*gates, *judge_evidence(asked, shown))


def check_policy(model: Model, version: Version, stage: Stage, seen: Seen) -> tuple[Gate, ...]:
    """The gates of the stage, all of which the version passes.

    Raises:
        GatesFailed: it does not; the message has the reason of each that failed.
    """
    gates = judge_policy(model, version, stage, seen)
    failed = [gate for gate in gates if not gate.passed]
    if failed:
        raise GatesFailed(
            f"{version} does not pass {len(failed)} of the {len(gates)} gates of {stage}: "
            + "; ".join(gate.reason for gate in failed)
        )
    return gates


def served_beside(model: Model, version: Version) -> Version | None:
    """The champion that a version is to stand up to, if there is another one."""
    return None if model.champion in {None, version.number} else model.versions.get(model.champion or 0)


def shown_by(model: Model, version: Version, seen: Seen) -> Shown:
    """What a version shows, beside the champion of now; its evidence speaks before its run does."""
    champion = served_beside(model, version)
    return Shown(
        metrics=_metrics(version),
        evidence=version.evidence,
        inputs=seen.inputs if version.details is None else version.details.request,
        unsafe_files=seen.unsafe_files if version.details is None else unsafe_formats(version.details.artifact),
        champion=None if champion is None else champion.number,
        served=None if champion is None else champion.number,
        served_inputs=None if champion is None else champion.details.request if champion.details else seen.served,
        how=f"give it with POST /v1/models/{model.name}/versions/{version.number}/evidence",
    )


def _metrics(version: Version) -> Mapping[str, float]:
    scores = {} if version.details is None else scores_of(version.details.evaluation)
    logged = {} if version.run is None else version.run.metrics
    measured = {} if version.evidence is None else version.evidence.metrics
    return {**scores, **logged, **measured}


def _unmeasured(metric: str, shown: Shown) -> str:
    return f"{metric} is neither a metric of the version's run nor of its evidence; {shown.how}"
