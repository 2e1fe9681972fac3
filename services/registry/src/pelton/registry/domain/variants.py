"""A/B tests that people run: which versions answer by name, each for a share of the keys."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Final

from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelRolledBack, Variant, VariantsConfigured, VariantsEnded
from pelton.contracts.values import Stage
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import InvalidVariants, NoVariants

SERVED: Final[tuple[Stage, ...]] = ("staging", "production")
"""The stages of a version that may answer requests."""


def configure(model: Model, variants: Sequence[Variant], key: str, salt: str, reason: str) -> Sequence[Fact]:
    """Several versions answer from now on; the same again is no fact.

    Raises:
        UnknownVersion: the model does not have one of them.
        InvalidVariants: weights, names or stages that make no test, or a model without a champion.
    """
    _check_shares(variants)
    if model.champion is None:
        raise InvalidVariants(
            f"{model.name} has no champion, which answers in place of a variant that fails: promote a version first"
        )
    versions = [model.version(one.version) for one in variants]
    idle = [str(one) for one in versions if one.stage not in SERVED]
    if idle:
        raise InvalidVariants(f"{', '.join(idle)} stands neither in staging nor in production: move it there first")
    details = tuple(one.details for one in versions if one.details is not None)
    wanted = VariantsConfigured(
        model=model.name, variants=tuple(variants), key=key, salt=salt, reason=reason, details=details
    )
    same = model.variants is not None and model.variants == wanted.model_copy(update={"reason": model.variants.reason})
    return [] if same else [wanted]


def end(model: Model, reason: str) -> Sequence[Fact]:
    """The champion answers alone from now on.

    Raises:
        NoVariants: it does already.
    """
    if model.variants is None:
        raise NoVariants(f"no variants of {model.name} are configured")
    return [VariantsEnded(model=model.name, reason=reason)]


def with_end(model: Model, facts: Sequence[Fact]) -> Sequence[Fact]:
    """These facts, and the end of the variants where they take a version of them, or the champion, out of service."""
    after = model
    for fact in facts:
        after = after.evolve(fact)
    if model.variants is None or after.variants is None:
        return facts
    reason = _why_over(after, after.variants, facts)
    return facts if reason is None else [*facts, *end(after, reason)]


def _why_over(model: Model, configured: VariantsConfigured, facts: Sequence[Fact]) -> str | None:
    if any(isinstance(fact, ModelRolledBack) for fact in facts):
        return f"the champion was rolled back to v{model.champion}"
    if model.champion is None:
        return "there is no champion any more"
    standing = {version.number for stage in SERVED for version in model.standing(stage)}
    gone = [f"{one.name} (v{one.version})" for one in configured.variants if one.version not in standing]
    return f"out of service: {', '.join(gone)}" if gone else None


def _check_shares(variants: Sequence[Variant]) -> None:
    if len(variants) < 2:  # noqa: PLR2004 - a test compares
        raise InvalidVariants("a test has two variants or more; to serve one version alone, promote it")
    for what, values in (("name", [one.name for one in variants]), ("version", [one.version for one in variants])):
        twice = sorted(str(value) for value, count in Counter(values).items() if count > 1)
        if twice:
            raise InvalidVariants(f"two variants have the {what} {', '.join(twice)}")
    total = math.fsum(one.weight for one in variants)
    if not math.isclose(total, 1.0, abs_tol=1e-9):
        raise InvalidVariants(f"the weights add up to {total:.6g}; they must to 1")
