"""Registering, deprecating and removing definitions: each one transaction, of which every replica hears."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Literal

from pelton.contracts.fact import Fact
from pelton.contracts.values import Digest
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.feature.catalogue import store
from pelton.feature.catalogue.memory import Catalogue
from pelton.feature.catalogue.planning import Step, plan
from pelton.feature.domain import (
    Entity,
    FeatureService,
    Transformation,
    View,
    deprecate,
    remove_entity,
    remove_service,
    remove_transformation,
    remove_view,
    withdraw_deprecation,
)
from pelton.feature.domain.models import users
from pelton.feature.domain.registered import Declared, Registered, State

Removable = Literal["entities", "feature-views", "transformations", "feature-services"]


class Definitions:
    """Changes what is registered. One change is decided on at a time, by what is in the tables; memory follows."""

    def __init__(self, units: Units, catalogue: Catalogue) -> None:
        self._units = units
        self._catalogue = catalogue

    async def apply(self, definition: Declared, actor: str) -> bool:
        """Register a definition, or its next version; says whether anything changed.

        Raises:
            IncompatibleError: it does not fit what is registered.
            ExpressionError: an expression of it is not of the language.
        """
        async with self._change(actor) as (unit, registered):
            facts = registered.applied(definition)
            await self._record(unit, registered.state(definition), facts)
        return bool(facts)

    async def plan(self, declared: Sequence[Declared]) -> list[Step]:
        """What registering these definitions would do, in their order. Nothing is changed.

        Raises:
            IncompatibleError: one does not fit what is registered, or those before it.
            ExpressionError: an expression is not of the language.
        """
        async with self._units.begin() as unit:
            registered = await store.registered(unit.connection)
            return plan(registered, declared, await store.pinned(unit.connection))

    async def deprecate(
        self, name: str, *, reason: str, sunset: datetime | None, successor: str | None, actor: str
    ) -> None:
        """Say that a view is to be left.

        Raises:
            UnknownDefinitionError: there is no such view, or no such successor.
            IncompatibleError: the successor cannot be one.
        """
        async with self._change(actor) as (unit, registered):
            view = registered.views.get(name, View(name))
            after = None if successor is None else registered.views.get(successor, View(successor))
            await self._record(unit, view, deprecate(view, reason=reason, sunset=sunset, successor=after))

    async def withdraw_deprecation(self, name: str, reason: str, actor: str) -> None:
        """Say that a view may be used again.

        Raises:
            UnknownDefinitionError: there is no such view.
        """
        async with self._change(actor) as (unit, registered):
            view = registered.views.get(name, View(name))
            await self._record(unit, view, withdraw_deprecation(view, reason))

    async def remove(self, kind: Removable, name: str, version: Digest | None, reason: str, actor: str) -> None:
        """Remove a definition, or one version of a view or transformation; what is used stays.

        Raises:
            UnknownDefinitionError: there is no such definition, or no such version of it.
            IncompatibleError: it is used; says by whom.
        """
        async with self._change(actor) as (unit, registered):
            match kind:
                case "entities":
                    entity = registered.entities.get(name, Entity(name))
                    await self._record(unit, entity, remove_entity(entity, reason, registered.newest_views().values()))
                case "feature-services":
                    service = registered.services.get(name, FeatureService(name))
                    await self._record(unit, service, remove_service(service, reason))
                case "feature-views":
                    view = registered.views.get(name, View(name))
                    models, readers = await self._users(unit, registered, view)
                    facts = remove_view(view, version, reason, models=models, readers=readers)
                    await self._record(unit, view, facts)
                case "transformations":
                    one = registered.transformations.get(name, Transformation(name))
                    models, readers = await self._users(unit, registered, one)
                    facts = remove_transformation(one, version, reason, models=models, readers=readers)
                    await self._record(unit, one, facts)

    async def _users(
        self, unit: UnitOfWork, registered: Registered, state: View | Transformation
    ) -> tuple[dict[Digest, list[str]], list[str]]:
        """Which versions of models use each version, and what names the newest."""
        found = users((one.digest for one in state.versions), await store.pinned(unit.connection))
        models = {digest: list(map(str, one)) for digest, one in found.items()}
        declared = await store.declared_models(unit.connection)
        readers = [f"model {one.model}" for one in declared if one.reads(state.name)]
        readers += [reader for several in registered.readers(state.name).values() for reader in several]
        return models, readers

    async def _record(self, unit: UnitOfWork, state: State, facts: Sequence[Fact]) -> None:
        if not facts:
            return
        # The stream says how long it is; what it was folded to is in the tables, decided on under the lock.
        await unit.append(await unit.load(type(state), state.name), facts)
        await store.project(unit.connection, facts, unit.now())

    @asynccontextmanager
    async def _change(self, actor: str) -> AsyncIterator[tuple[UnitOfWork, Registered]]:
        async with self._units.begin(actor=actor) as unit:
            await store.lock(unit.connection)
            yield unit, await store.registered(unit.connection)
        await self._catalogue.refresh()
