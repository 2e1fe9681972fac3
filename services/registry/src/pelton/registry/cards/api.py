"""Model cards over HTTP."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from pydantic import BaseModel, ConfigDict
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.values import Digest
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry import store
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action
from pelton.registry.cards.card import body, card
from pelton.registry.cards.domain import Cards, write_section
from pelton.registry.cards.page import POLICY, page
from pelton.registry.cards.sections import SectionName, SectionText
from pelton.registry.cards.source import CardSource, gather
from pelton.registry.cards.store import KEY, PUBLISHED, SECTIONS
from pelton.registry.projections import record

Member = Annotated[Actor, Depends(require(Role.VIEWER))]
ModelName = Annotated[str, Path(min_length=1, max_length=256, pattern=r"^[^\x00]+$")]
Number = Annotated[int, Path(ge=1, le=2**31 - 1)]


class Section(BaseModel):
    """What a person wants a section of a model's cards to say, as Markdown; nothing takes it out."""

    model_config = ConfigDict(extra="forbid")

    text: SectionText


class SectionAnswer(BaseModel):
    """A section that somebody wrote."""

    section: str
    text: str
    written_by: str
    written_at: datetime


class PublishedCard(BaseModel):
    """A card that a version had or has; the digest is the artifact to fetch."""

    card: Digest
    published_at: datetime


def router(units: Units, objects: Objects, access: AccessControl) -> APIRouter:
    """The routes of the cards."""
    routes = APIRouter()

    async def source_of(actor: Actor, model: str, version: int) -> CardSource:
        async with units.engine.connect() as connection:
            await access.on_model(actor, Action.READ, OnModel(model, version), connection=connection)
            source = await gather(connection, objects, model, version)
        if source is None:
            raise ProblemError(404, "unknown-version", "No such version", f"{model} has no version {version}")
        return source

    @routes.get("/models/{model}/versions/{version}/card", response_class=Response)
    async def show_card(
        model: ModelName,
        version: Number,
        actor: Member,
        request: Request,
        format: Annotated[Literal["markdown", "html"] | None, Query()] = None,  # noqa: A002 - the query's own word
    ) -> Response:
        """A version's card as it is by now: Markdown, or a page for who asks for one by `format` or `Accept`."""
        source = await source_of(actor, model, version)
        wants_page = "text/html" in request.headers.get("accept", "") if format is None else format == "html"
        headers = {"content-security-policy": POLICY, "x-content-type-options": "nosniff", "vary": "accept"}
        if wants_page:
            shown = page(f"{model} version {version}", body(source, marks=False))
            return Response(shown, media_type="text/html", headers=headers)
        return Response(card(source), media_type="text/markdown", headers=headers)

    @routes.get("/models/{model}/versions/{version}/cards")
    async def list_cards(model: ModelName, version: Number, actor: Member) -> list[PublishedCard]:
        """The cards that were published for a version, newest first."""
        async with units.engine.connect() as connection:
            await access.on_model(actor, Action.READ, OnModel(model, version), connection=connection)
            key = await _key(connection, model)
            found = await store.rows(connection, PUBLISHED, key=key, version=version)
        return [PublishedCard.model_validate(dict(one)) for one in found]

    @routes.get("/models/{model}/card/sections")
    async def list_sections(model: ModelName, actor: Member) -> list[SectionAnswer]:
        """What people wrote in the cards of a model."""
        async with units.engine.connect() as connection:
            await access.on_model(actor, Action.READ, OnModel(model), connection=connection)
            return await _sections(connection, await _key(connection, model))

    @routes.put("/models/{model}/card/sections/{name}")
    async def put_section(model: ModelName, name: SectionName, body: Section, actor: Member) -> list[SectionAnswer]:
        """Write a section of a model's cards; it stands in the cards of all versions, those to come too."""
        async with units.begin(actor=actor.name) as unit:
            await access.on_model(actor, Action.WRITE, OnModel(model), connection=unit.connection)
            key = await _key(unit.connection, model)
            cards = await unit.load(Cards, key)
            await record(unit, cards, write_section(cards, model, name, body.text, actor.name))
            return await _sections(unit.connection, key)

    return routes


async def _key(connection: AsyncConnection, model: str) -> str:
    row = await store.row(connection, KEY, model=model)
    if row is None:
        raise ProblemError(404, "unknown-model", "No such model", f"no model {model!r} is registered")
    return str(row["key"])


async def _sections(connection: AsyncConnection, key: str) -> list[SectionAnswer]:
    found: list[Any] = list(await store.rows(connection, SECTIONS, key=key))
    return [SectionAnswer.model_validate(dict(one)) for one in found]
