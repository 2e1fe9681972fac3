"""Grants on feature views and sources on the command line, of a feature service of its own."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from command import Command

from pelton.contracts.definitions import SourceDefinition
from pelton.sdk.client import Client
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance

SCHEMA = {
    "type": "object",
    "required": ["at", "key"],
    "properties": {"at": {"type": "string"}, "key": {"type": "string"}},
}
PERSON = "Βέρα 李/雷 [x]"


@pytest.fixture
def asked(
    pelton: Command,
    kafka_private: KafkaInstance,
    postgres_private: PostgresInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Command]:
    """The command, as an administrator of a service with a source."""
    with ServiceInstance("feature", tmp_path, kafka_private, postgres_private) as service:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PELTON_TOKEN", service.token())
        with Client() as client:
            source = SourceDefinition(name="readings", json_schema=SCHEMA, event_time="at", key="key")
            client.post("feature", "/v1/sources", source.model_dump(mode="json"))
        yield pelton


def test_grants_are_given_listed_taken_away_and_all_opened_again(asked: Command) -> None:
    def run(*arguments: str) -> str:
        answer = asked("features", *arguments)
        assert answer.code == 0, answer.err
        return answer.out

    on = ("readings", "--source")
    assert f"{PERSON} may read and write readings." in run("grant", *on, "--person", PERSON, "--write", "--sensitive")
    run("grant", *on, "--team", "fraud")
    closed = json.loads(run("grants", "--json"))
    told = {one["grantee"]: (one["to"], one["actions"], one["sensitive"]) for one in closed[0]["grants"]}
    assert told == {"fraud": ("team", ["read"], False), PERSON: ("person", ["read", "write"], True)}
    assert "fraud" in run("grants")
    run("revoke", *on, "--person", PERSON, "--reason", "left")
    run("revoke", *on, "--team", "fraud", "--reason", "dissolved")
    assert "nobody" in run("grants")
    run("open", *on, "--reason", "public")
    assert json.loads(run("grants", "--json")) == []


def test_a_grant_names_a_team_or_a_person(asked: Command) -> None:
    for grantees in ((), ("--team", "a", "--person", "b")):
        answer = asked("features", "grant", "readings", "--source", *grantees)
        assert answer.code == 1
        assert "either a --team or a --person" in answer.err
