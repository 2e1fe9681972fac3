"""The catalogue's tables, made from facts: names, versions, descriptions, tags and aliases."""

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import canonical_json
from pelton.contracts.registry import (
    ModelAliasSet,
    ModelDescribed,
    ModelPolicySet,
    ModelPromoted,
    ModelRolledBack,
    ModelTagged,
    ModelVersionChanged,
    ModelVersionDeleted,
    ModelVersionLogged,
    RegisteredModelCreated,
    RegisteredModelDeleted,
    RegisteredModelRenamed,
)
from pelton.registry.catalogue import store
from pelton.registry.domain.catalogue import CHAMPION
from pelton.registry.store import StoredFact, write


async def project(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show one fact in the tables."""
    match stored.fact:
        case RegisteredModelCreated() as fact:
            await write(
                connection,
                store.CREATE,
                key=stored.key,
                model=fact.model,
                description=fact.description,
                tags=canonical_json(fact.tags).decode(),
                **_origin(stored),
            )
        case ModelVersionLogged() as fact:
            await _show_logged(connection, fact, stored)
        case ModelVersionChanged() as fact:
            subject = {"model": fact.model, "version": fact.version}
            digest = None if fact.artifact is None else fact.artifact.digest
            await write(connection, store.CHANGE, **subject, artifact=digest, time=stored.time)
        case RegisteredModelRenamed() | RegisteredModelDeleted() | ModelVersionDeleted():
            await _show_gone(connection, stored)
        case ModelDescribed() | ModelTagged() as fact:
            await _show_words(connection, fact, stored)
        case ModelAliasSet(model=model, alias=alias, version=None):
            await write(connection, store.REMOVE_ALIAS, model=model, alias=alias)
        case ModelAliasSet(model=model, alias=alias, version=version):
            await write(connection, store.SET_ALIAS, model=model, alias=alias, version=version, **_origin(stored))
        case ModelPromoted(model=model) | ModelRolledBack(model=model) | ModelPolicySet(model=model):
            await write(connection, store.FOLLOW_PRODUCTION, model=model, alias=CHAMPION, **_origin(stored))
        case _:
            return


async def _show_logged(connection: AsyncConnection, fact: ModelVersionLogged, stored: StoredFact) -> None:
    await write(
        connection,
        store.LOG,
        model=fact.model,
        version=fact.version,
        source=fact.source,
        location=fact.location or fact.source,
        run_id=None if fact.run is None else fact.run.run_id,
        run_link=fact.run_link,
        logged_model_id=fact.logged_model_id,
        logged_run=None if fact.run is None else canonical_json(fact.run).decode(),
        artifact=None if fact.artifact is None else fact.artifact.digest,
        description=fact.description,
        tags=canonical_json(fact.tags).decode(),
        **_origin(stored),
    )


async def _show_gone(connection: AsyncConnection, stored: StoredFact) -> None:
    match stored.fact:
        case RegisteredModelRenamed() as fact:
            await write(connection, store.RENAME_MODEL, model=fact.model, to=fact.to, time=stored.time)
            for statement in store.RENAME:
                await write(connection, statement, model=fact.model, to=fact.to)
        case RegisteredModelDeleted() as fact:
            for statement in store.DELETE_MODEL:
                await write(connection, statement, model=fact.model)
            await write(connection, store.BURY, key=stored.key, model=fact.model, time=stored.time)
        case ModelVersionDeleted() as fact:
            for statement in store.DELETE_VERSION:
                await write(connection, statement, model=fact.model, version=fact.version)
            await write(connection, store.FORGET_FORMER, model=fact.model, version=fact.version, time=stored.time)


async def _show_words(connection: AsyncConnection, fact: ModelDescribed | ModelTagged, stored: StoredFact) -> None:
    subject: dict[str, object] = {"model": fact.model}
    if fact.version is not None:
        subject["version"] = fact.version
    match fact:
        case ModelDescribed():
            statement = store.DESCRIBE_MODEL if fact.version is None else store.DESCRIBE_VERSION
            await write(connection, statement, **subject, description=fact.description, time=stored.time)
        case ModelTagged(value=None):
            statement = store.UNTAG_MODEL if fact.version is None else store.UNTAG_VERSION
            await write(connection, statement, **subject, name=fact.name)
        case ModelTagged():
            statement = store.TAG_MODEL if fact.version is None else store.TAG_VERSION
            await write(connection, statement, **subject, name=fact.name, value=fact.value)


def _origin(stored: StoredFact) -> dict[str, object]:
    return {"time": stored.time, "actor": stored.actor}
