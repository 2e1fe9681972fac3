"""A service on the host, as those at its door and its operator see it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from counting import counted as counted_of
from counting import handled, write
from in_process import relaying
from starting import MakeOwner, MakeUnits, Program, Start

from pelton.eventkit.clock import utc_now
from pelton.eventkit.database import create_engine
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.eventkit.settings import PORT_OFFSETS, PlatformSettings
from pelton.local import ports
from pelton.testkit import KafkaInstance, PostgresInstance, eventually


@dataclass
class Hosted:
    """The service's process, and a client with a contributor's token."""

    program: Program
    client: httpx.AsyncClient
    settings: PlatformSettings
    owner: str
    gate: Path
    entered: Path

    async def answers(self) -> bool:
        assert self.program.process.poll() is None, self.program.output.read_text()
        try:
            return (await self.client.get("/readyz")).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
async def hosted(
    broker: KafkaInstance, postgres_outage: PostgresInstance, make_owner: MakeOwner, start: Start, tmp_path: Path
) -> AsyncIterator[Hosted]:
    owner = await make_owner()
    settings = PlatformSettings(
        home=tmp_path / "home",
        kafka=broker.bootstrap,
        postgres=postgres_outage.database().rpartition("/")[0],
        port_base=ports.free_block(len(PORT_OFFSETS)),
    )
    key = load_or_create_key(settings.key_file)
    token = mint(key, "ada", Role.CONTRIBUTOR, utc_now(), timedelta(hours=1))
    gate, entered = tmp_path / "gate", tmp_path / "entered"
    env = {
        f"PELTON_{name.upper()}": str(getattr(settings, name)) for name in ("home", "kafka", "postgres", "port_base")
    }
    env["PYTHONWARNINGS"] = "default::ResourceWarning"  # what is left open says so in the output
    program = start("service", env, owner=owner, gate=str(gate), entered=str(entered))
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=settings.url("trainer"), headers=headers) as client:
        service = Hosted(program, client, settings, owner, gate, entered)
        await eventually(service.answers, timeout=60)
        yield service


async def test_its_doors(hosted: Hosted) -> None:
    client = hosted.client
    alive = await client.get("/healthz")
    assert (alive.status_code, alive.json()) == (200, {"status": "alive", "service": "trainer"})
    assert (await client.get("/readyz")).json() == {"ready": True, "missing": []}
    echo = await client.post("/v1/echo", content=b'{"a": [1]}')
    assert echo.status_code == 200
    assert (echo.json()["body"], echo.json()["actor"]) == ({"a": [1]}, "ada")

    refusals = {
        401: await client.post("/v1/echo", content=b"{}", headers={"Authorization": "Bearer no-token"}),
        413: await client.post("/v1/echo", content=b'"' + b"x" * 1000 + b'"'),
        400: await client.post("/v1/echo", content=b'{"a": '),
    }
    for status, answer in refusals.items():
        assert (answer.status_code, answer.json()["status"]) == (status, status)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["detail"]
    async with httpx.AsyncClient(base_url=str(client.base_url)) as stranger:
        assert (await stranger.get("/v1/events")).status_code == 401
        assert (await stranger.get("/readyz")).status_code == 200

    metrics = (await client.get("/metrics")).text
    assert 'pelton_http_requests_total{route="/v1/echo",status="200"} 1.0' in metrics
    assert "pelton_relay_leading" in metrics


async def test_sigterm_finishes_the_handler_under_way(
    hosted: Hosted, make_units: MakeUnits, broker: KafkaInstance
) -> None:
    hosted.gate.touch()
    ours = await make_units(hosted.owner)
    async with relaying(broker.bootstrap, ours):
        await write(ours, counted_of(hosted.owner), [7])
        await eventually(hosted.entered.exists, timeout=30)
        engine = create_engine(hosted.settings.database("trainer"))
        assert await handled(engine) == []
        hosted.program.terminate()
        await eventually(lambda: hosted.program.says('"stopping"'), timeout=10)
        assert hosted.program.process.poll() is None
        hosted.gate.unlink()
        assert await hosted.program.end(timeout=20) == 0, hosted.program.output.read_text()
    assert [effect.amount for effect in await handled(engine)] == [7]
    await engine.dispose()
    said = hosted.program.output.read_text()
    assert '"stopped"' in said
    assert "Unclosed" not in said
    assert "Traceback" not in said


async def test_only_an_admin_replays_dead_letters(hosted: Hosted) -> None:
    admin = mint(load_or_create_key(hosted.settings.key_file), "root", Role.ADMIN, utc_now(), timedelta(hours=1))
    missing = "/v1/dead-letters/01890000-0000-7000-8000-000000000000/replay"
    assert (await hosted.client.post(missing)).status_code == 403
    answer = await hosted.client.post(missing, headers={"Authorization": f"Bearer {admin}"})
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:pelton:problem:unknown-dead-letter")
