"""The demo as a newcomer runs it: the whole year, and every part of the loop in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pelton.local import ports

RUN_SECONDS = 900


@pytest.mark.slow
@pytest.mark.timeout(RUN_SECONDS + 60)
def test_the_whole_year_drifts_retrains_promotes_and_refuses_a_challenger(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pelton.cli", "demo", "flights", "--json"],
        env={**os.environ, "PELTON_HOME": str(tmp_path), "PELTON_PORT_BASE": str(ports.free_block(40))},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    facts = json.loads(done.stdout)
    assert facts["failures"] == []
    assert facts["counts"]["drifts"] >= 1
    assert facts["counts"]["promotions"] >= 2
    assert facts["counts"]["challengers_that_lost"] >= 1
    assert facts["failed_requests"] == 0
    assert facts["with_pelton"]["brier"] < facts["never_retrained"]["brier"]
    assert {name: one["exit_code"] for name, one in facts["audit"].items()} == {"verify": 0, "why": 0, "replay": 0}
