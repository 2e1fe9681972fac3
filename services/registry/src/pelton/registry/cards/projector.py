"""Sections and published cards as tables, made from their facts."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.registry import ModelCardPublished, ModelCardSectionWritten
from pelton.registry.cards import store
from pelton.registry.store import StoredFact, write


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show one fact in the tables."""
    match stored.fact:
        case ModelCardSectionWritten(section=section, text=""):
            await write(connection, store.REMOVE_SECTION, key=stored.key, section=section)
        case ModelCardSectionWritten(section=section, text=words, by=by):
            written = {"section": section, "text": words, "actor": by, "time": stored.time}
            await write(connection, store.WRITE_SECTION, key=stored.key, **written)
        case ModelCardPublished(version=version, card=card):
            published = {"event_id": stored.id, "version": version, "card": card, "time": stored.time}
            await write(connection, store.PUBLISH, key=stored.key, **published)
        case _:
            return
