import pickle
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from fastapi import FastAPI
from registry_door import KEY, Door
from sqlalchemy import text

from pelton.contracts.canonical import sha256
from pelton.contracts.values import Artifact
from pelton.eventkit.asgi import Authentication
from pelton.eventkit.identity import Role, TokenVerifier, mint
from pelton.eventkit.problems import install_problem_handlers
from pelton.registry import commands, projections
from pelton.registry.allowances import api as allowances
from pelton.registry.domain.catalogue import Draft
from pelton.registry.files import api as upkeep
from pelton.registry.files import manifest, unsafe_files
from pelton.registry.files.collection import Collector
from pelton.registry.mlflow.artifacts import tree_of

PICKLE = pickle.dumps(len)
WHY = {"reason": "looked into it with its author"}


@pytest.fixture
async def client(door: Door) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(allowances.router(door.units))
    app.include_router(
        upkeep.router(Collector(door.units, door.backend.objects, timedelta(days=1), timedelta(days=30)))
    )
    transport = httpx.ASGITransport(Authentication(app, TokenVerifier(KEY)))
    async with httpx.AsyncClient(transport=transport, base_url="http://registry") as client:
        yield client


def as_role(role: Role) -> dict[str, str]:
    token = mint(KEY, "ann", role, datetime.now(UTC), timedelta(hours=1))
    return {"authorization": f"Bearer {token}"}


async def post(client: httpx.AsyncClient, path: str, role: Role = Role.ADMIN) -> int:
    return (await client.post(f"/v1/artifacts/{path}", json=WHY, headers=as_role(role))).status_code


async def logged(door: Door) -> Artifact:
    async def pieces(content: bytes) -> AsyncIterator[bytes]:
        yield content

    for name, content in {"model.pkl": PICKLE, "other.pkl": PICKLE + b"x", "MLmodel": b"flavors:"}.items():
        await tree_of(door.backend).write(f"1/a/artifacts/m/{name}", pieces(content), "ann")
    async with door.units.engine.begin() as connection:
        kept = await manifest(connection, door.backend.objects, "mlflow-artifacts:/1/a/artifacts/m")
    assert kept is not None
    return kept


async def unsafe(door: Door, artifact: Artifact) -> list[str]:
    async with door.units.engine.begin() as connection:
        return [one.partition(" ")[0] for one in await unsafe_files(connection, door.backend.objects, artifact)]


async def test_an_administrator_answers_for_a_file_or_for_all_of_an_artifact_until_that_is_revoked(
    door: Door, client: httpx.AsyncClient
) -> None:
    artifact = await logged(door)
    assert await unsafe(door, artifact) == ["model.pkl", "other.pkl"]
    assert await post(client, f"{sha256(PICKLE)}/allow") == 204
    assert await unsafe(door, artifact) == ["other.pkl"]
    assert await post(client, f"{artifact.digest}/allow") == 204
    assert await unsafe(door, artifact) == []
    for digest in (artifact.digest, sha256(PICKLE)):
        assert await post(client, f"{digest}/revoke") == 204
    assert await unsafe(door, artifact) == ["model.pkl", "other.pkl"]
    answer = await client.post(f"/v1/artifacts/{artifact.digest}/revoke", json=WHY, headers=as_role(Role.ADMIN))
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:pelton:problem:not-allowed")


async def version_of(door: Door, *, governed: bool) -> None:
    await logged(door)
    async with door.units.begin(actor="ann") as unit:
        await commands.create_model(unit, "loans")
        assert await commands.create_version(unit, "loans", Draft("mlflow-artifacts:/1/a/artifacts/m")) == 1
    if governed:
        body = {"policy": {"approvals": {}}, "reason": "rules"}
        assert (await door.ask("PUT", "/models/loans/policies/production", json=body)).status_code == 200


async def move(door: Door, to: str) -> httpx.Response:
    return await door.ask("POST", "/models/loans/versions/1/stage", json={"to": to, "reason": "ready"})


async def test_no_pickle_serves_for_a_governed_model_whatever_its_policies_ask_until_it_is_allowed(
    door: Door, client: httpx.AsyncClient
) -> None:
    await version_of(door, governed=True)
    refused = await move(door, "staging")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:pelton:problem:gates-failed")
    detail = refused.json()["detail"]
    assert f"model.pkl is a pickle ({sha256(PICKLE)}), other.pkl is a pickle ({sha256(PICKLE + b'x')})" in detail
    assert "`pelton artifact allow`" in detail
    for content in (PICKLE, PICKLE + b"x"):
        assert await post(client, f"{sha256(content)}/allow") == 204
    assert (await move(door, "staging")).json()["stage"] == "staging"
    assert (await move(door, "production")).json()["approvals"][0]["status"] == "pending"
    artifact = (await door.get("/models/loans/versions/1"))["artifact"]
    assert await post(client, f"{sha256(PICKLE)}/revoke") == 204
    word = {"artifact": artifact, "reason": "fine"}
    late = await door.ask("POST", "/models/loans/versions/1/approve", "bob", Role.APPROVER, json=word)
    assert late.json()["type"] == "urn:pelton:problem:gates-failed"
    assert await post(client, f"{artifact}/allow") == 204
    passed = await door.ask("POST", "/models/loans/versions/1/approve", "bob", Role.APPROVER, json=word)
    assert passed.json()["stage"] == "production"


async def test_a_model_without_policies_keeps_its_pickles(door: Door) -> None:
    await version_of(door, governed=False)
    assert (await move(door, "production")).json()["stage"] == "production"


async def test_who_allowed_what_and_why_is_a_fact_said_once_and_listed(door: Door, client: httpx.AsyncClient) -> None:
    for _ in range(2):
        assert await post(client, f"{sha256(PICKLE)}/allow") == 204
    (fact,) = await door.facts()
    assert (fact["type"], fact["actor"]) == ("artifact_allowed", "ann")
    assert fact["data"] == {"artifact": sha256(PICKLE), "by": "ann", **WHY}
    (shown,) = (await client.get("/v1/allowances", headers=as_role(Role.VIEWER))).json()["allowances"]
    assert (shown["digest"], shown["actor"], shown["reason"]) == (sha256(PICKLE), "ann", WHY["reason"])


async def test_only_an_administrator_answers_for_artifacts_and_collects(door: Door, client: httpx.AsyncClient) -> None:
    for path in (f"{sha256(PICKLE)}/allow", f"{sha256(PICKLE)}/revoke", "collect"):
        assert await post(client, path, Role.APPROVER) == 403
    assert await door.facts() == []


async def test_allowances_are_made_anew_from_the_facts(door: Door, client: httpx.AsyncClient) -> None:
    await post(client, f"{sha256(PICKLE)}/allow")
    await post(client, f"{sha256(b'other')}/allow")
    await post(client, f"{sha256(b'other')}/revoke")
    async with door.units.engine.begin() as connection:
        before = (await connection.execute(text("SELECT * FROM allowed_artifacts"))).all()
        await projections.rebuild(connection)
        assert (await connection.execute(text("SELECT * FROM allowed_artifacts"))).all() == before
    assert len(before) == 1


async def test_a_collection_only_shows_what_would_go_unless_it_is_told_otherwise(
    door: Door, client: httpx.AsyncClient
) -> None:
    await logged(door)
    async with door.units.engine.begin() as connection:
        await connection.execute(text("DELETE FROM files"))
        await connection.execute(text("UPDATE contents SET put_at = '2000-01-01'"))
    for body, left in (({}, 4), ({"dry_run": True}, 4), ({"dry_run": False}, 0)):
        answer = await client.post("/v1/artifacts/collect", json=body, headers=as_role(Role.ADMIN))
        assert (answer.status_code, answer.json()["contents"], len(answer.json()["digests"])) == (200, 4, 4)
        assert len([one async for one in door.backend.objects.within("files").digests()]) == left
