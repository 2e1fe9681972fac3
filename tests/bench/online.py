"""Online features in Feast's wire format, beside Feast's own server: the same rows, pushed and read in the same way."""

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvloop
from _load import CONNECTIONS, Measured, Target, measure
from _results import Row, save
from _servers import PEERS, cpu_seconds, start_parts

from pelton import local
from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, Latest, SourceDefinition
from pelton.eventkit.settings import PORT_OFFSETS
from pelton.local import ports
from pelton.testkit.peers import Peer, Program

ROUNDS = 3
FEATURES = 10
ENTITIES = 1000
EVENTS_EACH = 20
# How many different requests there are of each size.
BODIES = {1: 64, 100: 8}
NAMES = tuple(f"f{place}" for place in range(FEATURES))
WINDOWS = ("10m", "30m", "1h", "2h", "6h", "12h", "1d", "2d", "7d", "30d")

Rows = Mapping[str, list[Any]]


@dataclass(frozen=True)
class Side:
    """One server. `processes` are those whose processor time a request costs."""

    name: str
    port: int
    headers: Sequence[tuple[str, str]]
    processes: Sequence[int]

    def cpu(self) -> float:
        return cpu_seconds(self.processes)

    async def push(self, source: str, rows: Rows) -> None:
        """Put rows in, as Feast's clients do."""
        async with httpx.AsyncClient(trust_env=False, headers=list(self.headers), timeout=120) as client:
            body = {"push_source_name": source, "df": rows, "to": "online"}
            (await client.post(f"http://127.0.0.1:{self.port}/push", json=body)).raise_for_status()

    def target(self, features: Sequence[str], size: int, check: Callable[[int, bytes], None]) -> Target:
        return Target(self.port, "/get-online-features", self.headers, bodies(features, size), check)


def bodies(features: Sequence[str], size: int) -> list[bytes]:
    """Requests for so many entities each; between them they ask for many different ones."""
    chance = np.random.default_rng(size)
    return [
        json.dumps(
            {"features": features, "entities": {"entity_id": chance.choice(ENTITIES, size, replace=False).tolist()}}
        ).encode()
        for _ in range(BODIES[size])
    ]


def latest_rows(now: datetime) -> Rows:
    """One row an entity, of ten numbers."""
    values = np.random.default_rng(1).normal(size=(FEATURES, ENTITIES)).round(6)
    moment = (now - timedelta(minutes=1)).isoformat()
    columns = {name: values[place].tolist() for place, name in enumerate(NAMES)}
    return {"entity_id": list(range(ENTITIES)), "event_timestamp": [moment] * ENTITIES, **columns}


def windowed_rows(now: datetime, number: int) -> Rows:
    """One event an entity, at some moment of the last week."""
    chance = np.random.default_rng(number + 10)
    seconds = chance.integers(60, 7 * 86_400, ENTITIES)
    return {
        "entity_id": list(range(ENTITIES)),
        "event_timestamp": [(now - timedelta(seconds=int(ago))).isoformat() for ago in seconds],
        "amount": chance.normal(100, 20, ENTITIES).round(2).tolist(),
    }


def equals(rows: Rows, size: int) -> Callable[[int, bytes], None]:
    """Compare an answer with the rows that were pushed."""
    asked = [json.loads(body)["entities"]["entity_id"] for body in bodies((), size)]

    def check(number: int, body: bytes) -> None:
        answer = json.loads(body)
        found = dict(zip(answer["metadata"]["feature_names"], answer["results"], strict=True))
        for name in NAMES:
            expected = [rows[name][entity] for entity in asked[number]]
            if found[name]["values"] != expected:
                raise RuntimeError(f"{name} of request {number}: {found[name]['values']} is not {expected}")

    return check


def all_present(number: int, body: bytes) -> None:
    """Check that every window has a value; what it must be is the property test's matter."""
    for result in json.loads(body)["results"]:
        if None in result["values"]:
            raise RuntimeError(f"request {number}: a value is missing in {result}")


async def pelton(folder: Path, stack: AsyncExitStack) -> Side:
    """The feature service as `pelton up` runs it."""
    started = start_parts(folder, ("kafka", "postgres", "feature"), stack)
    port = started.layout.port_base + PORT_OFFSETS["feature"]
    side = Side("Pelton", port, [("authorization", f"Bearer {started.token}")], [started.running["feature"].pid])
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{port}", trust_env=False, headers=list(side.headers), timeout=120
    ) as client:
        for path, definition in definitions():
            (await client.post(path, json=definition.model_dump(mode="json"))).raise_for_status()
        now = datetime.now(UTC)
        await side.push("pushed", latest_rows(now))
        for number in range(EVENTS_EACH):
            await side.push("payments", windowed_rows(now, number))
        (await client.post("/materialize-incremental", json={"end_ts": now.isoformat()})).raise_for_status()
    return side


def definitions() -> list[tuple[str, SourceDefinition | FeatureViewDefinition]]:
    """Ten latest values, as Feast has them, and ten windows of one aggregate."""

    def source(name: str, *fields: str) -> SourceDefinition:
        time = {"type": "string", "format": "date-time"}
        properties = {"entity_id": {"type": "integer"}, "event_timestamp": time}
        properties |= {one: {"type": ["number", "null"]} for one in fields}
        schema = {"type": "object", "required": ["entity_id", "event_timestamp"], "properties": properties}
        return SourceDefinition(
            name=name, json_schema=schema, event_time="event_timestamp", key="entity_id", lateness="30d"
        )

    latest = tuple(Latest(name=name, value=name) for name in NAMES)
    windows = (Aggregate(name="spent", function="sum", value="amount", windows=WINDOWS),)
    return [
        ("/v1/sources", source("pushed", *NAMES)),
        ("/v1/sources", source("payments", "amount")),
        (
            "/v1/feature-views",
            FeatureViewDefinition(name="numbers", source="pushed", entity="entity_id", latest=latest, max_age="1d"),
        ),
        (
            "/v1/feature-views",
            FeatureViewDefinition(
                name="spending", source="payments", entity="entity_id", tile="10m", aggregates=windows
            ),
        ),
    ]


def feast(peer: Peer, folder: Path, stack: AsyncExitStack) -> Side:
    """Feast's server with its defaults: its SQLite store, one worker."""
    folder.mkdir()
    settings = {
        "project": "bench",
        "registry": "registry.db",
        "provider": "local",
        "online_store": {"type": "sqlite", "path": "online.db"},
        "offline_store": {"type": "dask"},
        "entity_key_serialization_version": 3,
    }
    (folder / "feature_store.yaml").write_text(json.dumps(settings))
    apply = [peer.python, Path(__file__).with_name("_feast_repo.py"), str(FEATURES)]
    subprocess.run(apply, cwd=folder, env=peer.env, check=True, stderr=subprocess.DEVNULL)
    port = ports.free_block(1)
    program = Program(
        name="feast",
        ports=(port,),
        argv=[peer.folder / "bin" / "feast", "-c", folder, "serve", "--port", str(port), "--max-requests", "0"],
        env={**peer.env, "FEAST_USAGE": "False"},
        ready_urls=[f"http://127.0.0.1:{port}/health"],
    )
    running = local.start(program, folder / "feast.log", timeout=120)
    stack.callback(running.stop)
    return Side("Feast", port, [], [running.pid])


def rows_of(case: str, ours: Sequence[Measured], theirs: Sequence[Measured]) -> list[Row]:
    """What is claimed of a case."""

    def of(value: Callable[[Measured], float]) -> tuple[list[float], str, list[float]]:
        return [value(one) for one in ours], "Feast" if theirs else "none", [value(one) for one in theirs]

    return [
        Row.rate(f"{case}, requests", *of(lambda one: one.rate)),
        Row.cost(f"{case}, p50", "ms", *of(lambda one: one.p50_ms)),
        Row.cost(f"{case}, p99", "ms", *of(lambda one: one.p99_ms)),
        Row.cost(f"{case}, processor time a request", "us", *of(lambda one: one.server_cores / one.rate * 1e6)),
    ]


async def main() -> None:
    """Both servers up at once, asked in turns."""
    peer = Peer(PEERS / "feast.txt")
    report: list[Row] = []
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pelton-bench-online-")))
        rows = latest_rows(datetime.now(UTC))
        ours, theirs = await pelton(folder / "pelton", stack), feast(peer, folder / "feast", stack)
        await theirs.push("pushed", rows)
        for size in BODIES:
            features = [f"numbers:{name}" for name in NAMES]
            runs: tuple[list[Measured], list[Measured]] = ([], [])
            for _ in range(ROUNDS):
                for side, measured in zip((ours, theirs), runs, strict=True):
                    measured.append(await measure(side.target(features, size, equals(rows, size)), side.cpu))
            case = f"{FEATURES} latest values of {size}, {CONNECTIONS} connections"
            report += rows_of(case, *runs)
            _say_who_was_busy(case, runs)
        for size in BODIES:
            target = ours.target([f"spending:spent_{window}" for window in WINDOWS], size, all_present)
            alone = [await measure(target, ours.cpu) for _ in range(ROUNDS)]
            report += rows_of(f"{FEATURES} windows of {size}, {CONNECTIONS} connections", alone, [])
    save("online", report, {"feast": peer.versions()["feast"]})


def _say_who_was_busy(case: str, runs: tuple[list[Measured], list[Measured]]) -> None:
    for name, measured in zip(("Pelton", "Feast"), runs, strict=True):
        server = max(one.server_cores for one in measured)
        generator = max(one.generator_cores for one in measured)
        print(f"{case}: {name} kept {server:.2f} of {os.cpu_count()} cores busy, the generator {generator:.2f}")


if __name__ == "__main__":
    uvloop.run(main())
