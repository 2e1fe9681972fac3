"""Stages as MLflow's clients call them."""

from collections.abc import Mapping
from typing import Final

from pelton.contracts.values import Stage
from pelton.registry.mlflow.wire import invalid

NAMES: Final[Mapping[Stage, str]] = {
    "development": "None",
    "staging": "Staging",
    "production": "Production",
    "archived": "Archived",
}
STAGES: Final[Mapping[str, Stage]] = {name.lower(): stage for stage, name in NAMES.items()}


def stage_of(name: str) -> Stage:
    """The stage that a client means, in whatever case.

    Raises:
        MlflowError: there is no such stage.
    """
    stage = STAGES.get(name.lower())
    if stage is None:
        raise invalid(f"Invalid Model Version stage: {name}. Value must be one of {', '.join(NAMES.values())}.")
    return stage
