"""Gives the registry a client's command, and says its refusals in MLflow's words and codes."""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from pelton.eventkit.store import ConcurrencyConflictError
from pelton.eventkit.unit import UnitOfWork
from pelton.registry.access.control import OnModel
from pelton.registry.access.domain import Action
from pelton.registry.domain.refusals import (
    InvalidName,
    InvalidText,
    ModelExists,
    Refusal,
    ReservedAlias,
    UnknownModel,
    UnknownVersion,
)
from pelton.registry.mlflow.wire import Call, ErrorCode, MlflowError, invalid, missing

Answer = TypeVar("Answer")

ATTEMPTS: Final = 5


async def permit_reading(call: Call, subject: OnModel) -> None:
    """Let the caller read this.

    Raises:
        ProblemError: 403.
    """
    await call.backend.access.on_model(call.actor, Action.READ, subject)


async def order(
    call: Call, action: Action, subject: OnModel, command: Callable[[UnitOfWork], Awaitable[Answer]]
) -> Answer:
    """Do a command in a unit of its own, if the caller may; again where another one was faster.

    Raises:
        ProblemError: 403.
        MlflowError: the registry refuses it, or others were faster each time.
    """
    for _ in range(ATTEMPTS):
        try:
            async with call.backend.units.begin(actor=call.actor.name) as unit:
                await call.backend.access.on_model(call.actor, action, subject, connection=unit.connection)
                return await command(unit)
        except ConcurrencyConflictError:
            continue
        except Refusal as refusal:
            raise translated(refusal, subject.name, subject.version) from refusal
    raise MlflowError(
        ErrorCode.RESOURCE_CONFLICT,
        f"The registered model {subject.name} was changed by others at the same time, {ATTEMPTS} times over; try again",
    )


def translated(refusal: Refusal, name: str, version: int | None = None) -> MlflowError:
    """A refusal as MLflow would say it."""
    match refusal:
        case UnknownModel():
            return no_model(name)
        case UnknownVersion():
            return no_version(name, version)
        case ModelExists():
            return MlflowError(
                ErrorCode.RESOURCE_ALREADY_EXISTS, f"Registered Model (name={name}) already exists. {refusal}"
            )
        case InvalidName() | InvalidText() | ReservedAlias():
            return invalid(str(refusal))
        case _:
            # the model's state does not allow it
            return MlflowError(ErrorCode.RESOURCE_CONFLICT, str(refusal))


def no_model(name: str) -> MlflowError:
    """The answer where there is no such model."""
    return missing(f"Registered Model with name={name} not found")


def no_version(name: str, number: int | None) -> MlflowError:
    """The answer where there is no such version."""
    return missing(f"Model Version (name={name}, version={number}) not found")
