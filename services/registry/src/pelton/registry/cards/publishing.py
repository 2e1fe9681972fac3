"""A version gets its card when it is staged, and another one whenever the card would say something else."""

from typing import Final

from pelton.contracts.registry import (
    DeprecationWithdrawn,
    EvidenceRecorded,
    ModelCardSectionWritten,
    ModelDeprecated,
    ModelStageChanged,
)
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
        await renew(unit, event.data.model)

    async def on_evidence_recorded(event: Received[EvidenceRecorded], unit: UnitOfWork) -> None:
        await renew(unit, event.data.model, event.data.version)

    async def on_deprecation(event: Received[ModelDeprecated | DeprecationWithdrawn], unit: UnitOfWork) -> None:
        await renew(unit, event.data.model, event.data.version)

    async def renew(unit: UnitOfWork, model: str, version: int | None = None) -> None:
        """Publish the card anew of a version in staging or production, or of each there where none is named."""
        for one in await store.rows(unit.connection, IN_USE, model=model, stages=list(IN_FRONT)):
            if version in {None, one["version"]}:
                await publish_card(unit, objects, model, one["version"])

    return (
        Handler(ModelStageChanged, "registry.card_stages", on_stage_changed),
        Handler(ModelCardSectionWritten, "registry.card_sections", on_section_written),
        Handler(EvidenceRecorded, "registry.card_evidence", on_evidence_recorded),
        Handler(ModelDeprecated, "registry.card_deprecations", on_deprecation),
        Handler(DeprecationWithdrawn, "registry.card_withdrawals", on_deprecation),
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
