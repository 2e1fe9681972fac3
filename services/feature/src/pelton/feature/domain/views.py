"""Feature views: their versions beside one another, and how they are left."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Final, Self

import numpy as np

from pelton.contracts.definitions import EntityDefinition, FeatureViewDefinition, SourceDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import (
    FeatureDefinitionRemoved,
    FeatureViewApplied,
    FeatureViewDeprecated,
    FeatureViewDeprecationWithdrawn,
)
from pelton.contracts.values import Digest
from pelton.feature.domain.errors import IncompatibleError, UnknownDefinitionError
from pelton.feature.domain.named import Named
from pelton.feature.domain.sources import Source
from pelton.feature.fields import expressions_of, fields_read, kinds
from pelton.tiles.expressions import Column, Expression, ExpressionError

# Functions that take texts as well as numbers.
_OF_TEXTS: Final = frozenset({"first", "last", "distinct", "top_k"})


@dataclass(frozen=True, slots=True)
class View(Named):
    """A feature view: its versions, the newest last, and its deprecation while it has one."""

    versions: tuple[FeatureViewDefinition, ...] = ()
    deprecation: FeatureViewDeprecated | None = None

    category: ClassVar[str] = "views"

    @property
    def definition(self) -> FeatureViewDefinition | None:
        """The newest version."""
        return self.versions[-1] if self.versions else None

    def evolve(self, fact: Fact) -> Self:
        """The view after one more fact."""
        match fact:
            case FeatureViewApplied():
                others = tuple(one for one in self.versions if one.digest != fact.definition_digest)
                return replace(self, versions=(*others, fact.definition))
            case FeatureViewDeprecated():
                return replace(self, deprecation=fact)
            case FeatureViewDeprecationWithdrawn():
                return replace(self, deprecation=None)
            case FeatureDefinitionRemoved():
                kept = tuple(one for one in self.versions if one.digest not in fact.versions)
                return replace(self, versions=kept, deprecation=self.deprecation if kept else None)
            case _:
                return self


def apply(
    view: View,
    definition: FeatureViewDefinition,
    source: Source,
    entity: EntityDefinition | None = None,
    readers: Mapping[str, Sequence[str]] | None = None,
) -> Sequence[Fact]:
    """Add a version of a view; the same definition again changes nothing.

    `entity` is the declared entity that the view is by, if there is one; `readers` are the transformations and feature
    services that read the view, by feature.

    Raises:
        IncompatibleError: its source is unknown, has not the fields that it needs as numbers or texts, or they are of
            the wrong kind; its keys are not the entity's; or a feature that is read would be gone.
    """
    if view.definition is not None and view.definition.digest == definition.digest:
        return []
    if source.definition is None:
        raise IncompatibleError(
            f"view {definition.name!r} reads source {definition.source!r}, which is not registered; register it first"
        )
    _check_fields(definition, source.definition)
    if entity is not None and entity.keys != definition.join_keys:
        raise IncompatibleError(
            f"view {definition.name!r} is by the keys {', '.join(definition.join_keys)}, and the entity "
            f"{entity.name!r} has {', '.join(entity.keys)}; give the view these `keys`"
        )
    gone = {feature: users for feature, users in (readers or {}).items() if feature not in definition.feature_names}
    if gone:
        users = sorted({user for one in gone.values() for user in one})
        raise IncompatibleError(
            f"{', '.join(users)} reads {', '.join(sorted(gone))} of view {definition.name!r}; keep the feature, or "
            "apply what reads it without it first"
        )
    return [FeatureViewApplied(view=definition.name, definition=definition, definition_digest=definition.digest)]


def deprecate(view: View, *, reason: str, sunset: datetime | None, successor: View | None) -> Sequence[Fact]:
    """Say that a view is to be left; the same words again change nothing.

    Raises:
        UnknownDefinitionError: there is no such view, or no such successor.
        IncompatibleError: it would succeed itself, or its successor is deprecated too.
    """
    _known(view)
    if successor is not None:
        _known(successor)
        if successor.name == view.name or successor.deprecation is not None:
            raise IncompatibleError(
                f"{successor.name!r} cannot succeed {view.name!r}: name another view, one that is not deprecated"
            )
    name = None if successor is None else successor.name
    fact = FeatureViewDeprecated(view=view.name, reason=reason, sunset=sunset, successor=name)
    return [] if fact == view.deprecation else [fact]


def withdraw_deprecation(view: View, reason: str) -> Sequence[Fact]:
    """Say that a view may be used again; nothing where it is not deprecated.

    Raises:
        UnknownDefinitionError: there is no such view.
    """
    _known(view)
    return [] if view.deprecation is None else [FeatureViewDeprecationWithdrawn(view=view.name, reason=reason)]


def remove_view(
    view: View,
    digest: Digest | None,
    reason: str,
    *,
    models: Mapping[Digest, Sequence[str]],
    readers: Collection[str],
) -> Sequence[Fact]:
    """Remove one version of a view, or all of them.

    `models` are the versions of models that use the view, by its version; `readers` are the transformations, feature
    services and declared models that name the view: they use its newest version.

    Raises:
        UnknownDefinitionError: there is no such view, or no such version of it.
        IncompatibleError: what would go is used.
    """
    newest = _known(view)
    versions = tuple(one.digest for one in view.versions)
    if digest is not None and digest not in versions:
        raise UnknownDefinitionError(f"{view.name!r} has no version {digest}; it has: {', '.join(versions)}")
    gone = versions if digest is None else (digest,)
    users = {user for one in gone for user in models.get(one, ())}
    users |= set(readers) if newest.digest in gone else set()
    if users:
        raise IncompatibleError(
            f"{', '.join(sorted(users))} uses it; `deprecate` the view, so that it is left, and remove it then"
        )
    return [FeatureDefinitionRemoved(kind="feature view", name=view.name, versions=gone, reason=reason)]


def _known(view: View) -> FeatureViewDefinition:
    if view.definition is None:
        raise UnknownDefinitionError(f"there is no feature view {view.name!r}")
    return view.definition


def _check_fields(definition: FeatureViewDefinition, source: SourceDefinition) -> None:
    known = kinds(source)
    missing = sorted(fields_read(definition) - known.keys())
    if missing:
        raise IncompatibleError(
            f"view {definition.name!r} reads {', '.join(missing)}, which source {source.name!r} does not have as a "
            f"number or a text; it has: {', '.join(sorted(known))}"
        )
    nothing = {"number": np.array([np.nan]), "text": np.array([None], dtype=object)}
    row = {name: nothing[kind] for name, kind in known.items()}
    texts = {aggregate.value for aggregate in definition.aggregates if aggregate.function in _OF_TEXTS}
    texts |= {latest.value for latest in definition.latest}
    for text in expressions_of(definition):
        _check_kind(text, row, may_be_text=text in texts, view=definition.name)


def _check_kind(text: str, row: Mapping[str, Column], *, may_be_text: bool, view: str) -> None:
    """Evaluate over one row of nulls, which shows what the kinds of the fields make of an expression."""
    expression = Expression.parse(text)
    try:
        expression.column(row) if may_be_text else expression.evaluate(row)
    except ExpressionError as error:
        raise IncompatibleError(f"view {view!r}: {error}") from error
