"""Routes of what runs were given and what they made."""

from typing import Annotated, Final

import msgspec

from pelton.eventkit.identity import Role
from pelton.registry.mlflow import limits
from pelton.registry.mlflow.reading import Int64, Required
from pelton.registry.mlflow.wire import Call, Endpoint, invalid
from pelton.registry.tracking import inputs

MOST_EXPERIMENTS: Final = 20
MOST_SUMMARIES: Final = 1000


class Tag(msgspec.Struct):
    """A tag of a dataset that a run used."""

    key: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    value: Annotated[str, msgspec.Meta(max_length=500)]


class Dataset(msgspec.Struct, omit_defaults=True):
    """A dataset."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=500)]
    digest: Annotated[str, msgspec.Meta(min_length=1, max_length=36)]
    source_type: Required
    source: Annotated[str, msgspec.Meta(min_length=1, max_length=65_535)]
    schema: Annotated[str, msgspec.Meta(max_length=1_048_575)] | None = None
    profile: Annotated[str, msgspec.Meta(max_length=16_777_215)] | None = None


class DatasetInput(msgspec.Struct):
    """A dataset that a run used, and how."""

    dataset: Dataset
    tags: list[Tag] | None = None


class Model(msgspec.Struct):
    """A logged model that a run was given."""

    model_id: Required


class MadeModel(msgspec.Struct):
    """A logged model that a run made."""

    model_id: Required
    step: Int64 | None = None


class LogInputs(msgspec.Struct):
    """What a run was given."""

    run_id: Required
    datasets: list[DatasetInput] | None = None
    models: list[Model] | None = None


class LogOutputs(msgspec.Struct):
    """What a run made."""

    run_id: Required
    models: list[MadeModel]


class RecordModel(msgspec.Struct):
    """The description of a model that a run made, as clients of MLflow 2 send it: JSON in a text."""

    run_id: Required
    model_json: Required


class Description(msgspec.Struct):
    """What such a description has at least."""

    artifact_path: str | None
    flavors: dict[str, msgspec.Raw]
    utc_time_created: str
    run_id: str | None


class SearchDatasets(msgspec.Struct):
    """The experiments whose datasets are asked for."""

    experiment_ids: list[str] | None = None


async def log_inputs(call: Call, request: LogInputs) -> None:
    """Say what a run was given."""
    limits.check_run_id(request.run_id)
    datasets = [
        inputs.Dataset(
            name=one.dataset.name,
            digest=one.dataset.digest,
            source_type=one.dataset.source_type,
            source=one.dataset.source,
            schema=one.dataset.schema,
            profile=one.dataset.profile,
            context=next((tag.value for tag in one.tags or () if tag.key == inputs.CONTEXT), None),
            tags=msgspec.json.encode(one.tags or []).decode(),
        )
        for one in request.datasets or ()
    ]
    models = [inputs.LoggedModel(one.model_id) for one in request.models or ()]
    async with call.backend.pool.acquire() as connection, connection.transaction():
        await inputs.add_datasets(connection, request.run_id, datasets)
        await inputs.add_models(connection, request.run_id, "input", models)


async def log_outputs(call: Call, request: LogOutputs) -> None:
    """Say which models a run made."""
    models = [inputs.LoggedModel(one.model_id, one.step or 0) for one in request.models]
    await inputs.add_models(call.backend.pool, request.run_id, "output", models)


async def record_model(call: Call, request: RecordModel) -> None:
    """Add a model to the tag in which clients of MLflow 2 look for them."""
    try:
        msgspec.json.decode(request.model_json, type=Description)
    except msgspec.MsgspecError as error:
        raise invalid(f"Malformed model info: model_json cannot be read. {error}") from error
    await inputs.record_model(call.backend.pool, request.run_id, request.model_json)


async def search_datasets(call: Call, request: SearchDatasets) -> object:
    """The datasets that runs of some experiments used."""
    if not request.experiment_ids:
        raise invalid("SearchDatasets request must specify at least one experiment_id.")
    if len(request.experiment_ids) > MOST_EXPERIMENTS:
        raise invalid(
            f"SearchDatasets request cannot specify more than {MOST_EXPERIMENTS} experiment_ids. "
            f"Received {len(request.experiment_ids)} experiment_ids."
        )
    ids = [limits.parse_experiment_id(one) for one in request.experiment_ids]
    found = await inputs.summaries(call.backend.pool, ids, MOST_SUMMARIES)
    return msgspec.Raw(f'{{"dataset_summaries":{found}}}'.encode())


ENDPOINTS: Final = (
    Endpoint("POST", "2.0/mlflow/runs/log-inputs", Role.CONTRIBUTOR, LogInputs, log_inputs),
    Endpoint("POST", "2.0/mlflow/runs/outputs", Role.CONTRIBUTOR, LogOutputs, log_outputs),
    Endpoint("POST", "2.0/mlflow/runs/log-model", Role.CONTRIBUTOR, RecordModel, record_model),
    Endpoint("POST", "2.0/mlflow/experiments/search-datasets", Role.VIEWER, SearchDatasets, search_datasets),
)
