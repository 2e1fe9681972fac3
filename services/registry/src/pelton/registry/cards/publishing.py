"""A version gets its card when it is staged, and another one whenever the card would say something else."""

from typing import Final

from pelton.contracts.registry import ModelCardSectionWritten, ModelStageChanged
from pelton.eventkit.envelope import Received
from pelton.eventkit.handlers import Handler
from pelton.eventkit.unit import UnitOfWork
from pelton.objects import Objects
from pelton.registry import store
from pelton.registry.cards.card import card
from pelton.registry.cards.domain import Cards, publish
from pelton.registry.cards.source import gather
from pelton.registry.cards.store import IN_USE, KEY
from pelton.registry.projections import record

IN_FRONT: Final = ("staging", "production")


def handlers(objects: Objects) -> tuple[Handler, ...]:
    """What the registry does about its own facts: cards follow them, and hold up no decision."""

    async def on_stage_changed(event: Received[ModelStageChanged], unit: UnitOfWork) -> None:
        if event.data.to_stage in IN_FRONT:
            await publish_card(unit, objects, event.data.model, event.data.version)

    async def on_section_written(event: Received[ModelCardSectionWritten], unit: UnitOfWork) -> None:
        for one in await store.rows(unit.connection, IN_USE, model=event.data.model, stages=list(IN_FRONT)):
            await publish_card(unit, objects, event.data.model, one["version"])

    return (
        Handler(ModelStageChanged, "registry.card_stages", on_stage_changed),
        Handler(ModelCardSectionWritten, "registry.card_sections", on_section_written),
    )


async def publish_card(unit: UnitOfWork, objects: Objects, model: str, version: int) -> None:
    """Give a version the card that it has by now, unless it has it already, or is gone."""
    key = await store.row(unit.connection, KEY, model=model)
    source = await gather(unit.connection, objects, model, version)
    if key is None or source is None:
        return
    cards = await unit.load(Cards, key["key"])
    digest = await objects.put(card(source).encode())
    await record(unit, cards, publish(cards, model, version, digest))
