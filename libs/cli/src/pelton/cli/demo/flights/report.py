"""What came of the run: facts for a script, and whether every part of the loop happened."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import onnxruntime as ort
from aiokafka import AIOKafkaConsumer
from numpy.typing import NDArray

from pelton.cli.demo.flights.data import Flights
from pelton.cli.demo.flights.story import Story
from pelton.cli.demo.flights.stream import MODEL, Progress
from pelton.cli.home import Home
from pelton.cli.supervisor.state import PlatformState
from pelton.contracts.deployer import RolloutAborted, RolloutStarted
from pelton.contracts.monitor import DataDriftDetected, DataDriftResolved, PerformanceDegraded
from pelton.contracts.records import decode_predictions
from pelton.contracts.registry import ModelPromoted, ModelRolledBack, ModelVersionCreated, ModelVersionRejected
from pelton.contracts.topics import PREDICTIONS
from pelton.contracts.trainer import TrainingCompleted, TrainingDeferred, TrainingFailed
from pelton.sdk.client import Client

CLIP = 1e-7
HALF = 0.5
FIRST = 1


@dataclass(frozen=True, slots=True)
class Scores:
    """How good predictions were, over `rows` flights that landed."""

    rows: int
    accuracy: float
    brier: float
    log_loss: float


@dataclass
class Report:
    """The run in figures; `failures` says which part of the loop did not happen.

    `may_be_unlogged` bounds the rows that inference may have answered and not logged when it was killed: those of
    one request each time.
    """

    seconds: float
    events: int
    predictions: int
    requests: int
    failed_requests: int
    counts: dict[str, int]
    champion: int | None
    with_pelton: Scores | None
    never_retrained: Scores | None
    logged_rows: int
    restarts: dict[str, int]
    may_be_unlogged: int
    audit: dict[str, Any] = field(default_factory=dict)
    failures: list[str] = field(default_factory=list)

    def to_json(self) -> str:
        """The report for a script."""
        return json.dumps(asdict(self), indent=1)


async def make(client: Client, flights: Flights, progress: Progress, story: Story, seconds: float) -> Report:
    """Look at what the platform says happened, and score it against what really became of the flights."""
    late = dict(flights.truth.iter_rows())
    never, logged = await _never_retrained(client, story)
    rejected = {told.fact.version for told in story.of(ModelVersionRejected)}  # type: ignore[attr-defined]
    aborted = {told.fact.version for told in story.of(RolloutAborted) if told.fact.reason in ("worse", "errors")}  # type: ignore[attr-defined]
    counts = {
        "drifts": len(story.of(DataDriftDetected)),
        "drifts_resolved": len(story.of(DataDriftResolved)),
        "degradations": len(story.of(PerformanceDegraded)),
        "trainings": len(story.of(TrainingCompleted)),
        "trainings_deferred": len(story.of(TrainingDeferred)),
        "trainings_failed": len(story.of(TrainingFailed)),
        "versions": len(story.of(ModelVersionCreated)),
        "rollouts": len(story.of(RolloutStarted)),
        "promotions": len(story.of(ModelPromoted)),
        "rollbacks": len(story.of(ModelRolledBack)),
        "challengers_that_lost": len(rejected | aborted),
        "facts": len(story.facts),
    }
    report = Report(
        seconds=round(seconds, 1),
        events=progress.published,
        predictions=progress.predicted,
        requests=progress.requests,
        failed_requests=progress.failed_requests,
        counts=counts,
        champion=story.champion,
        with_pelton=_scores(progress.answers, late),
        never_retrained=_scores(never, late),
        logged_rows=logged,
        restarts=_restarts(client),
        may_be_unlogged=_restarts(client).get("inference", 0) * progress.largest_request,
    )
    report.failures += _missing(report)
    return report


def _missing(report: Report) -> list[str]:
    """Which parts of the loop did not happen."""
    counts = report.counts
    wanted = {
        "drift was never detected": counts["drifts"] >= 1,
        "no model was retrained": counts["trainings"] > 1,
        "no challenger was promoted": counts["promotions"] > 1,
        "no challenger lost": counts["challengers_that_lost"] >= 1,
        "a request failed": report.failed_requests == 0,
        "predictions are missing in the log": report.logged_rows + report.may_be_unlogged >= report.predictions,
    }
    return [what for what, happened in wanted.items() if not happened]


def _restarts(client: Client) -> dict[str, int]:
    """How often the supervisor had to start each part again."""
    state = PlatformState.read(Home(client.address.home).state_file)
    return {part.name: part.restarts for part in state.parts if part.restarts}


def _scores(answers: Mapping[str, float], late: Mapping[str, bool]) -> Scores | None:
    known = [(probability, late[flight]) for flight, probability in answers.items() if flight in late]
    if not known:
        return None
    probabilities = np.array([one[0] for one in known])
    truth = np.array([one[1] for one in known], dtype=np.float64)
    clipped = np.clip(probabilities, CLIP, 1 - CLIP)
    return Scores(
        rows=len(known),
        accuracy=round(float(((probabilities >= HALF) == (truth == 1)).mean()), 5),
        brier=round(float(((probabilities - truth) ** 2).mean()), 5),
        log_loss=round(float(-np.log(np.where(truth == 1, clipped, 1 - clipped)).mean()), 5),
    )


async def _never_retrained(client: Client, story: Story) -> tuple[dict[str, float], int]:
    """What the first champion would have answered to every logged request, and how many rows the log has."""
    first = next(
        (told.fact.version for told in story.of(ModelVersionCreated) if told.fact.version.version == FIRST),  # type: ignore[attr-defined]
        None,
    )
    if first is None:
        return {}, 0
    artifact = client.send("registry", "GET", f"/v1/artifacts/{first.artifact.digest}").content
    session = ort.InferenceSession(artifact, providers=["CPUExecutionProvider"])
    matrix_name = session.get_inputs()[0].name
    answers: dict[str, float] = {}
    rows = 0
    async for value in _records(client.address.kafka, PREDICTIONS):
        batch = decode_predictions(value)
        if batch.model != MODEL:
            continue
        rows += len(batch.keys)
        columns = [[np.nan if one is None else one for one in batch.inputs[name]] for name in first.inputs]
        matrix: NDArray[np.float32] = np.array(columns, dtype=np.float32).T
        probabilities = session.run(None, {matrix_name: np.ascontiguousarray(matrix)})[-1][:, 1]
        answers.update(zip(batch.keys, probabilities.astype(float).tolist(), strict=True))
    return answers, rows


async def _records(kafka: str, topic: str) -> AsyncIterator[bytes]:
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=kafka,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        max_partition_fetch_bytes=2**23,
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        left = {partition for partition, end in ends.items() if end > 0}
        while left:
            for partition, records in (await consumer.getmany(timeout_ms=1000)).items():
                for record in records:
                    yield record.value
                if records[-1].offset + 1 >= ends[partition]:
                    left.discard(partition)
    finally:
        await consumer.stop()
