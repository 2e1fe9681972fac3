"""The rules at hand: asked on every path, without I/O; kept current by what PostgreSQL announces."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from pelton.contracts.definitions import FeatureViewDefinition, TransformationDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import FeatureAccessGranted
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.feature.access import store
from pelton.feature.access.domain import (
    SOURCE,
    VIEW,
    Action,
    Grantee,
    Grants,
    Kind,
    Resource,
    Rules,
    grant,
    open_again,
    revoke,
)
from pelton.feature.access.sensitive import sensitive_fields, shown_fields
from pelton.feature.catalogue import Catalogue
from pelton.feature.selection import Selection

Decider = Callable[[Grants], Sequence[Fact]]

# Tokens of this beginning are minted for the platform alone.
_PLATFORM = "service:"
_MOST_READ = 1024


class Access:
    """Decides who may read and write which views and sources, and what of them is masked.

    Administrators by their token may always, and so may the platform's own services, which act for models: what a
    model reads is decided when its dataset is made.
    """

    def __init__(self, units: Units, catalogue: Catalogue) -> None:
        self._units = units
        self._catalogue = catalogue
        self._rules = Rules()
        # Who was let read what, by these rules: a selection is asked for again and again.
        self._read: dict[tuple[str, Role, int], tuple[Selection, frozenset[str]]] = {}
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> None:
        """Take over the rules that are in force now, by whichever replica."""
        async with self._refreshing, self._units.begin() as unit:
            self._rules = await store.rules(unit.connection)
            self._read = {}

    def permit(self, actor: Actor, action: Action, *, views: Iterable[str] = (), sources: Iterable[str] = ()) -> None:
        """Let the actor do this to some views and sources, by name.

        Raises:
            ProblemError: 403, saying what was not granted.
        """
        if not self._rules.holders or _is_exempt(actor):
            return
        _refuse(actor.name, action, self.refused(actor.name, action, views=views, sources=sources))

    def refused(
        self, person: str, action: Action, *, views: Iterable[str] = (), sources: Iterable[str] = ()
    ) -> list[Resource]:
        """Those of the views and sources that a person was not granted; a role by token does not count here."""
        asked: list[Resource] = [*((VIEW, name) for name in views), *((SOURCE, name) for name in sources)]
        return [one for one in asked if not self._rules.allows(person, action, one)]

    def masked(self, actor: Actor, view: FeatureViewDefinition) -> frozenset[str]:
        """The features of a view that the actor must not see the values of."""
        if not view.sensitive or _is_exempt(actor) or self._rules.shows(actor.name, (VIEW, view.name)):
            return frozenset()
        return frozenset(view.sensitive)

    def reading(self, actor: Actor, selection: Selection) -> frozenset[str]:
        """Let the actor read a selection; returns the features of it, by full name, that are masked.

        Raises:
            ProblemError: 403, a view was not granted.
        """
        # Taken before the rules are: what a thread decided by rules that changed meanwhile is not kept with the new.
        kept, key = self._read, (actor.name, actor.role, id(selection))
        known = kept.get(key)
        if known is not None and known[0] is selection:
            return known[1]
        self.permit(actor, Action.READ, views=selection.views)
        masked: frozenset[str] = frozenset() if _is_exempt(actor) else self.hidden(actor.name, selection)
        if len(kept) >= _MOST_READ:
            kept.clear()
        kept[key] = selection, masked
        return masked

    def reading_whole(self, actor: Actor, selection: Selection) -> None:
        """Let the actor read a selection with nothing masked: a table to train on has no gaps that nobody meant.

        Raises:
            ProblemError: 403, a view was not granted, or not what is sensitive in it.
        """
        masked = self.reading(actor, selection)
        if masked:
            names = ", ".join(sorted(masked))
            raise forbidden(f"{names} are sensitive, and {actor.name} has no grant that says so; leave them out")

    def hidden(self, person: str, selection: Selection) -> frozenset[str]:
        """The features of a selection, by full name, that are sensitive and not granted to a person as such."""
        hidden = {
            name: view.sensitive
            for name, view in selection.views.items()
            if view.sensitive and not self._rules.shows(person, (VIEW, name))
        }
        if not hidden:
            return frozenset()
        return frozenset(
            one.full_name
            for one in selection.features
            if one.name in hidden.get(one.group, ()) or _reads(selection.transformations.get(one.group), hidden)
        )

    def withheld(self, actor: Actor, columns: Iterable[str]) -> frozenset[str]:
        """Those of a table's columns that are named as features which the actor must not see the values of."""
        if _is_exempt(actor):
            return frozenset()
        hidden: dict[str, set[str]] = {}
        for view in self._catalogue.views:
            resource: Resource = (VIEW, view.name)
            if not self._rules.allows(actor.name, Action.READ, resource):
                hidden.setdefault(view.name, set()).update(view.feature_names)
            elif not self._rules.shows(actor.name, resource):
                hidden.setdefault(view.name, set()).update(view.sensitive)
        found = {f"{view}__{feature}" for view, features in hidden.items() for feature in features}
        for one in self._catalogue.transformations.values():
            if _reads(one, hidden):
                found.update(f"{one.name}__{feature}" for feature in one.feature_names)
        return frozenset(found.intersection(columns))

    def masked_fields(self, actor: Actor, source: str) -> frozenset[str]:
        """The fields of a source's events that the actor must not see: sensitive features are made of them."""
        return frozenset() if _is_exempt(actor) else self.hidden_fields(actor.name, source)

    def hidden_fields(self, person: str, source: str) -> frozenset[str]:
        """The fields of a source's events that are sensitive and not granted to a person as such."""
        if self._rules.shows(person, (SOURCE, source)):
            return frozenset()
        return sensitive_fields(self._catalogue.views_of(source))

    def permit_view(self, actor: Actor, definition: FeatureViewDefinition) -> None:
        """Let the actor apply a view: it shows what its source has, and takes the place of the version before.

        Raises:
            ProblemError: 403, the source or the view was not granted, or it would show what is sensitive in the source.
        """
        newest = self._catalogue.newest_view(definition.name)
        if newest is not None and newest.digest == definition.digest:
            return
        self.permit(actor, Action.WRITE, views=[definition.name])
        self.permit(actor, Action.READ, sources=[definition.source])
        masked = self.masked_fields(actor, definition.source)
        bare = sorted(masked & shown_fields(definition)) if masked else ()
        if bare:
            fields = ", ".join(bare)
            raise forbidden(f"{fields} of source {definition.source} are sensitive; mark the features of them so too")

    def is_exempt(self, person: str) -> bool:
        """Whether a person is one of the platform's services."""
        return person.startswith(_PLATFORM)

    async def grant(self, wanted: FeatureAccessGranted, actor: Actor) -> bool:
        """Record a grant; says whether it is news.

        Raises:
            ImpossibleGrantError: it allows nothing.
        """
        return await self._change(wanted.kind, wanted.name, actor, lambda now: grant(now, wanted))

    async def revoke(self, kind: Kind, name: str, grantee: Grantee, reason: str, actor: Actor) -> None:
        """Take a grant away.

        Raises:
            UnknownGrantError: there is none.
        """
        await self._change(kind, name, actor, lambda now: revoke(now, grantee, reason))

    async def open(self, kind: Kind, name: str, reason: str, actor: Actor) -> None:
        """Open a view or a source to all.

        Raises:
            UnknownGrantError: it is open.
        """
        await self._change(kind, name, actor, lambda now: open_again(now, reason))

    async def _change(self, kind: Kind, name: str, actor: Actor, decide: Decider) -> bool:
        async with self._units.begin(actor=actor.name) as unit:
            now = await unit.load(Grants, Grants.key_of(kind, name))
            facts = decide(now)
            if facts:
                await unit.append(now, facts)
                await store.project(unit.connection, facts, unit.now(), actor.name)
        await self.refresh()
        return bool(facts)


def _is_exempt(actor: Actor) -> bool:
    return actor.role is Role.ADMIN or actor.name.startswith(_PLATFORM)


def _reads(transformation: TransformationDefinition | None, hidden: Mapping[str, Collection[str]]) -> bool:
    """Whether a transformation is made of a feature that is hidden."""
    if transformation is None:
        return False
    parted = (ref.partition(":") for ref in transformation.inputs.values())
    return any(feature in hidden.get(view, ()) for view, _, feature in parted)


def _refuse(person: str, action: Action, refused: Sequence[Resource]) -> None:
    if not refused:
        return
    things = ", ".join(" ".join(one) for one in refused)
    detail = f"{person} has no grant to {action} {things}; an administrator can give one"
    raise forbidden(detail)


def forbidden(detail: str) -> ProblemError:
    """The answer to whoever may not do something; the detail says what was not granted."""
    return ProblemError(403, "forbidden", "You may not do this", detail)
