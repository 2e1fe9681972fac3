import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from inference_models import INPUTS, onnx_bytes, route, scorer, version
from numpy.typing import NDArray

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, TransformationDefinition
from pelton.contracts.feature import FeatureViewApplied, TransformationApplied
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.envelope import Envelope, Received
from pelton.inference.answer import Answer, labels, log_record, score, score_shadow
from pelton.inference.features import FeatureReader
from pelton.inference.protocol import BadRequestError, read_request
from pelton.inference.routes import Arm, Route
from pelton.inference.rows import make_rows
from pelton.inference.scorer import Scorer
from pelton.inference.split import to_arm, to_challenger
from pelton.tiles.lmdb_records import LmdbRecordStore
from pelton.tiles.reader import TileReader
from pelton.tiles.writer import Batch, TileWriter

VIEW = FeatureViewDefinition(
    name="delays",
    source="landings",
    entity="origin",
    tile="1m",
    aggregates=(
        Aggregate(name="landings", function="count", windows=("1m", "3m")),
        Aggregate(name="worst", function="max", value="delay", windows=("3m",)),
    ),
)
BY_GATE = VIEW.model_copy(update={"name": "gates", "entity": "place", "keys": ("origin", "gate")})
REFS = tuple(f"delays:{name}" for name in VIEW.feature_names)
NOW = 180_000
ENVELOPE = Envelope(
    id=uuid7(),
    owner="feature",
    type="any",
    subject="any",
    time=utc_now(),
    correlation_id="story",
    causation_id=None,
    actor="ann",
    stream_version=1,
    position=1,
    traceparent=None,
)


def features(folder: Path) -> FeatureReader:
    return FeatureReader(TileReader(folder))


def take(store: LmdbRecordStore, origins: list[str], delays: list[float], times: list[int]) -> None:
    """Take landings into the online store."""
    batch = Batch(
        partition=("pelton.data.landings", 0),
        source="landings",
        lateness_ms=3_600_000,
        offsets=np.arange(len(times)),
        next_offset=len(times),
        ids=pl.Series([f"landing {place}" for place in range(len(times))]),
        times_ms=np.array(times, dtype=np.int64),
        arrivals_ms=np.array(times, dtype=np.int64),
        events={"origin": pl.Series(origins), "delay": np.array(delays), "gate": np.arange(len(times)) % 2 + 1.0},
        views=[VIEW, BY_GATE],
    )
    TileWriter(store).take([batch])


def tensor(name: str, values: list[Any], datatype: str = "FP64") -> dict[str, Any]:
    return {"name": name, "shape": [len(values)], "datatype": datatype, "data": values}


def answered(sent: list[dict[str, Any]], by: Route, reader: FeatureReader) -> Answer:
    rows = make_rows(read_request(json.dumps({"inputs": sent}).encode()), "r", by, reader, NOW)
    answer = score(rows, by)
    score_shadow(answer, by)
    return answer


def keyed(count: int) -> tuple[list[str], list[dict[str, Any]]]:
    keys = [f"k{number}" for number in range(count)]
    values = np.random.default_rng(3).normal(size=(count, len(INPUTS))).round(3)
    return keys, [tensor("key", keys, "BYTES"), *(tensor(n, values[:, i].tolist()) for i, n in enumerate(INPUTS))]


async def test_by_entity_is_by_features_as_of_the_moment(tmp_path: Path) -> None:
    store = LmdbRecordStore(tmp_path)
    take(store, ["EWR", "EWR", "JFK"], [5.0, 7.0, 1.0], [1_000, 61_000, 130_000])
    reader = FeatureReader(TileReader.over(store))
    reader._views[VIEW.digest] = VIEW
    artifact = onnx_bytes(1 + len(REFS))
    pinned = version(1, artifact, request=("distance",), features=REFS, views={"delays": VIEW.digest})
    by = route(Scorer.load(pinned, artifact))
    shared = [tensor("distance", [1, 2, 3]), tensor("event_time", [180_000, 120_000, 180_000], "INT64")]

    by_entity = answered([*shared, tensor("origin", ["EWR", "EWR", "JFK"], "BYTES")], by, reader)
    known = {"landings_1m": [0, 1, 1], "landings_3m": [2, 2, 1], "worst_3m": [7, 7, 1]}
    by_features = answered([*shared, *(tensor(f"delays__{n}", values) for n, values in known.items())], by, reader)

    np.testing.assert_array_equal(by_entity.rows.matrices[1], by_features.rows.matrices[1])
    assert by_entity.probabilities.tolist() == by_features.probabilities.tolist()
    with pytest.raises(BadRequestError, match="need the entity 'origin': send an input of that name"):
        answered(shared, by, reader)
    store.close()


async def test_an_entity_of_several_keys_is_sent_by_each_of_them(tmp_path: Path) -> None:
    store = LmdbRecordStore(tmp_path)
    take(store, ["EWR", "EWR", "EWR"], [5.0, 7.0, 1.0], [1_000, 61_000, 130_000])
    reader = FeatureReader(TileReader.over(store))
    reader._views[BY_GATE.digest] = BY_GATE
    artifact = onnx_bytes(1)
    pinned = version(1, artifact, request=(), features=("gates:worst_3m",), views={"gates": BY_GATE.digest})
    by = route(Scorer.load(pinned, artifact))
    origins, gates = tensor("origin", ["EWR", "EWR", "JFK"], "BYTES"), tensor("gate", [1, 2, 1], "INT64")
    sent = read_request(json.dumps({"inputs": [origins, gates]}).encode())
    found = make_rows(sent, "r", by, reader, NOW).matrices[1]
    np.testing.assert_array_equal(found, np.array([[5], [7], [np.nan]], dtype=np.float32))
    with pytest.raises(BadRequestError, match="need the entity 'gate'"):
        answered([origins], by, reader)
    store.close()


async def test_a_transformation_is_computed_of_the_request_and_of_the_views_that_the_version_was_trained_with(
    tmp_path: Path,
) -> None:
    store = LmdbRecordStore(tmp_path)
    take(store, ["EWR", "JFK"], [8.0, 2.0], [1_000, 1_000])
    reader = FeatureReader(TileReader.over(store))
    surprise = TransformationDefinition(
        name="surprise",
        inputs={"worst": "delays:worst_3m"},
        request=("delay", "carrier"),
        features={"excess": "delay - worst", "ours": "where(carrier == 'UA', 1, 0)"},
    )
    refs = ("surprise:excess", "delays:worst_3m", "surprise:ours")
    artifact = onnx_bytes(len(refs))
    pins = {"views": {"delays": VIEW.digest}, "transformations": {"surprise": surprise.digest}}
    by = route(Scorer.load(version(1, artifact, request=(), features=refs, **pins), artifact))
    sent = [
        tensor("origin", ["EWR", "JFK"], "BYTES"),
        tensor("delay", [10.5, 1]),
        tensor("carrier", ["UA", "AA"], "BYTES"),
    ]
    with pytest.raises(BadRequestError, match="transformation surprise of version 1 is not known here yet"):
        answered(sent, by, reader)
    view = FeatureViewApplied(view="delays", definition=VIEW, definition_digest=VIEW.digest)
    await reader.see_view(Received(ENVELOPE, view))
    fact = TransformationApplied(transformation="surprise", definition=surprise, definition_digest=surprise.digest)
    await reader.see_transformation(Received(ENVELOPE, fact))
    assert answered(sent, by, reader).rows.matrices[1].tolist() == [[2.5, 8, 1], [-1, 2, 0]]
    whole = [tensor(name, values) for name, values in zip(by.champion.version.inputs, ([1, 2],) * 3, strict=True)]
    assert answered(whole, by, FeatureReader(TileReader.over(store))).rows.matrices[1].tolist() == [[1] * 3, [2] * 3]
    with pytest.raises(BadRequestError, match="'surprise' reads delay of the request: send an input of that name"):
        answered([sent[0], sent[2]], by, reader)
    store.close()


def test_a_matrix_and_its_columns_have_the_same_answer(tmp_path: Path) -> None:
    by = route(scorer(1))
    columns = [tensor("x", [1, 4]), tensor("y", [2, None]), tensor("z", [3, 6])]
    matrix = {"name": "any", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, None, 6]}
    one, other = (
        make_rows(read_request(json.dumps({"inputs": sent}).encode()), "r", by, features(tmp_path), NOW)
        for sent in (columns, [matrix])
    )
    np.testing.assert_array_equal(one.matrices[1], other.matrices[1])
    assert np.isnan(one.matrices[1][1, 1])
    assert one.keys == other.keys == ["r/0", "r/1"]


def test_a_canary_answers_the_keys_below_its_weight_and_the_log_shows_who_scored_what(tmp_path: Path) -> None:
    by = route(scorer(1), scorer(2), "canary", 0.4)
    keys, sent = keyed(50)
    answer = answered(sent, by, features(tmp_path))
    chosen = to_challenger(keys, by.salt, by.weight)
    assert answer.served.tolist() == np.where(chosen, 2, 1).tolist()
    for number, one, mine in ((1, by.champion, ~chosen), (2, by.challenger, chosen)):
        assert one is not None
        expected = one.score(answer.rows.matrices[number][mine])
        np.testing.assert_allclose(answer.probabilities[mine], expected, rtol=1e-6)
        logged = log_record(answer, by, "id").outputs[str(number)]
        assert [value is not None for value in logged] == mine.tolist()


def variants(champion: Scorer, *arms: Arm, unit: str | None = None) -> Route:
    return Route("late", 1, "variants", champion, None, None, 0.0, "salt", arms=arms, unit=unit)


def test_each_variant_answers_its_keys_and_the_log_shows_which(tmp_path: Path) -> None:
    second, third = scorer(2), scorer(3)
    by = variants(scorer(1), Arm(2, 0.5, second), Arm(1, 0.2, None), Arm(3, 0.3, third))
    keys, sent = keyed(60)
    answer = answered(sent, by, features(tmp_path))
    places = to_arm(keys, "salt", (0.5, 0.2, 0.3))
    assert answer.served.tolist() == [(2, 1, 3)[place] for place in places.tolist()]
    assert answer.errors == {}
    record = log_record(answer, by, "id")
    assert (record.mode, record.champion, record.challenger, record.served) == (
        "variants",
        1,
        None,
        answer.served.tolist(),
    )
    for number, one in ((1, by.champion), (2, second), (3, third)):
        mine = answer.served == number
        np.testing.assert_allclose(answer.probabilities[mine], one.score(answer.rows.matrices[number][mine]), rtol=1e-6)
        assert [value is not None for value in record.outputs[str(number)]] == mine.tolist()


def test_two_variants_of_one_version_are_told_apart_by_their_keys_alone(tmp_path: Path) -> None:
    second = scorer(2)
    by = variants(scorer(1), Arm(2, 0.5, second), Arm(2, 0.5, second))
    _, sent = keyed(20)
    assert set(answered(sent, by, features(tmp_path)).served.tolist()) == {2}


def test_variants_are_shared_by_the_field_they_name_and_by_the_rows_key_where_it_is_not_sent(tmp_path: Path) -> None:
    by = variants(scorer(1), Arm(1, 0.5, None), Arm(2, 0.5, scorer(2)), unit="customer")
    keys, sent = keyed(40)
    customers = [f"c{number % 4}" for number in range(40)]
    of_customer = answered([*sent, tensor("customer", customers, "BYTES")], by, features(tmp_path)).served
    assert of_customer.tolist() == [(1, 2)[place] for place in to_arm(customers, "salt", (0.5, 0.5)).tolist()]
    assert answered(sent, by, features(tmp_path)).served.tolist() == [
        (1, 2)[place] for place in to_arm(keys, "salt", (0.5, 0.5)).tolist()
    ]


def test_the_field_that_variants_are_shared_by_is_let_in_beside_a_matrix_during_and_after_them(tmp_path: Path) -> None:
    matrix = {"name": "any", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}
    customers = tensor("customer", [7, 8], "INT64")
    second = scorer(2)
    during = answered(
        [customers, matrix], variants(scorer(1), Arm(2, 1.0, second), unit="customer"), features(tmp_path)
    )
    after = answered([matrix, customers], route(scorer(1)), features(tmp_path))
    assert (during.served.tolist(), after.served.tolist()) == ([2, 2], [1, 1])
    assert during.rows.matrices[2].tolist() == after.rows.matrices[1].tolist() == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(BadRequestError, match="input 'customer' has 1 rows, and the first input has 2"):
        answered([matrix, tensor("customer", ["a"], "BYTES")], variants(scorer(1), unit="customer"), features(tmp_path))


def test_where_a_variant_fails_the_champion_answers_its_rows(tmp_path: Path) -> None:
    unable = scorer(2, ("x", "unknown"))
    by = variants(scorer(1), Arm(2, 0.5, unable), Arm(3, 0.5, None))
    _, sent = keyed(20)
    answer = answered(sent, by, features(tmp_path))
    alone = answered(sent, route(scorer(1)), features(tmp_path))
    assert answer.probabilities.tolist() == alone.probabilities.tolist()
    assert set(answer.served.tolist()) == {1}
    assert (set(answer.errors), sum(answer.errors.values())) == ({2, 3}, 20)


@pytest.mark.parametrize("mode", ["canary", "variants"])
def test_a_row_is_labelled_by_the_threshold_of_the_version_that_answered_it(tmp_path: Path, mode: str) -> None:
    artifact = onnx_bytes(len(INPUTS), 1)
    strict = version(2, artifact).model_copy(update={"threshold": 0.9})
    second = Scorer.load(strict, artifact)
    champion = scorer(1)
    by = (
        route(champion, second, "canary", 0.5)
        if mode == "canary"
        else variants(champion, Arm(1, 0.5, None), Arm(2, 0.5, second))
    )
    _, sent = keyed(80)
    answer = answered(sent, by, features(tmp_path))
    thresholds = np.where(answer.served == 2, 0.9, 0.5)
    assert labels(answer, by) == (answer.probabilities >= thresholds).astype(int).tolist()
    between = (answer.probabilities > 0.5) & (answer.probabilities < 0.9)
    assert {1, 2} == set(answer.served[between].tolist())


def test_a_challenger_with_other_inputs_gets_its_own_columns(tmp_path: Path) -> None:
    challenger = scorer(2, ("z", "x"))
    by = route(scorer(1), challenger, "shadow")
    matrix = {"name": "m", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}
    for sent in ([matrix], [tensor("x", [1]), tensor("y", [2]), tensor("z", [3])]):
        answer = answered(sent, by, features(tmp_path))
        assert answer.rows.matrices[2].tolist() == [[3, 1]]
        expected = challenger.score(np.array([[3, 1]], dtype=np.float32))
        assert answer.outputs[2].tolist() == expected.tolist()
        assert answer.served.tolist() == [1]


@pytest.mark.parametrize("mode", ["shadow", "bake", "canary"])
def test_a_challenger_that_fails_is_counted_and_the_champion_answers(tmp_path: Path, mode: Any) -> None:  # noqa: ANN401 - a literal
    _, sent = keyed(20)
    alone = answered(sent, route(scorer(1)), features(tmp_path))
    # Of other inputs, which are not sent: it cannot score.
    unable = scorer(2, ("x", "unknown"))
    for by in (route(scorer(1), unable, mode, 1.0), route(scorer(1), None, mode, 1.0, challenger_version=2)):
        answer = answered(sent, by, features(tmp_path))
        assert answer.probabilities.tolist() == alone.probabilities.tolist()
        assert set(answer.served.tolist()) == {1}
        assert answer.errors == {2: 20}
        assert list(log_record(answer, by, "id").outputs) == ["1"]


def test_the_log_has_missing_values_as_null_and_floats_in_the_digits_that_tell_them_apart(tmp_path: Path) -> None:
    by = route(scorer(1, seed=4))
    rows = make_rows(
        read_request(json.dumps({"inputs": [tensor("x", [0.1]), tensor("y", [None]), tensor("z", [1e-7])]}).encode()),
        "r",
        by,
        features(tmp_path),
        NOW,
    )
    probabilities: NDArray[np.float64] = np.array([0.25])
    record = log_record(Answer(rows, np.array([1]), probabilities, {1: probabilities}, {}, {}), by, "r")
    assert record.inputs["y"] == [None]
    assert [np.float32(record.inputs[n][0]) for n in ("x", "z")] == [np.float32(0.1), np.float32(1e-7)]  # type: ignore[arg-type]
    assert (record.keys, record.event_times) == (["r/0"], [NOW])


def test_a_version_that_is_asked_for_answers_alone_and_no_test_counts_it() -> None:
    by = route(scorer(1), scorer(2), "canary", 0.5)
    for number in (1, 2):
        pinned = by.pinned(str(number))
        assert pinned is not None
        assert pinned.champion.version.version == number
        assert (pinned.revision, pinned.mode, pinned.challenger) == (0, "champion", None)
    assert by.pinned("3") is None
    shared = variants(scorer(1), Arm(2, 0.5, scorer(2)), Arm(3, 0.5, None))
    pinned = shared.pinned("2")
    assert pinned is not None
    assert (pinned.champion.version.version, pinned.mode, pinned.arms) == (2, "champion", ())
    assert shared.pinned("3") is None
