"""The domain's refusals as problems."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import FieldError, ProblemError
from pelton.registry.domain.refusals import (
    InvalidDefinition,
    InvalidDeprecation,
    InvalidName,
    InvalidPolicy,
    InvalidText,
    InvalidVariants,
    NotDeprecated,
    NotYourRequest,
    NoVariants,
    OwnRequest,
    Refusal,
    UnknownAlias,
    UnknownModel,
    UnknownVersion,
)

CONFLICT: Final = 409
STATUS: Final[Mapping[type[Refusal], int]] = {
    UnknownModel: 404,
    UnknownVersion: 404,
    UnknownAlias: 404,
    NoVariants: 404,
    NotDeprecated: 404,
    OwnRequest: 403,
    NotYourRequest: 403,
    InvalidDefinition: 422,
    InvalidDeprecation: 422,
    InvalidName: 422,
    InvalidPolicy: 422,
    InvalidText: 422,
    InvalidVariants: 422,
}
"""The status of an answer that is a refusal; of all others, whose time may come, 409."""


def problem_of(refusal: Refusal) -> ProblemError:
    """A refusal as a problem."""
    faults = [FieldError(refusal.field, str(refusal))] if isinstance(refusal, InvalidDefinition) else []
    return ProblemError(STATUS.get(type(refusal), CONFLICT), refusal.slug, refusal.title, str(refusal), faults)


@contextmanager
def problems() -> Iterator[None]:
    """Answer refusals within as problems."""
    try:
        yield
    except Refusal as refusal:
        raise problem_of(refusal) from refusal


def check_role(actor: Actor, role: str | None, what: str) -> None:
    """Let an actor pass who has a role, where one is needed.

    Raises:
        ProblemError: 403.
    """
    if role is not None and not actor.may(Role[role.upper()]):
        raise forbidden(f"{what} needs the role {role}, and {actor.name} has {actor.role.name.lower()}")


def forbidden(detail: str) -> ProblemError:
    """The answer to somebody who may not do this."""
    return ProblemError(403, "forbidden", "You may not do this", detail)
