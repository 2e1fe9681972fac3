"""What people say about models on the command line, to a registry of its own."""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from command import Command

from pelton.contracts.canonical import sha256
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance

MODEL = "loans of 2026"


@pytest.fixture
async def registry(
    kafka_private: KafkaInstance, postgres_private: PostgresInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    """A registry with a model of two versions that another program logged, and Ann's token in the environment."""
    with ServiceInstance("registry", tmp_path, kafka_private, postgres_private) as service:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PELTON_TOKEN", service.token())
        async with service.client(user="bob") as client:
            files = "/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/model"
            (await client.put(f"{files}/weights.txt", content=b"0.5")).raise_for_status()
            mlflow = "/api/2.0/mlflow"
            (await client.post(f"{mlflow}/registered-models/create", json={"name": MODEL})).raise_for_status()
            version = {"name": MODEL, "source": "mlflow-artifacts:/1/abc/artifacts/model"}
            for _ in range(2):
                (await client.post(f"{mlflow}/model-versions/create", json=version)).raise_for_status()
            yield client


async def test_a_model_is_governed_from_the_command_line(
    registry: httpx.AsyncClient, pelton: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    # the fixture of the command line has a home and ports of its own: these are the registry's
    monkeypatch.setenv("PELTON_PORT_BASE", str(registry.base_url.port - 1 if registry.base_url.port else 0))
    monkeypatch.setenv("PELTON_HOME", str(tmp_path))

    def run(*arguments: str) -> str:
        answer = pelton("model", *arguments)
        assert answer.code == 0, answer.err
        return answer.out

    def asked(*arguments: str) -> Any:  # noqa: ANN401
        return json.loads(run(*arguments, "--json"))

    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps({"gates": {"ceilings": {"brier": 0.2}}, "approvals": {"count": 1}}))
    measured = tmp_path / "measured.json"
    measured.write_text(json.dumps({"metrics": {"brier": 0.1}}))
    why = ("--reason", "for the test")

    assert "holds from now on" in run("policy", "set", MODEL, "production", str(rules), *why)
    assert asked("policy", "show", MODEL)[0]["policy"]["approvals"]["role"] == "approver"
    assert "is in staging" in run("promote", MODEL, "1", "--to", "staging", *why)
    refused = pelton("model", "promote", MODEL, "1", *why)
    assert "brier is neither a metric of the version's run" in refused.error
    run("evidence", MODEL, "1", str(measured))
    assert "waits for an approval" in run("promote", MODEL, "1", *why)
    run("comment", MODEL, "1", "why today?")
    (request,) = asked("approvals")
    assert (request["requested_by"], request["comments"][0]["text"]) == ("ann", "why today?")
    assert "ann: why today?" in run("approvals")
    assert "somebody else with the role must approve it" in pelton("model", "approve", MODEL, "1", *why).error
    body = {"artifact": request["artifact"], "reason": "fine"}
    (await registry.post(f"/v1/models/{MODEL}/versions/1/approve", json=body)).raise_for_status()

    run("promote", MODEL, "2", "--to", "staging", *why)
    assert [
        one["name"] for one in asked("variants", "set", MODEL, "a=1:0.9", "b=2:0.1", "--key", "id", *why)["variants"]
    ]
    assert (
        "no variant; write name=version:weight"
        in pelton("model", "variants", "set", MODEL, "a=1", "--key", "id", *why).error
    )
    assert "salt 1" in run("variants", "show", MODEL)
    assert asked("variants", "end", MODEL, *why) == {"variants": None}
    assert asked("alias", "set", MODEL, "next", "2")["aliases"] == {"champion": 1, "next": 2}
    assert asked("alias", "remove", MODEL, "next")["aliases"] == {"champion": 1}
    late = asked("deprecate", MODEL, "--version", "1", "--sunset", "2126-01-01", "--successor", "2", *why)
    assert late["deprecation"]["sunset"].startswith("2126-01-01")
    run("deprecate", MODEL, "--version", "1", "--undo", *why)
    assert asked("usage", MODEL) == []
    assert asked("policy", "remove", MODEL, "production", *why) == {"policy": None}
    told = [one["what"] for one in asked("history", MODEL, "--version", "1")]
    assert told[:4] == ["deprecated no more", "deprecated until 2126-01-01", "champion", "staging → production"]
    assert "champion" in run("history", MODEL)


async def test_an_administrator_allows_a_content_by_its_digest(
    registry: httpx.AsyncClient, pelton: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PELTON_PORT_BASE", str(registry.base_url.port - 1 if registry.base_url.port else 0))
    monkeypatch.setenv("PELTON_HOME", str(tmp_path))
    digest, why = sha256(b"a pickle"), ("--reason", "read it")

    def listed() -> list[tuple[str, str]]:
        return [(one["digest"], one["reason"]) for one in json.loads(pelton("artifact", "allowed", "--json").out)]

    assert "passes from here on" in pelton("artifact", "allow", digest, *why).out
    assert listed() == [(digest, "read it")]
    assert f"{digest}  by ann" in pelton("artifact", "allowed").out
    assert json.loads(pelton("artifact", "revoke", digest, *why, "--json").out) == {"digest": digest, "allowed": False}
    assert listed() == []
    assert "was not allowed" in pelton("artifact", "revoke", digest, *why).error
