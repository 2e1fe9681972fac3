"""MLflow's own tests of its REST client, against the registry; `upstream.md` says how each should end, and why.

They are MLflow's, and not kept here: `MLFLOW_SOURCE` names a checkout of them (`make test-mlflow`).
"""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest
from tracking_servers import Server

from pelton.testkit.peers import Peer

TABLE = Path(__file__).parent / "upstream.md"
ROW = re.compile(r"\| `(?P<test>[^`]+)` \| (?P<outcome>.+) \|")
MODULES = ("tests/tracking/test_model_registry.py", "tests/tracking/test_rest_tracking.py")
# Stores in files and workspaces are matters of MLflow's own server.
SELECTED = "sqlalchemy and not workspace"
PASSES = "passes"
LEFT_OUT = "left out: "
SECONDS = 900


def listed() -> dict[str, str]:
    """How each test should end, by the table."""
    rows = [ROW.fullmatch(line) for line in TABLE.read_text().splitlines()]
    return {row["test"]: row["outcome"] for row in rows if row}


def outcomes(peer: Peer, server: Server, source: Path, folder: Path) -> dict[str, str]:
    """How each test ended: nothing, or what it failed of."""
    # Beside the tests, a checkout has the source of another version of MLflow, which would be imported.
    (folder / "tests").symlink_to(source.resolve() / "tests")
    netrc = folder / "netrc"
    netrc.write_text(f"machine 127.0.0.1 login upstream password {server.client['MLFLOW_TRACKING_TOKEN']}\n")
    environment = peer.env | {
        "NETRC": str(netrc),  # the tests also send requests of their own, which know no token
        "PYTHONPATH": str(Path(__file__).parent),
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "UPSTREAM_URL": server.client["MLFLOW_TRACKING_URI"],
        "UPSTREAM_DATABASE": server.database,
        "UPSTREAM_OUTCOMES": str(folder / "outcomes.json"),
    }
    command = [
        peer.python,
        "-m",
        "pytest",
        "-p",
        "upstream",
        "--noconftest",
        "-p",
        "no:cacheprovider",
        "-q",
        "--tb=short",
    ]
    options = ["-o", "addopts=", "-o", "filterwarnings=", "--timeout=60", "-k", SELECTED]
    with (folder / "upstream.log").open("wb") as log:
        subprocess.run(
            [*command, *options, *MODULES], cwd=folder, env=environment, stdout=log, timeout=SECONDS, check=False
        )
    found: dict[str, str] = json.loads((folder / "outcomes.json").read_text())
    return found


@pytest.mark.peer
@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 60)
def test_mlflows_own_tests_end_as_the_table_says(peer: Peer, pelton: Server, tmp_path: Path) -> None:
    source = os.environ.get("MLFLOW_SOURCE")
    if not source:
        pytest.skip("MLFLOW_SOURCE names no checkout of MLflow, whose tests these are")
    found = outcomes(peer, pelton, Path(source), tmp_path)
    should = listed()
    assert found.keys() & should.keys(), f"none of the tests in {TABLE.name} is in {source}"
    fails = {name: why for name, why in found.items() if why and should.get(name) == PASSES}
    assert not fails, f"see {tmp_path}/upstream.log"
    better = [name for name, why in found.items() if not why and should.get(name, PASSES) != PASSES]
    assert not better, f"they pass: {TABLE.name} should say so"


def test_the_table_counts_right_and_gives_each_test_that_is_left_out_a_reason() -> None:
    ends = list(listed().values())
    passing = ends.count(PASSES)
    assert f"{passing} of {len(ends)} pass." in TABLE.read_text()
    assert sum(re.match(LEFT_OUT + r"\w", end) is not None for end in ends) == len(ends) - passing
