"""What became of a model: every fact of it with who, why and when; and who uses it."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel, TypeAdapter
from sqlalchemy import RowMapping

from pelton.contracts.fact import PastFact, fact_class
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.registry import store
from pelton.registry.api.bodies import Person
from pelton.registry.api.catalogue import Limit, ModelName, Number, model_answer
from pelton.registry.api.paging import cut, decode_page, encode_page
from pelton.registry.domain.history import told
from pelton.registry.governance.store import HISTORY, KEY
from pelton.registry.governance.usage import usage

BY_NUMBER: Final = TypeAdapter(int)
LAST: Final = 2**31 - 1
Days = Annotated[int, Query(ge=1, le=3650)]


class HistoryEntry(BaseModel):
    """One fact: what happened in words, to which version, by whom and why; `details` is the fact itself."""

    event_id: UUID
    number: int
    fact: str
    what: str
    version: int | None
    actor: str
    reason: str | None
    cause: str | None
    time: datetime
    details: dict[str, Any]


class HistoryPage(BaseModel):
    """What happened, newest first."""

    history: list[HistoryEntry]
    next_page: str | None


class Usage(BaseModel):
    """How much somebody used a version: rows that were answered, and look-ups of clients that load it themselves."""

    version: int
    caller: str
    rows: int | None
    look_ups: int | None
    since: date
    last: datetime


def router(units: Units) -> APIRouter:
    """The routes of history and usage."""
    routes = APIRouter()

    @routes.get("/models/{model}/history")
    async def show_history(
        model: ModelName,
        actor: Person,  # noqa: ARG001
        limit: Limit = 50,
        page: str | None = None,
    ) -> HistoryPage:
        """Everything that happened to a model, under whatever name; of one that was deleted too."""
        return await history(model, None, limit, page)

    @routes.get("/models/{model}/versions/{version}/history")
    async def show_version_history(
        model: ModelName,
        version: Number,
        actor: Person,  # noqa: ARG001
        limit: Limit = 50,
        page: str | None = None,
    ) -> HistoryPage:
        """Everything that happened to one version."""
        return await history(model, version, limit, page)

    @routes.get("/models/{model}/usage")
    async def show_usage(
        model: ModelName,
        actor: Person,  # noqa: ARG001
        version: int | None = None,
        days: Days = 30,
        limit: Limit = 50,
    ) -> list[Usage]:
        """Who used a model in the last days, by version and caller, the latest first."""
        async with units.engine.connect() as connection:
            await model_answer(connection, model)
            since = (units.clock() - timedelta(days=days)).date()
            found = await usage(connection, model, version, since, limit)
        return [Usage.model_validate(dict(one)) for one in found]

    async def history(model: str, version: int | None, limit: int, page: str | None) -> HistoryPage:
        before = decode_page(BY_NUMBER, page, LAST)
        async with units.engine.connect() as connection:
            key = await store.row(connection, KEY, model=model)
            if key is None:
                raise ProblemError(404, "unknown-model", "No such model", f"no model was ever called {model!r}")
            values = {"key": key["key"], "before": before, "version": version, "limit": limit + 1}
            found = await store.rows(connection, HISTORY, **values)
        shown, more = cut(found, limit)
        entries = [_entry(one) for one in shown]
        return HistoryPage(history=entries, next_page=encode_page(BY_NUMBER, entries[-1].number) if more else None)

    return routes


def _entry(row: RowMapping) -> HistoryEntry:
    known = fact_class(row["type"])
    fact = known.from_bytes(row["data"])
    name = known.present.__name__ if isinstance(known, PastFact) else known.__name__
    details: Mapping[str, Any] = json.loads(row["data"])
    version = details.get("version")
    return HistoryEntry(
        event_id=row["id"],
        number=row["number"],
        fact=name,
        what=told(fact),
        version=version["version"] if isinstance(version, dict) else version,
        actor=row["meta"]["actor"],
        reason=details.get("reason"),
        cause=row["meta"]["causation_id"],
        time=row["time"],
        details=dict(details),
    )
