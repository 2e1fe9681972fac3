"""What stands before every route, over real HTTP: raw ASGI routes and FastAPI's get the same answers."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import httpx
import pytest
import uvicorn
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.types import Message, Receive, Scope, Send

from pelton.eventkit.asgi import Authentication, BodyLimit, Observation, require
from pelton.eventkit.identity import Actor, Role, TokenVerifier, mint
from pelton.eventkit.problems import MEDIA_TYPE, ProblemError, install_problem_handlers
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import configure_tracing, current_trace_id
from pelton.testkit.waiting import eventually

KEY = b"k" * 32
LIMIT = 1000
SECRET = "the password is hunter2"


class Order(BaseModel):
    item: str
    count: Annotated[int, Field(ge=1)]


def routes() -> APIRouter:
    router = APIRouter(prefix="/v1")

    @router.post("/orders/{name}")
    async def order(name: str, order: Order) -> dict[str, Any]:
        return {"name": name, "count": order.count, "trace_id": current_trace_id()}

    @router.post("/approve")
    async def approve(actor: Annotated[Actor, Depends(require(Role.APPROVER))]) -> str:
        return actor.name

    @router.post("/fail/{how}")
    async def fail(how: str) -> None:
        match how:
            case "problem":
                raise ProblemError(409, "taken", "Taken", "somebody has it; choose another")
            case "http":
                raise HTTPException(418, "a teapot", {"x-pot": "tea"})
            case _:
                raise RuntimeError(SECRET)

    @router.post("/echo")
    async def echo(request: Request) -> int:
        return len(await request.body())

    return router


class Front:
    """A raw application before FastAPI's, as a hot path has."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["path"]:
            case "/raw/echo":
                scope["pelton_route"] = "/raw/echo"
                size, more = 0, True
                while more:
                    message = await receive()
                    size, more = size + len(message["body"]), message["more_body"]
                await self._answer(send, str(size).encode())
            case "/raw/actor":
                await self._answer(send, scope["state"]["actor"].name.encode())
            case "/raw/fail":
                raise RuntimeError(SECRET)
            case "/raw/problem":
                raise ProblemError(409, "taken", "Taken", "somebody has it; choose another")
            case "/raw/half":
                await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"9")]})
                await send({"type": "http.response.body", "body": b"half", "more_body": True})
                raise RuntimeError(SECRET)
            case _:
                await self._app(scope, receive, send)

    async def _answer(self, send: Send, body: bytes) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


@dataclass
class Door:
    client: httpx.AsyncClient
    metrics: Metrics

    async def post(self, path: str, role: Role = Role.CONTRIBUTOR, **request: Any) -> httpx.Response:  # noqa: ANN401
        token = mint(KEY, "ada", role, datetime.now(UTC), timedelta(hours=1))
        headers = {"authorization": f"Bearer {token}"} | request.pop("headers", {})
        return await self.client.post(path, headers=headers, **request)

    def counted(self, route: str, status: int) -> float:
        return (
            self.metrics.registry.get_sample_value(
                "pelton_http_requests_total", {"route": route, "status": str(status)}
            )
            or 0.0
        )


@pytest.fixture(scope="module")
async def door() -> AsyncIterator[Door]:
    configure_tracing("test")
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(routes())
    app.add_api_route("/healthz", lambda: "alive")
    metrics = Metrics()
    stack = Observation(BodyLimit(Authentication(Front(app), TokenVerifier(KEY)), LIMIT), metrics)
    config = uvicorn.Config(stack, http="httptools", log_config=None, access_log=False, lifespan="off")
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server.serve([listener]))
        await eventually(lambda: server.started)
        host, port = listener.getsockname()
        async with httpx.AsyncClient(base_url=f"http://{host}:{port}") as client:
            yield Door(client, metrics)
        server.should_exit = True
        await serving


def problem_of(response: httpx.Response, status: int, slug: str) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == MEDIA_TYPE
    document: dict[str, Any] = response.json()
    assert document["type"] == f"urn:pelton:problem:{slug}"
    assert document["status"] == status
    assert len(document["trace_id"]) == 32
    return document


@pytest.mark.parametrize("path", ["/raw/actor", "/v1/approve", "/nowhere"])
@pytest.mark.parametrize(
    ("header", "words"),
    [
        (None, "there is no token"),
        ("Basic YTpi", "malformed"),
        ("Basic YTo=", "Authorization: Bearer"),
        ("Basic not base64", "Authorization: Bearer"),
        ("Bearer", "Authorization: Bearer"),
        ("Bearer nonsense", "malformed"),
        (f"Bearer {mint(b'x' * 32, 'eve', Role.ADMIN, datetime.now(UTC), timedelta(1))}", "bad signature"),
        (f"Bearer {mint(KEY, 'ada', Role.ADMIN, datetime(2020, 1, 1, tzinfo=UTC), timedelta(1))}", "expired"),
    ],
)
async def test_without_a_valid_token_nobody_gets_in(door: Door, path: str, header: str | None, words: str) -> None:
    response = await door.client.post(path, headers={"authorization": header} if header else {})
    assert words in problem_of(response, 401, "unauthenticated")["detail"]
    assert response.headers["www-authenticate"].startswith("Bearer")


async def test_a_client_that_only_knows_passwords_gives_its_token_as_one(door: Door) -> None:
    token = mint(KEY, "ada", Role.ADMIN, datetime.now(UTC), timedelta(1))
    assert (await door.client.post("/v1/approve", auth=("anybody", token))).json() == "ada"


async def test_below_some_paths_bodies_and_errors_are_otherwise() -> None:
    async def inside(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        raise ProblemError(409, "taken", "Taken", scope["path"])

    def dialect(problem: ProblemError) -> bytes:
        return f"<{problem.status} {problem.detail}>".encode()

    guarded = BodyLimit(inside, LIMIT, {"/files": 10 * LIMIT})
    app = Observation(guarded, Metrics(), {"/files": dialect})
    body = b"x" * (LIMIT + 1)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://here") as client:
        assert (await client.post("/files/a", content=body)).content == b"<409 /files/a>"
        assert (await client.post("/files/a", content=body * 10)).content.startswith(b"<413 ")
        assert (await client.post("/other", content=body)).json()["type"] == "urn:pelton:problem:body-too-large"


async def test_health_is_open_to_all(door: Door) -> None:
    assert (await door.client.get("/healthz")).json() == "alive"


async def test_a_web_socket_needs_a_token_too() -> None:
    async def inside(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError(scope, receive, send)

    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/v1/live", "headers": []}
    await Authentication(inside, TokenVerifier(KEY))(scope, receive, send)
    assert [(message["type"], message["code"]) for message in sent] == [("websocket.close", 1008)]


async def test_the_actor_reaches_raw_routes_and_fastapi(door: Door) -> None:
    assert (await door.post("/raw/actor")).text == "ada"
    assert (await door.post("/v1/approve", Role.APPROVER)).json() == "ada"


async def test_a_role_that_is_not_enough_says_which_is(door: Door) -> None:
    detail = problem_of(await door.post("/v1/approve", Role.CONTRIBUTOR), 403, "forbidden")["detail"]
    assert "approver" in detail
    assert "contributor" in detail


@pytest.mark.parametrize("path", ["/raw/echo", "/v1/echo"])
@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_refused(door: Door, path: str, *, announced: bool) -> None:
    async def pieces(size: int) -> AsyncIterator[bytes]:
        for _ in range(size // 100):
            yield b"x" * 100

    def body(size: int) -> bytes | AsyncIterator[bytes]:
        return b"x" * size if announced else pieces(size)

    assert (await door.post(path, content=body(LIMIT))).text == str(LIMIT)
    response = await door.post(path, content=body(LIMIT + 100))
    assert str(LIMIT) in problem_of(response, 413, "body-too-large")["detail"]
    assert (await door.post(path, content=body(LIMIT))).text == str(LIMIT)


async def test_each_invalid_field_is_named(door: Door) -> None:
    response = await door.post("/v1/orders/a", json={"count": 0})
    errors = {error["field"]: error for error in problem_of(response, 422, "invalid-request")["errors"]}
    assert set(errors) == {"item", "count"}
    assert errors["item"]["fix"] == "add the field"
    assert "greater than or equal to 1" in errors["count"]["detail"]


async def test_malformed_json_says_where(door: Door) -> None:
    response = await door.post("/v1/orders/a", content=b'{"a": ', headers={"content-type": "application/json"})
    assert "character 6" in problem_of(response, 400, "malformed-json")["detail"]


async def test_a_problem_is_answered_wherever_it_is_raised(door: Door) -> None:
    for path in ("/v1/fail/problem", "/raw/problem"):
        assert problem_of(await door.post(path), 409, "taken")["detail"] == "somebody has it; choose another"


async def test_http_errors_are_problems_and_keep_their_headers(door: Door) -> None:
    response = await door.post("/v1/fail/http")
    assert problem_of(response, 418, "i'm-a-teapot")["detail"] == "a teapot"
    assert response.headers["x-pot"] == "tea"
    problem_of(await door.post("/v1/nowhere"), 404, "not-found")


@pytest.mark.parametrize("path", ["/v1/fail/unknown", "/raw/fail"])
async def test_an_unknown_error_tells_a_trace_and_no_insides(door: Door, path: str) -> None:
    response = await door.post(path)
    problem_of(response, 500, "internal")
    assert SECRET not in response.text


async def test_half_an_answer_is_never_taken_for_a_whole_one(door: Door) -> None:
    with pytest.raises(httpx.RemoteProtocolError):
        await door.post("/raw/half")


async def test_requests_are_counted_by_route_and_not_by_path(door: Door) -> None:
    before = door.counted("/v1/orders/{name}", 200), door.counted("other", 404), door.counted("/raw/echo", 200)
    for name in ("a", "b"):
        assert (await door.post(f"/v1/orders/{name}", json={"item": "x", "count": 1})).status_code == 200
        assert (await door.post(f"/unknown/{name}")).status_code == 404
        assert (await door.post("/raw/echo", content=b"x")).status_code == 200
    after = door.counted("/v1/orders/{name}", 200), door.counted("other", 404), door.counted("/raw/echo", 200)
    assert [now - then for now, then in zip(after, before, strict=True)] == [2, 2, 2]


async def test_a_request_goes_on_in_its_callers_trace(door: Door) -> None:
    trace_id = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace_id}-b7ad6b7169203331-01"}
    response = await door.post("/v1/orders/a", json={"item": "x", "count": 1}, headers=headers)
    assert response.json()["trace_id"] == trace_id
