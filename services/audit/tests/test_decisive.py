"""The numbers of each decision, in words a person reads."""

import json
from datetime import UTC, datetime
from math import log

import pytest

from pelton.cli.audit.decisive import decisive, headline, moment
from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import Approvers, DegradationDefinition, StageGates, StagePolicy
from pelton.contracts.deployer import Evidence, GuardrailBreached, RolloutAdvanced, StepSettings
from pelton.contracts.fact import Fact
from pelton.contracts.feature import SourceAdvanced
from pelton.contracts.monitor import PerformanceDegraded, WindowPerformance
from pelton.contracts.registry import (
    ApprovalGranted,
    ApprovalRequested,
    ArtifactAllowed,
    Gate,
    ModelDeprecated,
    ModelPolicySet,
    ModelRetired,
    ModelRolledBack,
    ModelStageChanged,
    ModelVersionCreated,
    ModelVersionRejected,
    Variant,
    VariantsConfigured,
    VariantsEnded,
)
from pelton.contracts.trainer import Candidate, TrainingCompleted, TrainingDeferred, Trigger
from pelton.contracts.values import Artifact, Environment, Evaluation, ModelVersion, Window

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
WINDOW = Window(start=datetime(2013, 3, 1, tzinfo=UTC), end=datetime(2013, 4, 1, tzinfo=UTC))
DIGEST = sha256(b"content")
ARTIFACT = Artifact(digest=DIGEST, size=7, format="onnx")
SCORES = Evaluation(
    rows=1000, positives=200, brier=0.125, brier_variance=0.01, log_loss=0.4, accuracy=0.8, auc=None
)  # fmt: skip
VERSION = ModelVersion(
    model="late",
    version=2,
    training_id="t2",
    artifact=ARTIFACT,
    request=("distance",),
    features=(),
    views={},
    threshold=0.5,
    dataset=DIGEST,
    evaluation=SCORES,
)
SETTINGS = StepSettings(
    model="late",
    revision=3,
    phase="canary",
    step=1,
    kind="split",
    champion=1,
    challenger=2,
    weight=0.1,
    centre=0.125,
    margin=0.03,
    alpha=0.05,
    max_error_rate=0.01,
    began="x",
)
EVIDENCE = Evidence(
    settings=SETTINGS,
    rows=4321,
    champion_loss=0.13,
    challenger_loss=0.11,
    log_e_no_worse=log(25.0),
    log_e_worse=log(0.5),
    verdict="no_worse",
    answers=5000,
    errors=3,
    log_e_errors=700.0,
    breached=False,
    since=NOON,
    until=NOON,
    offsets=(),
)
TRIGGER = Trigger(kind="drift", moment=NOON, event_id="x", detail="3 of 9 inputs drifted")
ENVIRONMENT = Environment(python="3.11", platform="linux", lock_digest=DIGEST, packages={}, cpu_count=2)


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (
            RolloutAdvanced(rollout_id="r", model="late", step=1, weight=0.1, evidence=EVIDENCE),
            [
                "canary test of 4,321 labelled rows: no worse;",
                "Brier champion 0.13000, challenger 0.11000 (margin 0.03)",
                "no worse 25, worse 0.5, errors e^700 (decisive from 20); 3 errors in 5,000 answers",
            ],
        ),
        (
            GuardrailBreached(
                rollout_id="r", model="late", version=2, phase="bake", guardrail="errors", evidence=EVIDENCE
            ),
            ["guardrail errors"],
        ),
        (
            ModelVersionRejected(
                model="late",
                version=2,
                gates=(Gate(name="brier", passed=False, value=0.31, limit=0.2, reason="too high"),),
            ),
            ["✗ brier 0.31 (limit 0.2): too high"],
        ),
        (
            TrainingCompleted(
                training_id="t2",
                model="late",
                dataset=DIGEST,
                artifact=ARTIFACT,
                code=DIGEST,
                definition_digest=DIGEST,
                views={},
                candidates=(Candidate(parameters={}, brier=0.1, folds=(0.1,)),),
                chosen=0,
                train_span=WINDOW,
                holdout_span=WINDOW,
                evaluation=SCORES,
                champion_version=1,
                champion_evaluation=SCORES,
                seed=7,
                environment=ENVIRONMENT,
                duration_seconds=1.0,
            ),
            ["candidate 1 of 1", "2013-03-01 to 2013-04-01", "challenger: Brier 0.12500", "champion 1: Brier 0.12500"],
        ),
        (
            TrainingDeferred(model="late", trigger=TRIGGER, reason="in_flight", until=None),
            ["trigger drift: 3 of 9 inputs drifted", "deferred for in flight"],
        ),
        (
            PerformanceDegraded(
                model="late",
                version=1,
                reference_id="x",
                reference_digest=DIGEST,
                configuration=DegradationDefinition(),
                code_version="1",
                windows=(
                    WindowPerformance(
                        window=WINDOW, offsets=(), evaluation=SCORES, unlabelled=12, p_value=1e-9, degraded=True
                    ),
                ),
            ),
            ["Brier 0.12500", "p 1e-09", "12 without label"],
        ),
        (
            ModelRolledBack(model="late", from_version=2, version=1, reason="errors", details=VERSION),
            ["from version 2 back to 1: errors"],
        ),
        (
            ModelStageChanged(
                model="late",
                version=2,
                from_stage="development",
                to_stage="staging",
                reason="passed",
                details=VERSION,
            ),
            ["development → staging; passed"],
        ),
        (
            ModelVersionCreated(model="late", version=VERSION, run_id="r", code=DIGEST, definition_digest=DIGEST),
            [f"version 2: artifact {DIGEST}"],
        ),
        (
            SourceAdvanced(source="flights", watermark=NOON, events=1234, first_event=NOON, offsets=()),
            ["1,234 events"],
        ),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Fact) else "",
)
def test_a_fact_is_told_by_the_numbers_that_decided(fact: Fact, said: list[str]) -> None:
    lines = "\n".join(decisive(fact.fact_type, json.loads(fact.to_bytes())))
    for part in said:
        assert part in lines
    assert headline(fact.fact_type) == type(fact).__name__


@pytest.mark.parametrize(
    ("fact", "said"),
    [
        (
            ApprovalRequested(
                model="late", version=2, artifact=DIGEST, role="approver", requested_by="ann", count=2, team="risk"
            ),
            [
                "version 2 to production, asked by ann: no reason given",
                f"2 persons with the role approver of the team risk must agree, to {DIGEST}",
            ],
        ),
        (
            ApprovalGranted(
                model="late", version=2, artifact=DIGEST, by="bob", mode="person", reason="fair", remaining=1
            ),
            ["version 2 by bob (person): fair; 1 more must agree"],
        ),
        (
            ModelPolicySet(
                model="late",
                stage="staging",
                policy=StagePolicy(gates=StageGates(floors={"auc": 0.7}, safe_formats=True), approvals=Approvers()),
                reason="rules",
            ),
            ["to enter staging: auc 0.7 at least, safe formats, one person with the role approver must agree: rules"],
        ),
        (
            ModelPolicySet(model="late", stage="staging", policy=None, reason="too strict"),
            ["no policy for staging any more: too strict"],
        ),
        (
            VariantsConfigured(
                model="late",
                variants=(
                    Variant(name="old", version=1, weight=0.8),
                    Variant(name="new", version=2, weight=0.2),
                ),
                key="customer",
                salt="spring",
                reason="enough?",
            ),
            ["old is version 1 for 0.8, new is version 2 for 0.2 of the values of customer (salt spring): enough?"],
        ),
        (VariantsEnded(model="late", reason="decided"), ["the model: decided"]),
        (
            ModelDeprecated(model="late", version=1, sunset=NOON, reason="v2 is fairer", successor=2),
            ["version 1 until 2013-04-01T12:00:00Z, then version 2: v2 is fairer"],
        ),
        (
            ModelRetired(model="late", version=2, successor=1),
            ["version 2 is the champion no more; version 1, which stood beside it, is"],
        ),
        (ArtifactAllowed(artifact=DIGEST, by="ann", reason="read it"), [f"{DIGEST}, by ann: read it"]),
    ],
)
def test_what_people_lay_down_and_decide_is_told_with_their_reasons(fact: Fact, said: list[str]) -> None:
    assert decisive(type(fact).fact_type, json.loads(fact.to_bytes())) == said


def test_the_event_time_is_that_of_the_evidence_or_the_trigger() -> None:
    advanced = RolloutAdvanced(rollout_id="r", model="late", step=1, weight=0.1, evidence=EVIDENCE)
    deferred = TrainingDeferred(model="late", trigger=TRIGGER, reason="budget", until=None)
    assert [moment(json.loads(one.to_bytes())) for one in (advanced, deferred)] == ["2013-04-01T12:00:00Z"] * 2
