import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from registry_door import KEY, Door
from registry_facts import CODE, MODEL, artifact, define, trained
from sqlalchemy import text

from pelton.contracts.canonical import sha256
from pelton.contracts.values import Digest
from pelton.eventkit.asgi import Authentication
from pelton.eventkit.identity import Role, TokenVerifier, mint
from pelton.eventkit.problems import install_problem_handlers
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.provenance import InvalidSignatureError, SigningKey
from pelton.provenance.signatures import verify_files
from pelton.provenance.statements import verify_provenance
from pelton.registry import commands, projections
from pelton.registry.domain.catalogue import Draft
from pelton.registry.files import manifest
from pelton.registry.mlflow.artifacts import tree_of
from pelton.registry.signing import api
from pelton.registry.signing.signer import Signer
from pelton.testkit import eventually


@pytest.fixture
def objects(door: Door) -> Objects:
    return door.backend.objects


@pytest.fixture
def signer(units: Units, objects: Objects, tmp_path: Path) -> Signer:
    return Signer(units, objects, SigningKey.load_or_create(tmp_path / "secrets" / "signing.key"))


@pytest.fixture
async def client(door: Door, signer: Signer) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(api.router(door.units, signer.key.public, door.backend.access))
    token = mint(KEY, "ann", Role.VIEWER, datetime.now(UTC), timedelta(hours=1))
    transport = httpx.ASGITransport(Authentication(app, TokenVerifier(KEY)))
    headers = {"authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://registry", headers=headers) as client:
        yield client


async def train(door: Door, *numbers: int) -> None:
    assert (await door.declare(define(), CODE.digest)).is_success
    for number in numbers:
        await door.receive(trained(number))


async def log(door: Door, name: str, content: bytes, source: str = "mlflow-artifacts:/1/abc/artifacts/m") -> int:
    """A version that somebody's program logged."""

    async def pieces() -> AsyncIterator[bytes]:
        yield content

    await tree_of(door.backend).write("1/abc/artifacts/m/MLmodel", pieces(), "ann")
    async with door.units.begin(actor="ann") as unit:
        if not (await commands.load(unit, name)).exists:
            await commands.create_model(unit, name)
        kept = await manifest(unit.connection, door.backend.objects, source)
        return await commands.create_version(unit, name, Draft(source=source, artifact=kept))


async def signed(client: httpx.AsyncClient, objects: Objects, model: str, version: int) -> tuple[Digest, bytes, bytes]:
    answer = (await client.get(f"/v1/models/{model}/versions/{version}/signature")).raise_for_status().json()
    return answer["artifact"], await objects.get(answer["signature"]), await objects.get(answer["provenance"])


async def test_a_trained_version_is_signed_with_what_trained_it(
    door: Door, signer: Signer, client: httpx.AsyncClient, objects: Objects
) -> None:
    await train(door, 1)
    waiting = await client.get(f"/v1/models/{MODEL}/versions/1/signature")
    assert (waiting.status_code, "not-signed-yet" in waiting.json()["type"]) == (404, True)
    assert await signer.sign_some() == 0.0
    assert await signer.sign_some() is None

    keys = (signer.key.public,)
    digest, signature, statement = await signed(client, objects, MODEL, 1)
    assert digest == artifact(1)
    verify_files(signature, {"model.onnx": artifact(1)}, keys)
    with pytest.raises(InvalidSignatureError):
        verify_files(signature, {"model.onnx": artifact(2)}, keys)
    predicate = verify_provenance(statement, artifact(1), keys)
    training = trained(1)
    build = predicate["buildDefinition"]
    assert build["externalParameters"]["seed"] == training.seed
    assert build["externalParameters"]["parameters"]["leaves"] == 15
    assert {one["name"]: one["digest"]["sha256"] for one in build["resolvedDependencies"]} == {
        "code": training.code[7:],
        "dataset": training.dataset[7:],
        "definition": training.definition_digest[7:],
        "feature view route": training.views["route"][7:],
        "lock file": training.environment.lock_digest[7:],
    }
    assert predicate["runDetails"]["metadata"]["invocationId"] == training.training_id


async def test_that_a_version_was_signed_is_a_fact_that_follows_from_the_version(door: Door, signer: Signer) -> None:
    await train(door, 1)
    await signer.sign_some()
    facts = await door.facts()
    (made,) = (one for one in facts if one["type"] == "model_version_created")
    (fact,) = (one for one in facts if one["type"] == "model_version_signed")
    assert (fact["causation_id"], fact["correlation_id"]) == (made["id"], made["correlation_id"])
    assert (fact["data"]["artifact"], fact["data"]["key_id"]) == (artifact(1), signer.key.public.id)


async def test_versions_that_wait_together_are_signed_together_each_by_a_fact_of_its_own_story(
    door: Door, signer: Signer
) -> None:
    for name in ("theirs", "others", "theirs"):
        await log(door, name, b"flavors")
    assert await signer.sign_some() is not None
    facts = await door.facts()
    made = {one["id"]: one for one in facts if one["type"] == "model_version_logged"}
    told = [one for one in facts if one["type"] == "model_version_signed"]
    assert {one["causation_id"] for one in told} == made.keys()
    for one in told:
        version = made[one["causation_id"]]
        assert one["correlation_id"] == version["correlation_id"]
        named = ("model", "version")
        assert [one["data"][field] for field in named] == [version["data"][field] for field in named]


async def test_a_logged_version_is_signed_file_by_file(
    door: Door, signer: Signer, client: httpx.AsyncClient, objects: Objects
) -> None:
    await log(door, "theirs", b"flavors")
    took = await signer.sign_some()
    assert took is not None
    assert took > 0
    digest, signature, statement = await signed(client, objects, "theirs", 1)
    listing = await door.ask("GET", f"/artifacts/{digest}", role=Role.VIEWER)
    content = await door.ask("GET", f"/artifacts/{sha256(b'flavors')}", role=Role.VIEWER)
    assert ([one["path"] for one in listing.json()["files"]], content.content) == (["MLmodel"], b"flavors")
    verify_files(signature, {"MLmodel": sha256(b"flavors")}, (signer.key.public,))
    predicate = verify_provenance(statement, digest, (signer.key.public,))
    assert predicate["buildDefinition"]["buildType"] == "urn:pelton:build:logged:v1"
    assert predicate["runDetails"]["byproducts"] == [{"name": "recorded by", "annotations": {"actor": "ann"}}]


async def test_a_file_that_no_version_is_made_of_has_no_address_by_its_digest(door: Door) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"of a run"

    await tree_of(door.backend).write("1/abc/artifacts/log", pieces(), "ann")
    assert (await door.ask("GET", f"/artifacts/{sha256(b'of a run')}")).status_code == 404


async def test_trained_versions_do_not_wait_for_logged_ones(door: Door, signer: Signer) -> None:
    for _ in range(3):
        await log(door, "theirs", b"flavors")
    await train(door, 1)
    assert await signer.sign_some() == 0.0
    facts = await door.facts()
    assert [one["data"]["model"] for one in facts if one["type"] == "model_version_signed"] == [MODEL]


async def test_a_version_that_is_gone_before_it_is_signed_stays_gone(door: Door, signer: Signer) -> None:
    number = await log(door, "theirs", b"flavors")
    async with door.units.begin() as unit:
        await commands.delete_version(unit, "theirs", number)
    assert await signer.sign_some() is None


async def test_what_the_store_has_lost_is_not_signed_and_keeps_nobody_waiting(
    door: Door, signer: Signer, tmp_path: Path
) -> None:
    await log(door, "theirs", b"flavors")
    for file in (tmp_path / "objects" / "files").rglob("*"):
        if file.is_file():
            file.unlink()
    await log(door, "others", b"other flavors")
    while await signer.sign_some() is not None:
        pass
    facts = await door.facts()
    assert [one["data"]["model"] for one in facts if one["type"] == "model_version_signed"] == ["others"]


async def test_signatures_are_made_anew_from_the_facts(door: Door, signer: Signer, units: Units) -> None:
    await train(door, 1, 2)
    await signer.sign_some()
    await log(door, "theirs", b"flavors")

    async def table() -> list[tuple[object, ...]]:
        async with units.engine.connect() as connection:
            rows = await connection.execute(text("SELECT * FROM signatures ORDER BY key, version"))
            return [tuple(row) for row in rows]

    before = await table()
    async with units.engine.begin() as connection:
        await projections.rebuild(connection)
    assert (await table(), len(before)) == (before, 3)


async def test_the_signer_is_woken_by_facts(
    door: Door, signer: Signer, units: Units, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pelton.registry.signing.signer.LOOK_EVERY_SECONDS", 300)
    dsn = units.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    running = asyncio.create_task(signer.run(dsn))
    for number in (1, 2, 3):
        await train(door, number)

        async def done(wanted: int = number) -> bool:
            assert not running.done(), running.exception()
            return [one["type"] for one in await door.facts()].count("model_version_signed") == wanted

        await eventually(done, timeout=30)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_the_public_key_is_given_and_what_does_not_exist_is_said(
    client: httpx.AsyncClient, signer: Signer
) -> None:
    assert (await client.get("/v1/signing-key")).content == signer.key.public.pem
    assert (await client.get("/v1/models/nothing/versions/1/signature")).status_code == 404
