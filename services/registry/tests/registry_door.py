"""The registry as a client meets it, and as the bus does: requests by role, facts by their handlers."""

import json
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any
from uuid import UUID

import asyncpg
import httpx
from fastapi import FastAPI

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact
from pelton.eventkit.asgi import Authentication, BodyLimit
from pelton.eventkit.clock import uuid7
from pelton.eventkit.envelope import Envelope, Received
from pelton.eventkit.identity import Role, TokenVerifier, mint
from pelton.eventkit.problems import install_problem_handlers
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry import api
from pelton.registry.access.control import AccessControl
from pelton.registry.handlers import HANDLERS
from pelton.registry.mlflow import server
from pelton.registry.mlflow.endpoints import ENDPOINTS
from pelton.registry.mlflow.front import Front
from pelton.registry.mlflow.wire import Backend
from pelton.registry.webhooks.sender import Sender

KEY = b"k" * 32
MAX_BODY = 100_000


def envelope(fact: Fact, position: int, event_id: UUID | None = None) -> Envelope:
    """What surrounds a fact of another service."""
    event_id = event_id or uuid7()
    return Envelope(
        id=event_id,
        owner=fact.fact_owner,
        type=fact.fact_type,
        subject="tests/one",
        time=datetime.now(UTC),
        correlation_id="the-story",
        causation_id=None,
        actor=f"service:{fact.fact_owner}",
        stream_version=position,
        position=position,
        traceparent=None,
    )


class Door:
    def __init__(self, units: Units, objects: Objects, pool: asyncpg.Pool) -> None:
        app = FastAPI()
        self.access = AccessControl(units.engine)
        self.sender = Sender([ip_network("127.0.0.0/8")])
        install_problem_handlers(app)
        app.include_router(api.router(units, objects, self.access, self.sender))
        app.include_router(server.router)
        self.backend = Backend(units, pool, objects, self.access, self.sender)
        front = Front(app, lambda: self.backend, ENDPOINTS)
        self.app = BodyLimit(Authentication(front, TokenVerifier(KEY)), MAX_BODY)
        self.units = units
        self._http = httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url="http://registry")

    async def close(self) -> None:
        await self._http.aclose()
        await self.sender.close()

    async def ask(
        self,
        method: str,
        path: str,
        who: str = "ann",
        role: Role = Role.ADMIN,
        **options: Any,  # noqa: ANN401 - those of httpx
    ) -> httpx.Response:
        """A request by somebody to Pelton's own interface; the answer as it came."""
        return await self._request(method, f"/v1{path}", who, role, **options)

    async def mlflow(
        self,
        method: str,
        path: str,
        who: str = "ann",
        role: Role = Role.CONTRIBUTOR,
        **options: Any,  # noqa: ANN401 - those of httpx
    ) -> httpx.Response:
        """A request by somebody to MLflow's interface, such as `2.0/mlflow/runs/create`; the answer as it came."""
        return await self._request(method, f"/api/{path}", who, role, **options)

    async def _request(
        self,
        method: str,
        path: str,
        who: str,
        role: Role,
        **options: Any,  # noqa: ANN401 - those of httpx
    ) -> httpx.Response:
        token = mint(KEY, who, role, datetime.now(UTC), timedelta(hours=1))
        headers = {"authorization": f"Bearer {token}"} | options.pop("headers", {})
        return await self._http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **params: str | int) -> Any:  # noqa: ANN401
        answer = await self.ask("GET", path, role=Role.VIEWER, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def declare(
        self, definition: ModelDefinition, code: str, who: str = "ann", role: Role = Role.ADMIN
    ) -> httpx.Response:
        body = {"definition": definition.model_dump(mode="json"), "code": code}
        return await self.ask("POST", "/models", who, role, json=body)

    async def receive(self, fact: Fact) -> str:
        """Give a fact to its handler, as the dispatcher does; returns the fact's id."""
        (handler,) = (one for one in HANDLERS if one.fact is type(fact))
        received = Received(envelope(fact, 1), fact)
        async with self.units.begin(cause=received.cause) as unit:
            await handler.call(received, unit)
        return received.id

    async def facts(self) -> list[dict[str, Any]]:
        """Everything on record, in order."""
        async with self.units.engine.connect() as connection:
            found = await connection.exec_driver_sql("SELECT id, type, data, meta FROM events ORDER BY seq")
            return [
                {
                    "id": str(row.id),
                    "type": row.type.split(".")[-2],
                    "data": json.loads(row.data),
                    **row.meta,
                }
                for row in found
            ]
