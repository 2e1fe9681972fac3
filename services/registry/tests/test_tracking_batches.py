"""What runs log: the rules of params and of latest metrics, what is refused, and that a batch is whole or nothing."""

import asyncio
from math import inf, isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_door import Door
from tracking_client import METRICS, RUNS, answered, invalid, log, new_run, pairs, read_run

from pelton.registry.tracking.batches import Point, latest

STEPS = st.integers(-3, 3) | st.sampled_from([-(2**63), 2**63 - 1])
VALUES = st.floats(-2, 2) | st.sampled_from([nan, inf, -inf])
POINTS = st.lists(st.builds(Point, st.sampled_from("ab"), VALUES, st.integers(0, 3), STEPS), max_size=12)


def age(point: Point) -> tuple[int, int, float]:
    """How late a point is, with NaN above all numbers."""
    return point.step, point.timestamp, 1e300 if isnan(point.value) else min(point.value, 1e299)


@given(POINTS)
def test_of_each_metric_no_point_is_later_than_the_latest(points: list[Point]) -> None:
    found = latest(points)
    assert set(found) == {point.key for point in points}
    for key, place in found.items():
        assert points[place].key == key
        assert age(points[place]) == max(age(point) for point in points if point.key == key)


ORDERS = [[(1, 5, 0.5), (3, 1, 0.1), (3, 2, 0.1), (3, 2, 0.7)], [(0, 0, "NaN"), (0, 0, 9.0), (0, 0, "Infinity")]]


@pytest.mark.parametrize(("points", "step", "value"), [(ORDERS[0], 3, 0.7), (ORDERS[1], 0, "NaN")])
@pytest.mark.parametrize("size", [1, 2, 4])
async def test_the_latest_point_is_the_same_however_the_points_came(
    door: Door, points: list[tuple[int, int, float | str]], step: int, value: float | str, size: int
) -> None:
    for order in (points, points[::-1]):
        run_id = await new_run(door)
        bodies = [{"key": "m", "step": one[0], "timestamp": one[1], "value": one[2]} for one in order]
        for start in range(0, len(bodies), size):
            answered(await log(door, run_id, metrics=bodies[start : start + size]))
        (metric,) = (await read_run(door, run_id))["data"]["metrics"]
        assert (metric["step"], metric["value"]) == (step, value)


@pytest.mark.parametrize(("value", "shown"), [("NaN", "NaN"), ("-Infinity", "-Infinity"), (0.1, 0.1), ("2.5", 2.5)])
async def test_a_metric_is_shown_as_the_number_that_it_is(door: Door, value: object, shown: object) -> None:
    run_id = await new_run(door)
    assert answered(await log(door, run_id, "metric", key="loss", value=value, timestamp="7")) == {}
    metrics = (await read_run(door, run_id))["data"]["metrics"]
    assert metrics == [{"key": "loss", "value": shown, "timestamp": 7, "step": 0}]


async def test_a_point_that_is_sent_twice_is_there_once(door: Door) -> None:
    run_id = await new_run(door)
    point = {"key": "m", "value": "NaN", "timestamp": 1, "step": 1}
    for _ in range(2):
        answered(await log(door, run_id, metrics=[point, point]))
    history = {"run_id": run_id, "metric_key": "m"}
    assert answered(await door.mlflow("GET", f"{METRICS}/get-history", params=history)) == {"metrics": [point]}


async def test_a_param_has_one_value_for_good(door: Door) -> None:
    run_id = await new_run(door)
    for _ in range(2):
        answered(await log(door, run_id, "parameter", key="lr", value="0.1"))
    message = invalid(await log(door, run_id, "parameter", key="lr", value="0.2"))
    assert message.startswith("Changing param values is not allowed. Param with key='lr' was already logged with")
    assert "value='0.1'" in message
    assert "'0.2'" in message
    assert pairs((await read_run(door, run_id))["data"]["params"]) == {"lr": "0.1"}


async def test_a_batch_with_one_param_that_changes_writes_nothing(door: Door) -> None:
    run_id = await new_run(door)
    answered(await log(door, run_id, "parameter", key="b", value="1"))
    batch = {
        "metrics": [{"key": "m", "value": 1, "timestamp": 1}],
        "params": [{"key": "a", "value": "1"}, {"key": "b", "value": "2"}],
        "tags": [{"key": "t", "value": "1"}],
    }
    assert "key='b'" in invalid(await log(door, run_id, **batch))
    data = (await read_run(door, run_id))["data"]
    assert (data["metrics"], pairs(data["params"])) == ([], {"b": "1"})
    assert "t" not in pairs(data["tags"])


async def test_of_two_that_log_a_param_at_once_one_is_refused(door: Door) -> None:
    run_id = await new_run(door)
    answers = await asyncio.gather(*(log(door, run_id, "parameter", key="p", value=str(one % 2)) for one in range(8)))
    kept = pairs((await read_run(door, run_id))["data"]["params"])["p"]
    assert [answer.status_code for answer in answers] == [200 if str(one % 2) == kept else 400 for one in range(8)]


async def test_clients_that_log_the_same_metrics_at_once_lose_no_point(door: Door) -> None:
    run_id = await new_run(door)
    keys = [f"m{number}" for number in range(20)]
    batches = [
        [{"key": key, "value": client, "timestamp": 1, "step": client} for key in keys[client:] + keys[:client]]
        for client in range(8)
    ]
    for answer in await asyncio.gather(*(log(door, run_id, metrics=batch) for batch in batches)):
        answered(answer)
    assert pairs((await read_run(door, run_id))["data"]["metrics"]) == dict.fromkeys(keys, 7)
    for key in keys:
        history = {"run_id": run_id, "metric_key": key}
        found = answered(await door.mlflow("GET", f"{METRICS}/get-history", params=history))["metrics"]
        assert [point["step"] for point in found] == list(range(8))


async def test_of_a_tag_that_comes_twice_the_last_counts(door: Door) -> None:
    run_id = await new_run(door)
    answered(await log(door, run_id, tags=[{"key": "t", "value": "1"}, {"key": "t", "value": ""}]))
    assert pairs((await read_run(door, run_id))["data"]["tags"])["t"] == ""


async def test_long_values_are_cut_as_mlflow_cuts_them(door: Door) -> None:
    run_id = await new_run(door)
    batch = {"params": [{"key": "p", "value": "p" * 7000}], "tags": [{"key": "t", "value": "t" * 9000}]}
    answered(await log(door, run_id, **batch))
    data = (await read_run(door, run_id))["data"]
    assert (len(pairs(data["params"])["p"]), len(pairs(data["tags"])["t"])) == (6000, 8000)


async def test_names_and_values_are_of_any_script(door: Door) -> None:
    run_id = await new_run(door, run_name="実行 🌀")
    batch = {"metrics": [{"key": "точность/val", "value": 1, "timestamp": 1}], "tags": [{"key": "名", "value": "🌀"}]}
    answered(await log(door, run_id, **batch))
    run = await read_run(door, run_id)
    assert run["info"]["run_name"] == "実行 🌀"
    assert [metric["key"] for metric in run["data"]["metrics"]] == ["точность/val"]
    assert pairs(run["data"]["tags"])["名"] == "🌀"


async def test_metrics_of_a_logged_model_are_kept_as_the_models(door: Door) -> None:
    run_id = await new_run(door)
    about = {"model_id": "m-1", "dataset_name": "d", "dataset_digest": "1"}
    point = {"value": 1.5, "timestamp": 1}
    answered(await log(door, run_id, metrics=[{"key": "a", **point, **about}, {"key": "b", **point}]))
    answered(await log(door, run_id, "metric", key="a", **point, model_id="m-1"))
    rows = await door.backend.pool.fetch("SELECT model_id, key, dataset_name FROM model_metrics ORDER BY dataset_name")
    assert [tuple(row) for row in rows] == [("m-1", "a", "d"), ("m-1", "a", None)]


METRIC = {"key": "m", "value": 1, "timestamp": 1, "step": 1}
WRONG_METRICS = [
    ({"key": None}, "Missing value for required parameter 'metrics[1].key'."),
    ({"key": ""}, "Missing value for required parameter 'metrics[1].key'."),
    ({"key": 31}, "Invalid value 31 for parameter 'metrics[1].key' supplied"),
    ({"key": "a@b"}, "Invalid value \"a@b\" for parameter 'metrics[1].name' supplied: Names may only contain"),
    ({"key": "../a"}, "Invalid value \"../a\" for parameter 'metrics[1].name' supplied: Names may be treated as files"),
    ({"key": "k" * 251}, "'metrics[1].name' exceeds the maximum length of 250 characters"),
    ({"value": None}, "Missing value for required parameter 'metrics[1].value'."),
    ({"value": "much"}, "Invalid value \"much\" for parameter 'metrics[1].value' supplied"),
    ({"value": True}, "Invalid value true for parameter 'metrics[1].value' supplied"),
    ({"timestamp": "foo"}, "Invalid value \"foo\" for parameter 'metrics[1].timestamp' supplied"),
    ({"timestamp": -1}, "Invalid value -1 for parameter 'metrics[1].timestamp' supplied"),
    ({"step": 1.5}, "Invalid value 1.5 for parameter 'metrics[1].step' supplied"),
    ({"step": 2**63}, f"Invalid value {2**63} for parameter 'metrics[1].step' supplied"),
]


@pytest.mark.parametrize(("wrong", "message"), WRONG_METRICS)
async def test_a_wrong_metric_is_named_by_its_place(door: Door, wrong: dict[str, object], message: str) -> None:
    run_id = await new_run(door)
    assert invalid(await log(door, run_id, metrics=[METRIC, METRIC | wrong])).startswith(message)
    assert (await read_run(door, run_id))["data"]["metrics"] == []


WRONG_BATCHES = [
    ({"metrics": "foo"}, "Invalid value \"foo\" for parameter 'metrics' supplied"),
    ({"params": [{"value": "1"}]}, "Missing value for required parameter 'params[0].key'."),
    ({"tags": [{"key": "t", "value": 4}]}, "Invalid value 4 for parameter 'tags[0].value' supplied"),
    ({"params": [{"key": "a"}, {"key": "a"}]}, "Duplicate parameter keys have been submitted: ['a']"),
    ({"metrics": [METRIC] * 1001}, "A batch logging request can contain at most 1000 metrics. Got 1001 metrics."),
    ({"params": [{"key": f"{n}"} for n in range(101)]}, "A batch logging request can contain at most 100 params."),
    ({"tags": [{"key": f"{n}"} for n in range(101)]}, "A batch logging request can contain at most 100 tags."),
    (
        {"metrics": [METRIC] * 950, "params": [{"key": f"{n}"} for n in range(51)]},
        "A batch logging request can contain at most 1000 metrics, params, and tags.",
    ),
    ({"tags": [{"key": "t", "value": "a\0b"}]}, "NUL characters cannot be stored"),
]


@pytest.mark.parametrize(("batch", "message"), WRONG_BATCHES)
async def test_a_wrong_batch_is_refused(door: Door, batch: dict[str, object], message: str) -> None:
    assert invalid(await log(door, await new_run(door), **batch)).startswith(message)


@pytest.mark.parametrize(
    "body",
    [
        b'{"run_id": "\\ud800"}',
        b'{"run_id": "\xff"}',
        b'{"run_id": "x", "metrics": [{"key": "m", "value": NaN, "timestamp": 1}]}',
        b"[" * 100_000,
        b"",
        b"[]",
        b"no JSON",
    ],
)
async def test_what_is_no_json_is_refused(door: Door, body: bytes) -> None:
    invalid(await door.mlflow("POST", f"{RUNS}/log-batch", content=body))


async def test_that_nul_is_spelt_in_a_text_is_no_matter(door: Door) -> None:
    run_id = await new_run(door)
    answered(await log(door, run_id, tags=[{"key": "t", "value": "\\u0000"}]))
    assert pairs((await read_run(door, run_id))["data"]["tags"])["t"] == "\\u0000"


async def test_a_run_is_known_by_the_name_that_its_identifier_had_before(door: Door) -> None:
    run_id = await new_run(door)
    body = {"run_uuid": run_id, "key": "k", "value": "v"}
    answered(await door.mlflow("POST", f"{RUNS}/set-tag", json=body))
    assert pairs((await read_run(door, run_id))["data"]["tags"])["k"] == "v"
    message = invalid(await door.mlflow("POST", f"{RUNS}/set-tag", json={"key": "k"}))
    assert message == "Missing value for required parameter 'run_id'."
