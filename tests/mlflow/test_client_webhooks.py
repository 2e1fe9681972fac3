"""A script with the plain `mlflow` client registers webhooks with the registry, unchanged."""

import json
import subprocess
from pathlib import Path

import pytest
from tracking_servers import Server

from pelton.testkit.peers import Peer

pytestmark = [pytest.mark.peer, pytest.mark.slow, pytest.mark.timeout(600)]
SECONDS = 120
# Public, and nobody listens there.
URL = "https://93.184.216.34:9/hook"


def test_a_webhook_is_made_read_listed_changed_tried_and_deleted(peer: Peer, pelton: Server, tmp_path: Path) -> None:
    command = [peer.python, Path(__file__).with_name("webhook_round.py"), URL]
    environment = peer.env | dict(pelton.client) | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, timeout=SECONDS, check=True, stdout=subprocess.PIPE)
    events = ["model_version.created", "model_version_alias.created"]
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "read": ["releases", URL, "of models", "ACTIVE", events],
        "listed": [True],
        "changed": ["DISABLED", ["registered_model.created"]],
        "tried": [False, True],
        "left": 0,
    }
