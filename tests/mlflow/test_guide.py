"""The guide's script that copies all of one server to another, there and back again."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tracking_servers import Server, mlflow_server

from pelton.testkit.peers import Peer

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "mlflow.md"
CONTENT = Path(__file__).with_name("copied_content.py")
SCRIPT = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(peer: Peer, server: Server, *command: str | Path) -> str:
    environment = peer.env | dict(server.client) | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    told = subprocess.run([peer.python, *command], env=environment, stdout=subprocess.PIPE, check=True, timeout=200)
    return told.stdout.decode()


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_all_of_a_server_moves_to_pelton_and_away_again(
    peer: Peer, pelton: Server, mlflow: Server, tmp_path: Path
) -> None:
    (script,) = SCRIPT.findall(GUIDE.read_text())
    copy = tmp_path / "move.py"
    copy.write_text(script)

    def content(of: Server, *words: str) -> Any:  # noqa: ANN401 - JSON
        return json.loads(run(peer, of, CONTENT, *words).splitlines()[-1])

    before = content(mlflow, "make")
    run(peer, pelton, copy, mlflow.client["MLFLOW_TRACKING_URI"], pelton.client["MLFLOW_TRACKING_URI"])
    assert content(pelton) == before
    (tmp_path / "again").mkdir()
    with mlflow_server(peer, tmp_path / "again") as again:
        run(peer, pelton, copy, pelton.client["MLFLOW_TRACKING_URI"], again.client["MLFLOW_TRACKING_URI"])
        assert content(again) == before
