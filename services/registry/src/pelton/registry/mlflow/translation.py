"""What is refused below the routes, in MLflow's codes."""

from collections.abc import Mapping
from typing import Final

from pelton.eventkit.problems import ProblemError
from pelton.registry.mlflow.wire import ErrorCode, MlflowError, from_problem, invalid
from pelton.registry.search.terms import SearchSyntaxError
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


def translate(error: MlflowError | ProblemError | Refusal | SearchSyntaxError) -> MlflowError:
    """A refusal as MLflow would say it."""
    match error:
        case MlflowError():
            return error
        case ProblemError():
            return from_problem(error)
        case SearchSyntaxError():
            return invalid(str(error))
        case Refusal():
            return MlflowError(CODES[type(error)], str(error))
