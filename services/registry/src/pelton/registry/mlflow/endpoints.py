"""Every route of MLflow's interface that Pelton answers."""

from typing import Final

from pelton.eventkit.identity import Role
from pelton.registry.mlflow import (
    artifacts,
    batches,
    experiments,
    guard,
    inputs,
    logged_models,
    metrics,
    model_versions,
    multipart,
    registered_models,
    runs,
    searching,
    webhooks,
)
from pelton.registry.mlflow.wire import Call, Endpoint

VERSION: Final = "3.17.0"
"""The version of MLflow's interface that `/version` names; clients choose by it what they may call."""


async def server_info(call: Call, _: None) -> object:  # noqa: ARG001
    """What kind of store there is."""
    return {"store_type": "SqlStore", "workspaces_enabled": False}


ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    Endpoint("GET", "3.0/mlflow/server-info", Role.VIEWER, handle=server_info),
    *guard.of_tracking(
        (
            *artifacts.ENDPOINTS,
            *multipart.ENDPOINTS,
            *experiments.ENDPOINTS,
            *runs.ENDPOINTS,
            *batches.ENDPOINTS,
            *metrics.ENDPOINTS,
            *inputs.ENDPOINTS,
            *searching.ENDPOINTS,
            *logged_models.ENDPOINTS,
        )
    ),
    *guard.of_models((*registered_models.ENDPOINTS, *model_versions.ENDPOINTS)),
    *webhooks.ENDPOINTS,
)
