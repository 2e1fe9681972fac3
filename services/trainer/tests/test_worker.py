"""The worker as the service runs it: a process, its limits, and an artifact that is the same every time."""

import asyncio
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pelton.contracts.canonical import sha256
from pelton.contracts.values import Artifact, ModelVersion
from pelton.testkit import eventually
from pelton.trainer.evaluation import evaluate
from pelton.trainer.gateways import TrainingImpossibleError, Worker
from pelton.trainer.orders import ChampionFile, TrainingOrder
from pelton.trainer.worker import answer

Orders = Callable[..., TrainingOrder]
WORKER = Worker(memory=8 * 1024**3, seconds=60)


def version(artifact: bytes, **changes: object) -> ModelVersion:
    return ModelVersion.model_validate(
        {
            "model": "late",
            "version": 4,
            "training_id": "late-1",
            "artifact": Artifact(digest=sha256(artifact), size=len(artifact), format="onnx"),
            "request": ("distance",),
            "features": ("route:delay_mean_1d",),
            "views": {"route": sha256(b"route")},
            "threshold": 0.5,
            "dataset": sha256(b"data"),
            "evaluation": {
                "rows": 2,
                "positives": 1,
                "brier": 0.1,
                "brier_variance": 0.1,
                "log_loss": 0.1,
                "accuracy": 1,
                "auc": None,
            },
        }
        | changes
    )


async def test_the_same_order_gives_the_same_bytes_and_scores_what_is_served(
    order: Orders, tmp_path: Path, table: pa.Table
) -> None:
    first_order = order()
    first = await WORKER.run(first_order, tmp_path)
    artifact = first_order.output.read_bytes()
    champion = ChampionFile(version=version(artifact), path=tmp_path / "champion.onnx")
    champion.path.write_bytes(artifact)

    second_order = order().model_copy(update={"champion": champion, "output": tmp_path / "again.onnx"})
    second = await WORKER.run(second_order, tmp_path)

    assert second_order.output.read_bytes() == artifact
    assert first.candidates == second.candidates
    assert first.champion_evaluation is None
    assert second.champion_evaluation == second.evaluation == first.evaluation
    assert first.evidence.comparison is None
    comparison = second.evidence.comparison
    assert comparison is not None
    assert (comparison.against, comparison.dataset) == (4, first_order.dataset_digest)
    assert (comparison.rows, comparison.mean, comparison.variance) == (first.evaluation.rows, 0, 0)
    passed_over: dict[str, object] = {"comparison": None, "latency": None}
    assert first.evidence.model_copy(update=passed_over) == second.evidence.model_copy(update=passed_over)
    assert first.evidence.metrics["brier"] == first.evaluation.brier
    assert first.evidence.latency is not None
    assert 0 < first.evidence.latency.p50_ms <= first.evidence.latency.p99_ms < 1000
    assert first.evaluation.auc is not None
    assert first.evaluation.auc > 0.6
    assert first.chosen == int(np.argmin([candidate.brier for candidate in first.candidates]))
    assert first.train_span.end < first.holdout_span.start

    times = table["event_time"].to_numpy()
    held = table.filter(pa.array(times >= np.datetime64(first.holdout_span.start.replace(tzinfo=None))))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # more of them add the trees in another order
    session = onnxruntime.InferenceSession(artifact, options)
    inputs = np.column_stack(
        [held["distance"].to_numpy(), held["route__delay_mean_1d"].to_numpy(zero_copy_only=False)]
    ).astype(np.float32)
    label, probabilities = session.run(None, {"inputs": inputs})
    assert probabilities.shape == (held.num_rows, 2)
    assert set(np.unique(label)) <= {0, 1}
    assert evaluate(held["label"].to_numpy(), probabilities[:, 1].astype(float), threshold=0.5) == first.evaluation
    properties = {entry.key: entry.value for entry in onnx.load_from_string(artifact).metadata_props}
    assert properties["pelton.inputs"] == "distance,route__delay_mean_1d"
    assert properties["pelton.dataset"] == first_order.dataset_digest


async def test_segments_and_fairness_are_of_the_served_scores_by_inputs_and_by_what_the_model_never_sees(
    order: Orders, tmp_path: Path, table: pa.Table
) -> None:
    regions = pa.array(["north", "south", None][row % 3] for row in range(table.num_rows))
    dataset = parquet_of(table.append_column("region", regions))
    asked = order(
        dataset=dataset,
        evaluation={"segments": ("distance",), "fairness": ("region",), "min_group_rows": 30},
    )
    evidence = (await WORKER.run(asked, tmp_path)).evidence
    by_distance, by_region = evidence.segments
    assert (by_distance.attribute, len(by_distance.groups)) == ("distance", 10)
    assert [one.group for one in by_region.groups] == ["north", "south", "(missing)"]
    for shown in evidence.segments:
        rows = sum(one.rows for one in shown.groups)
        brier = sum(one.rows * one.metrics["brier"] for one in shown.groups) / rows
        assert brier == pytest.approx(evidence.metrics["brier"])
    (fairness,) = evidence.fairness
    shares = [one.selected for one in by_region.groups]
    assert fairness.attribute == "region"
    assert fairness.measures["demographic_parity_difference"] == pytest.approx(max(shares) - min(shares))
    properties = {entry.key: entry.value for entry in onnx.load(asked.output).metadata_props}
    assert properties["pelton.inputs"] == "distance,route__delay_mean_1d"


@pytest.fixture
def imports() -> Iterator[None]:
    """The user's modules live in the worker alone; where a test stands in for it, they go when it ends."""
    path, modules = list(sys.path), set(sys.modules)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        if name in {"pipeline", "settings_of_it"}:
            del sys.modules[name]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"features": ("route:delay_mean_7d",)}, "lacks route__delay_mean_7d"),
        ({"views": {"route": sha256(b"another")}}, "route have changed"),
    ],
)
@pytest.mark.usefixtures("imports")
def test_a_champion_that_cannot_see_the_rows_is_skipped_with_the_reason(
    order: Orders, tmp_path: Path, changes: dict[str, object], why: str
) -> None:
    champion = ChampionFile(version=version(b"", **changes), path=tmp_path / "never-read.onnx")
    asked = order(pipeline__entry="pipeline:chatty", pipeline__candidates=({},))
    result = answer(asked.model_copy(update={"champion": champion})).result
    assert result is not None
    assert (result.champion_evaluation, result.evidence.comparison) == (None, None)
    assert why in (result.champion_skipped or "")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        ("pipeline:nothing", "has no function nothing"),
        ("nowhere:trees", "importing nowhere failed with ModuleNotFoundError"),
        ("pipeline:not_a_classifier", "gave a StandardScaler"),
        ("pipeline:picky", "called with {} failed with KeyError: 'no parameters'"),
    ],
)
@pytest.mark.usefixtures("imports")
def test_code_that_gives_no_classifier_fails_with_its_words(order: Orders, entry: str, why: str) -> None:
    reason = answer(order(pipeline__entry=entry, pipeline__candidates=({},))).reason
    assert why in (reason or "")


@pytest.mark.usefixtures("imports")
def test_data_that_cannot_train_fails_with_its_words(order: Orders, table: pa.Table) -> None:
    reason = answer(order(training__min_rows=5000)).reason
    assert "3000 labelled rows, training.min_rows asks for 5000" in (reason or "")

    never = parquet_of(changed(table, "label", np.zeros(table.num_rows, np.int8)))
    assert "rows of the training part have the label 0" in (answer(order(dataset=never)).reason or "")

    backwards = parquet_of(table.take(np.arange(table.num_rows)[::-1]))
    assert "not in order of event_time" in (answer(order(dataset=backwards)).reason or "")

    asked = order(evaluation={"segments": ("region",)})
    assert "the dataset has no column region" in (answer(asked).reason or "")

    asked = order(inputs={"request": ("speed",), "features": ()})
    assert "the dataset has no column speed" in (answer(asked).reason or "")


def changed(table: pa.Table, name: str, values: np.ndarray) -> pa.Table:
    return table.set_column(table.column_names.index(name), name, pa.array(values))


def parquet_of(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


async def test_a_worker_that_dies_leaves_its_last_words_and_prints_no_answer(order: Orders, tmp_path: Path) -> None:
    with pytest.raises(TrainingImpossibleError, match="SIGABRT; its last words: a line\nthe last words"):
        await WORKER.run(order(pipeline__entry="pipeline:fatal", pipeline__candidates=({},)), tmp_path)


async def test_a_training_that_asks_for_too_much_memory_is_refused_it(order: Orders, tmp_path: Path) -> None:
    modest = Worker(memory=4 * 1024**3, seconds=60)
    with pytest.raises(TrainingImpossibleError, match="ran out of the memory it may use"):
        await modest.run(order(pipeline__entry="pipeline:hungry", pipeline__candidates=({},)), tmp_path)


async def test_a_training_that_takes_too_long_is_ended(order: Orders, tmp_path: Path) -> None:
    impatient = Worker(memory=8 * 1024**3, seconds=1)
    with pytest.raises(TrainingImpossibleError, match="longer than 1 seconds"):
        await impatient.run(order(pipeline__entry="pipeline:endless", pipeline__candidates=({},)), tmp_path)


def workers_in(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            try:
                if (process / "cwd").readlink() == folder and "Z" not in (process / "stat").read_text().split()[2]:
                    found.append(process.name)
            except OSError:
                continue
    return found


async def test_a_cancelled_training_leaves_no_process(order: Orders, tmp_path: Path) -> None:
    endless = order(pipeline__entry="pipeline:endless", pipeline__candidates=({},))
    running = asyncio.create_task(WORKER.run(endless, tmp_path))
    await eventually(lambda: workers_in(tmp_path))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert workers_in(tmp_path) == []
