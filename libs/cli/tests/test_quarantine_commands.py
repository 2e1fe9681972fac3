"""The quarantine on the command line, of a feature service of its own."""

import json
from pathlib import Path

import pytest
from command import Command

from pelton.contracts.definitions import Range, SourceDefinition
from pelton.sdk.client import Client

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
SCHEMA = {"type": "object", "required": ["at", "key"], "properties": {"at": TEXT, "key": TEXT, "x": NUMBER}}


def definition(most: float) -> dict[str, object]:
    rules = (Range(name="small", field="x", le=most),)
    source = SourceDefinition(name="readings", json_schema=SCHEMA, event_time="at", key="key", rules=rules)
    return source.model_dump(mode="json")


@pytest.fixture
def feature(features: Client) -> Client:
    """A client of a service with a source of which four records of five are set aside."""
    features.post("feature", "/v1/sources", definition(0.5))
    data = [{"at": "2013-01-01T00:00:00Z", "key": "k", "x": x} for x in range(5)]
    events = [{"id": f"e{one['x']}", "data": one} for one in data]
    features.send("feature", "POST", "/v1/events", json={"source": "readings", "events": events})
    return features


def test_records_are_listed_shown_replayed_and_discarded(feature: Client, pelton: Command, tmp_path: Path) -> None:
    def asked(*arguments: str) -> str:
        answer = pelton("quarantine", *arguments)
        assert answer.code == 0, answer.err
        return answer.out

    listed = json.loads(asked("list", "readings", "--json"))
    ids = {one["event_id"]: one["id"] for one in listed}
    assert sorted(ids) == ["e1", "e2", "e3", "e4"]
    assert "small" in asked("list", "readings", "--limit", "2")
    assert "4 is not <= 0.5" in asked("show", ids["e4"])

    feature.post("feature", "/v1/sources", definition(2))
    would = json.loads(asked("replay", "readings", "--rule", "small", "--dry-run", "--json"))
    assert (would["accepted"], would["rejected"]) == (2, 2)
    assert "2 taken in" in asked("replay", "readings")
    mended = tmp_path / "mended.json"
    mended.write_text('{"at": "2013-01-01T00:00:00Z", "key": "k", "x": 0}')
    assert "accepted" in asked("replay", ids["e3"], "--body", str(mended))
    assert pelton("quarantine", "replay", ids["e4"]).code == 1
    assert "waits no more" in asked("discard", ids["e4"], "--reason", "a broken sensor")
    assert "a broken sensor" in asked("show", ids["e4"])
    assert json.loads(asked("list", "readings", "--json")) == []
    assert pelton("quarantine", "replay", ids["e4"], "--rule", "small").code == 1
