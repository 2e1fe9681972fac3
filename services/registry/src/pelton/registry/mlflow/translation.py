"""What tracking refuses, in MLflow's codes."""

from collections.abc import Mapping
from typing import Final

from pelton.registry.mlflow.wire import ErrorCode, MlflowError
from pelton.registry.tracking.refusals import (
    InactiveError,
    MissingError,
    NameTakenError,
    NeededError,
    ParamChangedError,
    Refusal,
)

CODES: Final[Mapping[type[Refusal], ErrorCode]] = {
    MissingError: ErrorCode.RESOURCE_DOES_NOT_EXIST,
    InactiveError: ErrorCode.INVALID_PARAMETER_VALUE,
    NameTakenError: ErrorCode.RESOURCE_ALREADY_EXISTS,
    NeededError: ErrorCode.RESOURCE_CONFLICT,
    ParamChangedError: ErrorCode.INVALID_PARAMETER_VALUE,
}


def from_refusal(refusal: Refusal) -> MlflowError:
    """A refusal as MLflow would say it."""
    return MlflowError(CODES[type(refusal)], str(refusal))
