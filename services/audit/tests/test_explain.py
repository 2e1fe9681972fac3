"""`pelton audit why | replay | prove`: a promotion explained back to the records, and its decision computed again."""

import asyncio
import json
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from aiokafka import AIOKafkaProducer

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import DriftDefinition
from pelton.contracts.deployer import RolloutSucceeded
from pelton.contracts.feature import DatasetMaterialized
from pelton.contracts.monitor import DataDriftDetected, FeatureReference, ReferencePinned, WindowDrift
from pelton.contracts.records import PredictionBatch, encode
from pelton.contracts.registry import ApprovalGranted, ModelPromoted
from pelton.contracts.topics import PREDICTIONS
from pelton.contracts.trainer import TrainingRequested, Trigger
from pelton.contracts.values import Artifact, Evaluation, ModelVersion, OffsetRange, Window
from pelton.eventkit.replay import Record
from pelton.eventkit.topics import ensure_topics
from pelton.ledger import proof
from pelton.ledger.keys import VerifierKey
from pelton.monitor.replay import data_drift_detected

Platform = Any  # that of conftest.py, which pytest imports by path alone

DAY = datetime(2013, 4, 1, tzinfo=UTC)
WINDOW = Window(start=DAY, end=DAY + timedelta(days=1))
SPAN = Window(start=DAY - timedelta(days=60), end=DAY)
DIGEST = sha256(b"content")
ARTIFACT = Artifact(digest=DIGEST, size=7, format="onnx")
SCORES = Evaluation(
    rows=1000, positives=200, brier=0.125, brier_variance=0.01, log_loss=0.4, accuracy=0.8, auc=0.75
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


@dataclass(frozen=True)
class Records:
    """The evidence of the story before it is in the log."""

    pinned: bytes
    values: Sequence[bytes]

    async def fact(self, event_id: str) -> bytes:
        assert event_id
        return self.pinned

    async def records(self, ranges: Sequence[OffsetRange]) -> list[Record]:
        (one,) = ranges
        return [Record(one.topic, 0, offset, (), self.values[offset]) for offset in range(one.start, one.end)]


@dataclass(frozen=True)
class Story:
    drift: UUID
    false_drift: UUID
    promotion: UUID


def batch(number: int) -> bytes:
    """Twenty rows of far longer distances than the reference has."""
    keys = [f"k{number}-{row}" for row in range(20)]
    moment = int((DAY + timedelta(hours=1, minutes=number)).timestamp() * 1000)
    return encode(
        PredictionBatch(
            id=f"b{number}",
            model="late",
            revision=1,
            mode="champion",
            champion=1,
            challenger=None,
            weight=0.0,
            keys=keys,
            event_times=[moment] * 20,
            inputs={"distance": [float(25 + row) for row in range(20)]},
            served=[1] * 20,
            outputs={"1": [0.5] * 20},
            errors={},
            latency_us={"1": 10},
        )
    )


async def log_predictions(bootstrap: str, values: Sequence[bytes]) -> None:
    await ensure_topics(bootstrap, {PREDICTIONS: 1})
    async with AIOKafkaProducer(bootstrap_servers=bootstrap) as producer:
        for value in values:
            await producer.send_and_wait(PREDICTIONS, value, key=b"late")


@pytest.fixture(scope="module")
def story(platform: Platform) -> Story:
    """Drift is found in real records; a training, a rollout and a promotion follow from it."""
    values = [batch(number) for number in range(10)]
    asyncio.run(log_predictions(platform.settings.kafka, values))
    reference = FeatureReference(edges=(10.0, 20.0, 30.0), counts=(250, 250, 250, 250), missing=0)
    pinned = ReferencePinned(
        model="late",
        version=1,
        dataset=DIGEST,
        features={"distance": reference},
        evaluation=SCORES,
        reference_digest=DIGEST,
    )
    (pinned_id,) = platform.publish("references/late@1", pinned)
    quoted = OffsetRange(topic=PREDICTIONS, partition=0, start=2, end=10)
    draft = DataDriftDetected(
        model="late",
        version=1,
        reference_id=str(pinned_id),
        reference_digest=DIGEST,
        configuration=DriftDefinition(),
        code_version="1",
        windows=(WindowDrift(window=WINDOW, offsets=(quoted,), rows=0, features=(), share=0.0, drifted=True),),
    )
    drift = asyncio.run(data_drift_detected(draft.to_bytes(), Records(pinned.to_bytes(), values)))
    found = DataDriftDetected.from_bytes(drift)
    (drift_id,) = platform.publish("monitors/late", found, cause=pinned_id)
    exaggerated = found.model_copy(update={"windows": (found.windows[0].model_copy(update={"rows": 161}),)})
    (false_id,) = platform.publish("monitors/late", exaggerated, cause=pinned_id)
    promotion = continue_story(platform, drift_id)
    platform.settled()
    return Story(drift_id, false_id, promotion)


def continue_story(platform: Platform, drift: UUID) -> UUID:
    trigger = Trigger(kind="drift", moment=WINDOW.end, event_id=str(drift), detail="1 of 1 inputs drifted")
    cause = drift
    for stream, fact in (
        (
            "retraining/late",
            TrainingRequested(
                training_id="t2",
                model="late",
                trigger=trigger,
                span=SPAN,
                as_of=DAY,
                definition_digest=DIGEST,
                code=ARTIFACT,
                seed=7,
            ),
        ),
        (
            "datasets/t2",
            DatasetMaterialized(
                dataset=DIGEST,
                training_id="t2",
                model="late",
                artifact=ARTIFACT,
                rows=1000,
                positives=200,
                columns=("distance", "label"),
                span=SPAN,
                as_of=DAY,
                offsets=(OffsetRange(topic=PREDICTIONS, partition=0, start=0, end=4),),
                views={},
                sources={},
            ),
        ),
        ("rollouts/late", RolloutSucceeded(rollout_id="r2", model="late", version=2, evidence=None)),
        (
            "models/late",
            ApprovalGranted(model="late", version=2, artifact=DIGEST, by="policy", mode="automatic", reason="gates"),
        ),
        ("models/late", ModelPromoted(model="late", version=2, previous=1, details=VERSION)),
    ):
        (cause,) = platform.publish(stream, fact, cause=cause)
    return cause


def test_a_promotion_is_explained_down_to_the_records(platform: Platform, story: Story) -> None:
    result = platform.cli("why", "late@production", "--json")
    assert result.exit_code == 0, result.output
    chain = json.loads(result.output)["chain"]
    assert chain[0]["id"] == str(story.promotion)
    assert [one["type"].split(".")[2] for one in chain] == [
        "model_promoted",
        "approval_granted",
        "rollout_succeeded",
        "dataset_materialized",
        "training_requested",
        "data_drift_detected",
        "reference_pinned",
    ]
    shown = platform.cli("why", str(story.promotion)).output
    assert "version 2 is the champion, in place of version 1" in shown
    assert "100% of the inputs drifted" in shown
    assert "distance (PSI" in shown
    assert "Brier 0.12500" in shown
    assert f"{PREDICTIONS}/0 offsets 2 to 9 (8)" in shown
    assert shown.index("ModelPromoted") < shown.index("DataDriftDetected")
    turned = platform.cli("why", str(story.promotion), "--oldest-first").output
    assert turned.index("DataDriftDetected") < turned.index("ModelPromoted")


def test_a_decision_is_recomputed_to_the_byte(platform: Platform, story: Story) -> None:
    result = platform.cli("replay", str(story.drift), "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.output)["equal"] is True


def test_a_decision_that_its_records_do_not_bear_out_is_shown_up(platform: Platform, story: Story) -> None:
    result = platform.cli("replay", str(story.false_drift))
    assert result.exit_code == 1
    assert "$.windows[0].rows: 160 here, 161 there" in result.output


def test_what_has_no_replay_says_what_has(platform: Platform, story: Story) -> None:
    result = platform.cli("replay", str(story.promotion))
    assert result.exit_code == 1
    assert "pelton.monitor.data_drift_detected.v1" in str(result.exception)


def test_a_proof_is_written_that_stands_alone(platform: Platform, story: Story, tmp_path: Path) -> None:
    file = tmp_path / "promotion.tlog-proof"
    result = platform.cli("prove", str(story.promotion), "-o", str(file))
    assert result.exit_code == 0, result.output
    written = proof.OfflineProof.parse(file.read_text())
    key = VerifierKey.parse(platform.settings.audit_vkey.read_text())
    assert proof.verify(written, written.extra, key).checkpoint.origin == "pelton.local/audit"
    assert str(story.promotion).encode() in written.extra


def test_a_served_proof_that_does_not_hold_is_not_written(platform: Platform, story: Story, tmp_path: Path) -> None:
    other = tmp_path / "other.vkey"
    key = VerifierKey("pelton.local/audit", b"\x01" * 32)
    other.write_text(str(key))
    file = tmp_path / "promotion.tlog-proof"
    result = platform.cli("prove", str(story.promotion), "-o", str(file), "--vkey", str(other))
    assert result.exit_code == 1
    assert "does not hold" in str(result.exception)
    assert not file.exists()


def test_the_quoted_records_are_checked_in_full(platform: Platform, story: Story) -> None:
    fact = platform.audit(f"/v1/facts/{story.drift}")
    assert (
        b64encode(json.dumps(fact["data"], separators=(",", ":"), sort_keys=True).encode()).decode() == fact["payload"]
    )
    result = platform.cli("verify", "--full", "--json")
    checks = {one["name"]: one for one in json.loads(result.output)["checks"]}
    assert result.exit_code == 0
    assert checks["evidence"]["records"] == 3
