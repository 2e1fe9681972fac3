"""A team's files with the plain `mlflow` client: in one piece each, and in parts."""

import json
import subprocess
from pathlib import Path

import pytest
from tracking_servers import Server

from pelton.testkit.peers import Peer

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(300)]

IN_PARTS = {
    "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD": "true",
    "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": "6000000",
    "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": "5242880",
    "MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "true",
}


@pytest.mark.parametrize("settings", [{}, IN_PARTS], ids=["whole", "in parts"])
def test_files_of_any_name_and_size_come_back_as_they_were_sent(
    peer: Peer, pelton: Server, tmp_path: Path, settings: dict[str, str]
) -> None:
    told = tmp_path / "answers.json"
    environment = peer.env | dict(pelton.client) | settings | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    script = Path(__file__).with_name("artifacts_round.py")
    subprocess.run([peer.python, script, tmp_path, told], cwd=tmp_path, env=environment, timeout=200, check=True)
    answers = json.loads(told.read_text())
    assert answers["same"] == dict.fromkeys(answers["same"], True)
    assert len(answers["same"]) == 6
    assert answers["large"]
    assert answers["root"] == {"data": True, "large.bin": False, "notes": True}
    assert answers["notes"] == ["notes/kept.txt"]
    assert answers["missing"]
