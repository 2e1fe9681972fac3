"""A script of a user with Feast's own client, whose online store is Pelton's feature service or Feast's server."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from feature_servers import Server, remote_repository

from pelton.testkit.peers import Peer

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]
SECONDS = 240


def answers(peer: Peer, repository: Path, server: Server, folder: Path) -> dict[str, Any]:
    """What the script got from a server, by step."""
    told = folder / "answers.json"
    home, own = remote_repository(repository, server, folder)
    command = [peer.python, Path(__file__).with_name("feast_client.py"), told]
    subprocess.run(command, cwd=home, env=peer.env | dict(own), timeout=SECONDS, check=True)
    found: dict[str, Any] = json.loads(told.read_text())
    return found


@pytest.fixture(scope="module")
def ours(peer: Peer, repository: Path, pelton: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answers(peer, repository, pelton, tmp_path_factory.mktemp("ours"))


@pytest.fixture(scope="module")
def theirs(peer: Peer, repository: Path, feast: Server, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answers(peer, repository, feast, tmp_path_factory.mktemp("theirs"))


def test_what_the_client_writes_and_pushes_it_reads(ours: dict[str, Any]) -> None:
    assert ours["write"] == "done"
    assert ours["one"] == {"driver_id": [11], "rate": [0.75], "trips": [7], "city": ["Ulm"]}
    assert ours["pushed"] == {"driver_id": [13], "rate": [0.75], "active": [True]}
    assert ours["missing"] == {"driver_id": [404], "rate": [None]}
    assert ours["two keys"] == {"driver_id": [11], "shop_id": ["a"], "visits": [4], "score": [2.5]}


@pytest.mark.parametrize("step", ["one", "pushed", "missing", "two keys", "full names", "service", "frame"])
def test_the_client_gets_the_same_as_from_feasts_server(
    ours: dict[str, Any], theirs: dict[str, Any], step: str
) -> None:
    assert ours[step] == theirs[step]


@pytest.mark.parametrize(
    ("step", "error"), [("unknown view", "FeatureViewNotFoundException"), ("unknown feature", "RetryError")]
)
def test_the_client_raises_the_same_as_with_feasts_server(
    ours: dict[str, Any], theirs: dict[str, Any], step: str, error: str
) -> None:
    assert (ours[step]["raised"], theirs[step]["raised"]) == (error, error)


def test_without_a_token_the_client_says_what_is_missing(
    peer: Peer, repository: Path, pelton: Server, tmp_path: Path
) -> None:
    told = answers(peer, repository, Server(pelton.url, ""), tmp_path)
    assert told["one"]["raised"] == "FeastPermissionError"
    assert "Authorization: Bearer" in told["one"]["said"]
