"""`pelton features list | search | show | deprecate | keep | remove`, on a feature service of its own."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from command import Command

from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance

SCHEMA = {
    "type": "object",
    "required": ["flight", "at"],
    "properties": {
        "flight": {"type": "string"},
        "at": {"type": "string"},
        "carrier": {"type": "string"},
        "delay": {"type": "number", "description": "minutes late at the gate"},
    },
}
DELAY = {"name": "delay", "function": "mean", "value": "delay", "windows": ["1d"]}
DECLARED: list[tuple[str, dict[str, Any]]] = [
    ("entities", {"name": "carrier", "keys": ["carrier"]}),
    ("sources", {"name": "landings", "json_schema": SCHEMA, "event_time": "at", "key": "flight"}),
    (
        "feature-views",
        {
            "name": "by_carrier",
            "source": "landings",
            "entity": "carrier",
            "aggregates": [DELAY],
            "description": "How late a carrier is.",
            "owner": "ops",
            "tags": {"area": "air"},
        },
    ),
    ("feature-views", {"name": "late_by_carrier", "source": "landings", "entity": "carrier", "aggregates": [DELAY]}),
    (
        "transformations",
        {
            "name": "surprise",
            "inputs": {"usual": "by_carrier:delay_1d"},
            "request": ["delay"],
            "features": {"excess": "delay - usual"},
        },
    ),
    ("feature-services", {"name": "carrier", "features": ["surprise:excess"]}),
]


@pytest.fixture
async def feature(
    kafka_private: KafkaInstance,
    postgres_private: PostgresInstance,
    home: Path,
    port_base: int,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    with ServiceInstance("feature", home, kafka_private, postgres_private, port_base=port_base) as service:
        monkeypatch.setenv("PELTON_TOKEN", service.token())
        async with service.client() as client:
            for place, definition in DECLARED:
                (await client.post(f"/v1/{place}", json=definition)).raise_for_status()
            yield client


@pytest.mark.usefixtures("feature")
def test_the_catalogue_is_listed_searched_and_shown_and_a_view_is_left(pelton: Command) -> None:
    listed = pelton("features", "list")
    assert listed.code == 0, listed.err
    assert [line.split()[2] for line in listed.out.splitlines()[1:3]] == ["by_carrier", "late_by_carrier"]
    assert [one["name"] for one in json.loads(pelton("features", "list", "--json").out)] == [
        "by_carrier",
        "late_by_carrier",
        "surprise",
    ]
    found = json.loads(pelton("features", "search", "late", "carrier", "--tag", "area=air", "--json").out)
    assert [one["name"] for one in found] == ["by_carrier"]
    assert "landings" in pelton("features", "search", "gate").out
    assert pelton("features", "search", "nothing", "like", "it").out == "Nothing yet.\n"

    shown = pelton("features", "show", "by_carrier").out
    for words in (
        "ask          ops",
        "area=air",
        "made of      source landings, entity carrier",
        "read by      transformation surprise",
        "used by      no model",
        "changed      ",
    ):
        assert words in shown
    assert "nothing in the catalogue has the name 'nobody'" in pelton("features", "show", "nobody").error
    assert "'carrier' is the name of a" in pelton("features", "show", "carrier").error
    assert "feature service carrier" in pelton("features", "show", "carrier", "--kind", "feature service").out
    assert json.loads(pelton("features", "show", "surprise", "--json").out)["ask"] == "ann"

    left = pelton(
        "features", "deprecate", "by_carrier", "--reason", "too coarse", "--sunset", "2030-01-01",
        "--successor", "late_by_carrier",
    )  # fmt: skip
    assert left.out == "by_carrier is deprecated. It is used by: no model.\n"
    assert "too coarse, to be left by 2030-01-01 00:00:00, for late_by_carrier" in pelton(
        "features", "show", "by_carrier"
    ).out  # fmt: skip
    assert "transformation surprise uses it" in pelton("features", "remove", "by_carrier", "--reason", "gone").error
    assert pelton("features", "keep", "by_carrier", "--reason", "needed").code == 0
    assert "too coarse" not in pelton("features", "show", "by_carrier").out
    assert pelton("features", "remove", "late_by_carrier", "--reason", "gone").out == "late_by_carrier is removed.\n"
    assert "late_by_carrier" not in pelton("features", "list").out
