"""The audit's routes: checkpoints, facts with their places, proofs, and causes. All are read-only."""

import json
from base64 import b64encode
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import PlainTextResponse
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.audit import lineage, store
from pelton.audit.gateways import ends
from pelton.audit.sequencer import READER
from pelton.audit.store import Entry
from pelton.audit.tree import LogTree
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.store import reader_offsets
from pelton.eventkit.unit import Units
from pelton.ledger.errors import LedgerError
from pelton.ledger.keys import VerifierKey
from pelton.ledger.proof import prove

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]


def router(units: Units, vkey: VerifierKey, tree: LogTree, kafka: str) -> APIRouter:
    """The audit's own routes."""
    routes = APIRouter(tags=["audit"])
    routes.include_router(_log(units, vkey, kafka))
    routes.include_router(_facts(units))
    routes.include_router(_proofs(units, tree))
    return routes


def _log(units: Units, vkey: VerifierKey, kafka: str) -> APIRouter:
    routes = APIRouter()

    @routes.get("/checkpoint", response_class=PlainTextResponse)
    async def checkpoint(actor: Viewer) -> Response:  # noqa: ARG001
        """The newest signed checkpoint (C2SP tlog-checkpoint)."""
        async with units.begin() as unit:
            return PlainTextResponse((await _sealed(unit.connection)).note)

    @routes.get("/v1/vkey", response_class=PlainTextResponse)
    async def public_key(actor: Viewer) -> Response:  # noqa: ARG001
        """The log's public key. Whoever trusts nobody takes it from elsewhere."""
        return PlainTextResponse(f"{vkey}\n")

    @routes.get("/v1/checkpoints")
    async def checkpoints(
        actor: Viewer,  # noqa: ARG001
        after: Annotated[int, Query(ge=-1)] = -1,
        limit: Annotated[int, Query(ge=1, le=2000)] = 500,
    ) -> list[dict[str, Any]]:
        """Every checkpoint of more than `after` entries, by size."""
        async with units.begin() as unit:
            return await store.checkpoints(unit.connection, after, limit)

    @routes.get("/v1/entries")
    async def entries(
        actor: Viewer,  # noqa: ARG001
        start: Annotated[int, Query(alias="from", ge=0)] = 0,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
    ) -> list[dict[str, Any]]:
        """The raw entries from an index on, exactly as they are stored: for whoever computes the root again."""
        async with units.begin() as unit:
            return [_raw(one) for one in await store.page(unit.connection, start, limit)]

    @routes.get("/v1/status")
    async def status(actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """How far the log is, and how many records of each partition still wait to be sequenced."""
        async with units.begin() as unit:
            frontier, archived = await store.edge(unit.connection)
            sealed = await store.sealed(unit.connection)
            taken = await reader_offsets(unit.connection, READER)
        waiting = {place: max(0, end - taken.get(place, 0)) for place, end in (await ends(kafka)).items()}
        return {
            "origin": vkey.name,
            "size": frontier.size,
            "root": frontier.root.hex(),
            "sealed": sealed.size if sealed else 0,
            "archived_bundles": archived,
            "offsets": [{"topic": topic, "partition": part, "next": next_} for (topic, part), next_ in taken.items()],
            "lag": sum(waiting.values()),
        }

    return routes


def _facts(units: Units) -> APIRouter:
    routes = APIRouter(prefix="/v1")

    @routes.get("/facts")
    async def facts(
        actor: Viewer,  # noqa: ARG001
        kind: Annotated[str | None, Query(alias="type")] = None,
        subject: str | None = None,
        after: Annotated[str | None, Query(pattern=r"^\d{1,18}$")] = None,
        order: Literal["oldest", "newest"] = "oldest",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        """Facts of a type and about a subject. `next` is the token that `after` takes for the following page."""
        async with units.begin() as unit:
            found = await store.search(
                unit.connection,
                kind=kind,
                subject=subject,
                after=int(after) if after else None,
                newest=order == "newest",
                limit=limit,
            )
            listed = [await _described(unit.connection, one) for one in found]
        return {"facts": listed, "next": str(found[-1].index) if len(found) == limit else None}

    @routes.get("/facts/{event_id}")
    async def fact(event_id: UUID, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """One fact: headers, payload, its index in the log and its place on Kafka."""
        async with units.begin() as unit:
            return await _described(unit.connection, await _entry(unit.connection, event_id))

    @routes.get("/why/{event_id}")
    async def why(event_id: UUID, actor: Viewer) -> dict[str, Any]:  # noqa: ARG001
        """The chain of causes of a fact, newest first, and what those causes led to besides."""
        async with units.begin() as unit:
            chain = await lineage.causes(unit.connection, await _entry(unit.connection, event_id))
            beside = await lineage.companions(unit.connection, chain)
            return {
                "chain": [await _described(unit.connection, one) for one in chain],
                "companions": [await _described(unit.connection, one) for one in beside],
            }

    return routes


def _proofs(units: Units, tree: LogTree) -> APIRouter:
    routes = APIRouter(prefix="/v1")

    @routes.get("/proof/{event_id}", response_class=PlainTextResponse)
    async def proof(event_id: UUID, actor: Viewer) -> Response:  # noqa: ARG001
        """The offline proof (c2sp.org/tlog-proof@v1) that the fact is in the log, its entry included."""
        async with units.begin() as unit:
            entry = await _entry(unit.connection, event_id)
            sealed = await _sealed(unit.connection)
            if entry.index >= sealed.size:
                raise ProblemError(
                    409,
                    "not-sealed",
                    "No checkpoint covers the fact yet",
                    f"the fact is entry {entry.index}, the newest checkpoint has {sealed.size} entries; the next is "
                    "sealed within a second of the next fact",
                )
            try:
                made = prove(await tree.grown(unit.connection, sealed.size), entry.index, sealed.note, entry.entry)
            except LedgerError as error:
                raise _broken(str(error)) from error
        return PlainTextResponse(made.text)

    return routes


async def _entry(connection: AsyncConnection, event_id: UUID) -> Entry:
    found = await store.by_event(connection, event_id)
    if found is None:
        raise ProblemError(
            404, "unknown-fact", "No such fact", f"no fact {event_id} has been logged; a new one takes a moment"
        )
    return found


async def _sealed(connection: AsyncConnection) -> store.Sealed:
    sealed = await store.sealed(connection)
    if sealed is None:
        raise ProblemError(404, "empty-log", "There is no checkpoint yet", "the first fact brings one within a second")
    return sealed


def _broken(detail: str) -> ProblemError:
    return ProblemError(500, "broken-log", "The log contradicts itself", f"{detail}; run pelton audit verify")


def _raw(entry: Entry) -> dict[str, Any]:
    return {
        **_index(entry),
        "entry": b64encode(entry.entry).decode(),
        "leaf_hash": entry.leaf_hash.hex(),
    }


def _index(entry: Entry) -> dict[str, Any]:
    return {
        "index": entry.index,
        "id": str(entry.event_id),
        "type": entry.type,
        "subject": entry.subject,
        "source": entry.source,
        "position": entry.position,
        "causation_id": entry.causation_id,
        "correlation_id": entry.correlation_id,
        "time": entry.time.isoformat(),
        "topic": entry.topic,
        "partition": entry.partition,
        "offset": entry.offset,
    }


async def _described(connection: AsyncConnection, entry: Entry) -> dict[str, Any]:
    try:
        record = await store.record_of(connection, entry)
        value = record.value or b""
        data = json.loads(value)
    except (LedgerError, ValueError) as error:
        raise _broken(f"entry {entry.index} ({entry.type} {entry.event_id}) cannot be read: {error}") from error
    return {
        **_index(entry),
        "headers": {name: (text or b"").decode("utf-8", "replace") for name, text in record.headers},
        "data": data,
        "payload": b64encode(value).decode(),
    }
