"""Transformations: their versions, made of fields of the request and of features of views."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from pelton.contracts.definitions import FeatureViewDefinition, TransformationDefinition
from pelton.contracts.fact import Fact
from pelton.contracts.feature import FeatureDefinitionRemoved, TransformationApplied
from pelton.contracts.values import Digest
from pelton.feature.domain.errors import IncompatibleError, UnknownDefinitionError
from pelton.feature.domain.named import Named
from pelton.tiles.expressions import Expression


@dataclass(frozen=True, slots=True)
class Transformation(Named):
    """A transformation and its versions, the newest last."""

    versions: tuple[TransformationDefinition, ...] = ()

    category: ClassVar[str] = "transformations"

    @property
    def definition(self) -> TransformationDefinition | None:
        """The newest version."""
        return self.versions[-1] if self.versions else None

    def evolve(self, fact: Fact) -> Self:
        """The transformation after one more fact."""
        match fact:
            case TransformationApplied():
                others = tuple(one for one in self.versions if one.digest != fact.definition_digest)
                return replace(self, versions=(*others, fact.definition))
            case FeatureDefinitionRemoved():
                return replace(self, versions=tuple(one for one in self.versions if one.digest not in fact.versions))
            case _:
                return self


def apply_transformation(
    transformation: Transformation,
    definition: TransformationDefinition,
    views: Mapping[str, FeatureViewDefinition],
    read: Collection[str] = (),
) -> Sequence[Fact]:
    """Add a version of a transformation; the same definition again changes nothing.

    `views` are the newest versions by name; `read` are the features of it that feature services name.

    Raises:
        ExpressionError: one of its features is no expression.
        IncompatibleError: a view has its name, an input is no feature of a view, an expression reads what is neither
            an input nor a field of the request, or a feature that is read would be gone.
    """
    if transformation.definition is not None and transformation.definition.digest == definition.digest:
        return []
    name = definition.name
    if name in views:
        raise IncompatibleError(f"a feature view has the name {name!r}, and features go by both: choose another name")
    for local, ref in definition.inputs.items():
        _check_input(name, local, ref, views)
    given = definition.inputs.keys() | set(definition.request)
    for feature, text in definition.features.items():
        unknown = sorted(Expression.parse(text).fields - given)
        if unknown:
            raise IncompatibleError(
                f"feature {feature!r} of transformation {name!r} reads {', '.join(unknown)}, which is neither one of "
                f"its `inputs` nor a field of its `request`: {', '.join(sorted(given)) or 'there are none'}"
            )
    gone = sorted(set(read) - definition.features.keys())
    if gone:
        raise IncompatibleError(
            f"feature services name {', '.join(gone)} of transformation {name!r}; keep it, or apply "
            "them without it first"
        )
    return [TransformationApplied(transformation=name, definition=definition, definition_digest=definition.digest)]


def remove_transformation(
    transformation: Transformation,
    digest: Digest | None,
    reason: str,
    *,
    models: Mapping[Digest, Sequence[str]],
    readers: Collection[str],
) -> Sequence[Fact]:
    """Remove one version of a transformation, or all of them.

    `models` and `readers` are as for `remove_view`.

    Raises:
        UnknownDefinitionError: there is no such transformation, or no such version of it.
        IncompatibleError: what would go is used.
    """
    newest = transformation.definition
    if newest is None:
        raise UnknownDefinitionError(f"there is no transformation {transformation.name!r}")
    versions = tuple(one.digest for one in transformation.versions)
    if digest is not None and digest not in versions:
        raise UnknownDefinitionError(f"{transformation.name!r} has no version {digest}; it has: {', '.join(versions)}")
    gone = versions if digest is None else (digest,)
    users = {user for one in gone for user in models.get(one, ())}
    users |= set(readers) if newest.digest in gone else set()
    if users:
        raise IncompatibleError(f"{', '.join(sorted(users))} uses it; remove it when nothing does any more")
    return [FeatureDefinitionRemoved(kind="transformation", name=transformation.name, versions=gone, reason=reason)]


def _check_input(name: str, local: str, ref: str, views: Mapping[str, FeatureViewDefinition]) -> None:
    of, _, feature = ref.partition(":")
    view = views.get(of)
    if view is None or feature not in view.feature_names:
        known = ", ".join(view.feature_names) if view is not None else f"no view {of!r}"
        raise IncompatibleError(
            f"input {local!r} of transformation {name!r} is {ref}, which no registered view makes (there is {known}); "
            "apply the view first"
        )
    lists = {f"{one.name}_{window}" for one in view.aggregates if one.function == "top_k" for window in one.windows}
    if feature in lists:
        raise IncompatibleError(
            f"input {local!r} of transformation {name!r} is {ref}, a list of values; expressions take one value a row"
        )
