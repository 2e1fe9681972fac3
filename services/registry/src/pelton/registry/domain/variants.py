"""A/B tests that people run: which versions answer by name, each for a share of the keys."""

import math
from collections import Counter
from collections.abc import Sequence

from pelton.contracts.fact import Fact
from pelton.contracts.registry import Variant, VariantsConfigured, VariantsEnded
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import InvalidVariants, NoVariants


def configure(model: Model, variants: Sequence[Variant], key: str, salt: str, reason: str) -> Sequence[Fact]:
    """Several versions answer from now on; the same again is no fact.

    Raises:
        UnknownVersion: the model does not have one of them.
        InvalidVariants: weights, names or stages that make no test.
    """
    _check_shares(variants)
    versions = [model.version(one.version) for one in variants]
    idle = [str(one) for one in versions if one.stage not in {"staging", "production"}]
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
