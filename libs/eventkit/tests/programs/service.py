"""A whole service on the host, small: it adds amounts, takes JSON, and stays in a handler while a file is there."""

import time
from pathlib import Path
from typing import Annotated, Any

from counting import TABLES, add, counted, options
from fastapi import APIRouter, Depends, Request
from sqlalchemy import text

from pelton.eventkit.asgi import require
from pelton.eventkit.envelope import Received
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.host import Service
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import read_json
from pelton.eventkit.settings import PlatformSettings
from pelton.eventkit.unit import UnitOfWork
from pelton.testkit import eventually

told = options()
Counted = counted(told["owner"])
gate, entered = Path(told["gate"]), Path(told["entered"])
service = Service("trainer", PlatformSettings(), max_body=1000)
router = APIRouter()


@subscribe(Counted, id="tests.add_slowly")
async def on_counted(event: Received[Counted], unit: UnitOfWork) -> None:
    await add(event, unit)
    entered.touch()
    await eventually(lambda: not gate.exists(), timeout=30)


@router.post("/v1/echo")
async def echo(request: Request, actor: Annotated[Actor, Depends(require(Role.CONTRIBUTOR))]) -> dict[str, Any]:
    return {"body": read_json(await request.body()), "actor": actor.name, "at": time.time()}


async def make_tables() -> None:
    async with service.engine.begin() as connection:
        for statement in TABLES:
            await connection.execute(text(statement))


service.starts_with(make_tables)
service.handles(on_counted)
service.routes(router)
service.run()
