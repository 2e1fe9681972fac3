"""The whole loop on real processes and real flights: every service is killed once on the way, and it ends right."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from collector import Collector

from pelton.cli.supervisor.part import SERVICES
from pelton.cli.supervisor.state import PlatformState
from pelton.local import ports
from pelton.testkit import at_work

RUN_SECONDS = 600
MODEL = "flight-delay"


class Assassin(threading.Thread):
    """Kills each service once, with SIGKILL, as soon as a model serves and the one killed before is ready again."""

    def __init__(self, home: Path, port_base: int) -> None:
        super().__init__(daemon=True)
        self._home = home
        self._port_base = port_base
        self.killed: list[str] = []
        self.done = threading.Event()

    def run(self) -> None:
        self._wait(self._model_serves)
        for name in SERVICES:
            self._wait(lambda: (state := self._state()) is not None and state.ready)
            state = self._state()
            assert state is not None
            pid = next(part.pid for part in state.parts if part.name == name)
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            self.killed.append(name)
            self._wait(lambda name=name, pid=pid: self._is_back(name, pid))

    def _wait(self, condition: Callable[[], bool]) -> None:
        while not condition() and not self.done.wait(0.1):
            pass

    def _state(self) -> PlatformState | None:
        try:
            return PlatformState.read(self._home / "demo" / "run" / "state.json")
        except (OSError, ValueError):
            return None

    def _is_back(self, name: str, old_pid: int) -> bool:
        state = self._state()
        part = next((part for part in state.parts if part.name == name), None) if state else None
        return part is not None and part.phase == "ready" and part.pid != old_pid

    def _model_serves(self) -> bool:
        try:
            token = (self._home / "demo" / "secrets" / "cli.token").read_text()
            url = f"http://127.0.0.1:{self._port_base + 6}/v2/models/{MODEL}/ready"
            answer = httpx.get(url, headers={"authorization": f"Bearer {token}"}, trust_env=False)
        except (OSError, httpx.HTTPError):
            return False
        return answer.status_code == httpx.codes.OK


def exporting(collector: Collector) -> dict[str, str]:
    """Export at once: what a killed process had not exported yet is lost."""
    return {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint, "OTEL_BSP_SCHEDULE_DELAY": "100"}


@dataclass(frozen=True)
class Run:
    """The facts of one run to the end of June, who was killed in it, and the traces that the services exported."""

    facts: dict[str, Any]
    killed: list[str]
    home: Path
    traces: Collector


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    home, port_base = tmp_path_factory.mktemp("home"), ports.free_block(40)
    temporary = home / "tmp"
    temporary.mkdir()
    environment = {
        **os.environ,
        "PELTON_HOME": str(home),
        "PELTON_PORT_BASE": str(port_base),
        # A training is told no more of the platform than where its own folder is.
        "TMPDIR": str(temporary),
    }
    assassin = Assassin(home, port_base)
    assassin.start()
    began = time.monotonic()
    with Collector() as collector:
        done = subprocess.run(
            [sys.executable, "-m", "pelton.cli", "demo", "flights", "--json", "--until", "2013-06-30"],
            env={**environment, **exporting(collector)},
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )
        assassin.done.set()
        assert done.stdout.strip(), f"after {time.monotonic() - began:.0f} s:\n{done.stderr[-4000:]}"
        yield Run(json.loads(done.stdout), assassin.killed, home, collector)


@pytest.mark.timeout(RUN_SECONDS + 60)
def test_every_service_was_killed_and_the_loop_still_closed(run: Run) -> None:
    facts = run.facts
    assert run.killed == list(SERVICES)
    # Half a year is too short for a challenger that loses; everything else must have happened.
    assert set(facts["failures"]) <= {"no challenger lost"}
    assert facts["counts"]["drifts"] >= 1
    assert facts["counts"]["promotions"] >= 2
    assert facts["counts"]["trainings_failed"] == 0


def test_no_request_failed_and_the_log_has_every_prediction(run: Run) -> None:
    facts = run.facts
    assert facts["failed_requests"] == 0
    assert facts["logged_rows"] >= facts["predictions"] - facts["may_be_unlogged"]


def test_the_auditor_finds_the_log_whole_and_replays_a_drift(run: Run) -> None:
    facts = run.facts
    assert {name: one["exit_code"] for name, one in facts["audit"].items()} == {"verify": 0, "why": 0, "replay": 0}


def test_a_trace_leads_from_an_upstream_event_to_the_prediction_and_on_to_the_promotion(run: Run) -> None:
    of_promotions = [trace for trace, names in run.traces.names.items() if "trainer.champion_promoted" in names]
    assert any(
        {"feature.ingest", f"POST /v2/models/{MODEL}/infer", "trainer.data_drift", "registry.successes"}
        <= run.traces.names[trace]
        for trace in of_promotions
    ), "\n".join(str(sorted(run.traces.names[trace])) for trace in of_promotions)
    everybody = set().union(*(run.traces.services[trace] for trace in of_promotions))
    assert everybody >= {"feature", "inference", "monitor", "trainer", "registry", "deployer"}


def test_nothing_is_left_running(run: Run) -> None:
    assert at_work(run.home) == []
