"""Models and versions that are to be left."""

from collections.abc import Sequence
from datetime import datetime

from pelton.contracts.fact import Fact
from pelton.contracts.registry import DeprecationWithdrawn, ModelDeprecated
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import InvalidDeprecation, NotDeprecated


def deprecate(
    model: Model, number: int | None, sunset: datetime | None, reason: str, successor: int | None, now: datetime
) -> Sequence[Fact]:
    """A model, or one version of it, is to be left by `sunset`. It goes on serving: to stop would be an outage.

    Raises:
        UnknownVersion: the model does not have it, or not the successor.
        InvalidDeprecation: the sunset is past, or nobody could follow.
    """
    if number is not None:
        model.version(number)
    if sunset is not None and sunset <= now:
        raise InvalidDeprecation(f"the sunset {sunset:%Y-%m-%d %H:%M %Z} is past; give users time to leave")
    if successor is not None:
        following = model.version(successor)
        if successor == number:
            raise InvalidDeprecation(f"{following} cannot follow itself; name another version")
        if successor in model.deprecations:
            raise InvalidDeprecation(f"{following} is deprecated too; name a version that stays")
    return [ModelDeprecated(model=model.name, version=number, sunset=sunset, reason=reason, successor=successor)]


def withdraw_deprecation(model: Model, number: int | None, reason: str) -> Sequence[Fact]:
    """A model, or one version of it, stays after all.

    Raises:
        NotDeprecated: nobody said otherwise.
    """
    if number not in model.deprecations:
        raise NotDeprecated(f"{model.name if number is None else model.version(number)} is not deprecated")
    return [DeprecationWithdrawn(model=model.name, version=number, reason=reason)]
