"""The servers that MLflow's client is measured against, and the processes that the client runs in."""

import asyncio
import json
import queue
import sys
import uuid
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import httpx
from _servers import Started, start_parts
from tracking_servers import mlflow_server

from pelton import local
from pelton.eventkit.settings import PORT_OFFSETS
from pelton.local import ports
from pelton.local.ports import HOST
from pelton.testkit.peers import Peer, Program

HERE = Path(__file__).parent
WORKERS = 2
RUNS = 10_000
SEED_CONNECTIONS = 4
SEARCHED = "searched"


@dataclass(frozen=True)
class Side:
    """One server: what a client of it has in its environment, and the experiment that holds the runs to search."""

    name: str
    client: Mapping[str, str]
    searched: str


def runs() -> Iterable[dict[str, Any]]:
    """The runs that are searched, the same on every side but for their identifiers."""
    for number in range(RUNS):
        yield {
            "id": uuid.uuid4().hex,
            "name": f"run {number}",
            "metrics": {"loss": number * 7919 % RUNS / RUNS, "accuracy": number / RUNS},
            "params": {"layers": str(number % 10), "kind": str(number % 3)},
            "tags": {"parity": ("even", "odd")[number % 2]},
        }


async def pelton(folder: Path, stack: AsyncExitStack) -> tuple[Side, Started]:
    """The registry, a broker and a database as `pelton up` runs them; the runs come over its own interface."""
    started = start_parts(folder, ("kafka", "postgres", "registry"), stack)
    port = started.layout.port_base + PORT_OFFSETS["registry"]
    experiment = _post(HTTPConnection(HOST, port), started.token, "experiments/create", {"name": SEARCHED})
    waiting = queue.SimpleQueue[dict[str, Any]]()
    for run in runs():
        waiting.put(run)
    log = partial(_log, waiting, port, started.token, experiment["experiment_id"])
    await asyncio.gather(*(asyncio.to_thread(log) for _ in range(SEED_CONNECTIONS)))
    client = {"MLFLOW_TRACKING_URI": f"http://{HOST}:{port}", "MLFLOW_TRACKING_TOKEN": started.token}
    return Side("Pelton", client, experiment["experiment_id"]), started


def _log(waiting: "queue.SimpleQueue[dict[str, Any]]", port: int, token: str, experiment: str) -> None:
    """Log runs until none waits; the standard library's client costs a fifth of what httpx does."""
    connection = HTTPConnection(HOST, port)
    with suppress(queue.Empty):
        while run := waiting.get_nowait():
            told = {"experiment_id": experiment, "run_name": run["name"], "start_time": 1, "tags": _pairs(run["tags"])}
            run_id = _post(connection, token, "runs/create", told)["run"]["info"]["run_id"]
            metrics = [{**one, "timestamp": 1, "step": 0} for one in _pairs(run["metrics"])]
            batch = {"run_id": run_id, "metrics": metrics, "params": _pairs(run["params"])}
            _post(connection, token, "runs/log-batch", batch)
    connection.close()


def _post(connection: HTTPConnection, token: str, path: str, body: object) -> dict[str, Any]:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    connection.request("POST", f"/api/2.0/mlflow/{path}", json.dumps(body), headers)
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != HTTPStatus.OK:
        raise RuntimeError(f"{path} was answered {answer.status}: {told!r}")
    found: dict[str, Any] = json.loads(told)
    return found


async def mlflow(name: str, peer: Peer, folder: Path, database: str, stack: AsyncExitStack) -> Side:
    """MLflow's server with 2 workers; the runs are written to its database, for it would take a quarter of an hour."""
    folder.mkdir()
    server = stack.enter_context(mlflow_server(peer, folder, database, WORKERS))
    url = server.client["MLFLOW_TRACKING_URI"]
    async with httpx.AsyncClient(trust_env=False, timeout=60) as http:
        answer = await http.post(f"{url}/api/2.0/mlflow/experiments/create", json={"name": SEARCHED})
        experiment = answer.raise_for_status().json()["experiment_id"]
    seed = await asyncio.create_subprocess_exec(
        peer.python, HERE / "_mlflow_seed.py", server.database, experiment, env=peer.env, stdin=PIPE
    )
    await seed.communicate("\n".join(map(json.dumps, runs())).encode())
    if seed.returncode:
        sys.exit(f"the runs could not be written to {server.database}")
    return Side(name, server.client, experiment)


def replay(of: Side, folder: Path, stack: AsyncExitStack) -> Side:
    """A server that answers what that one did, and does nothing for it."""
    port = ports.free_block(1)
    url = f"http://127.0.0.1:{port}"
    argv = [sys.executable, HERE / "_replay.py", str(port), of.client["MLFLOW_TRACKING_URI"]]
    program = Program("replay", [port], argv, {}, [f"{url}/health"])
    running = local.start(program, folder / "replay.log")
    stack.callback(running.stop)
    return Side("no server", {**of.client, "MLFLOW_TRACKING_URI": url}, of.searched)


@dataclass(frozen=True)
class Clients:
    """Processes that each have MLflow's client, on one side."""

    processes: Sequence[Process]

    async def prepare(self, side: Side) -> None:
        """Let each have a run of its own."""
        for process in self.processes:
            await _ask(process, {"prepare": "measured", "searched": side.searched})

    async def rate(self, case: str, together: int, seconds: float) -> float:
        """How often a second so many of them at once do a case."""
        asked = {"case": case, "seconds": seconds}
        told = await asyncio.gather(*(_ask(process, asked) for process in self.processes[:together]))
        return sum(one["done"] / one["seconds"] for one in told)

    async def time(self, case: str, times: int = 1) -> float:
        """The seconds that one of them needs to do a case so many times."""
        told = await _ask(self.processes[0], {"case": case, "times": times})
        return float(told["seconds"])


@asynccontextmanager
async def clients(peer: Peer, side: Side, count: int) -> AsyncIterator[Clients]:
    """So many clients of a side, prepared."""
    environment = peer.env | dict(side.client) | {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_LOGGING_LEVEL": "ERROR"}
    processes = [
        await asyncio.create_subprocess_exec(
            peer.python, HERE / "_mlflow_client.py", env=environment, stdin=PIPE, stdout=PIPE
        )
        for _ in range(count)
    ]
    try:
        found = Clients(processes)
        await found.prepare(side)
        yield found
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def _ask(process: Process, words: Mapping[str, object]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(json.dumps(words).encode() + b"\n")
    line = await process.stdout.readline()
    if not line:
        sys.exit(f"a client ended while it should do {dict(words)}")
    told: dict[str, Any] = json.loads(line)
    return told


def _pairs(values: Mapping[str, object]) -> list[dict[str, object]]:
    return [{"key": key, "value": value} for key, value in values.items()]
