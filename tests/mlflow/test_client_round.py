"""A team's script with the plain `mlflow` client against the registry, with MLflow's own server as the oracle."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tracking_servers import Server

from pelton.testkit.peers import Peer

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]
SECONDS = 300

# Where Pelton answers otherwise than MLflow's server, and does so on purpose.
DIFFERENCES = {
    "explicit/metrics/much": "inf",  # MLflow stores the largest number there is instead
    "explicit/metrics/little": "-inf",
    # MLflow leaves out a size of nothing, which clients take for an unknown one.
    "artifacts/listed below": [["tree/deep", True, None], ["tree/empty", False, 0]],
    "deleted/version of no model": "RESOURCE_DOES_NOT_EXIST",  # MLflow finds fault with the source first
}


def answers(peer: Peer, server: Server, folder: Path) -> dict[str, Any]:
    """What the round got from a server, by step."""
    told = folder / "answers.json"
    command = [peer.python, Path(__file__).with_name("client_round.py"), told]
    # What the client sends home is neither the server's nor ours.
    environment = peer.env | dict(server.client) | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    subprocess.run(command, cwd=folder, env=environment, timeout=SECONDS, check=True)
    found: dict[str, Any] = json.loads(told.read_text())
    return found


@pytest.fixture(scope="module")
def ours(peer: Peer, pelton: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answers(peer, pelton, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(peer: Peer, mlflow: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answers(peer, mlflow, tmp_path_factory.mktemp("theirs"))


def leaves(answer: Any, path: str = "") -> Iterator[tuple[str, Any]]:  # noqa: ANN401 - JSON
    """Every value that is no object, by its path."""
    if isinstance(answer, dict) and answer:
        for key, value in answer.items():
            yield from leaves(value, f"{path}/{key}" if path else key)
    else:
        yield path, answer


def test_every_step_of_the_round_is_done(ours: dict[str, Any]) -> None:
    raised = {step: answer["raised"] for step, answer in ours.items() if "raised" in answer}
    assert not raised


def test_what_autolog_logs_by_itself_arrives(ours: dict[str, Any]) -> None:
    seen = ours["autolog"]
    assert seen["metrics"]["training_accuracy_score"] == pytest.approx(0.97, abs=0.03)
    assert (seen["params"]["C"], seen["params"]["max_iter"]) == ("0.5", "300")
    assert len(seen["predictions"]) == 150


def test_a_model_that_is_loaded_in_any_way_predicts_what_it_did_before(ours: dict[str, Any]) -> None:
    expected = ours["aliases"]["predictions"]
    assert ours["aliases"]["right"]
    assert ours["stages"]["by stage"]
    assert ours["stages"]["by version"] == ours["logged"]["by its id"] == ours["logged"]["by its run"] == expected


def test_pelton_answers_as_mlflows_own_server_does(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    assert dict(leaves(ours)) == dict(leaves(theirs)) | DIFFERENCES
