"""Routes of runs: what they are, from their beginning to their end. What they log is in `logging`."""

from typing import Final, Literal, TypeAlias

import msgspec

from pelton.eventkit.identity import Role
from pelton.registry.mlflow import limits
from pelton.registry.mlflow.reading import Required, Time, missing_value
from pelton.registry.mlflow.wire import Call, Endpoint, invalid
from pelton.registry.tracking import experiments, runs
from pelton.registry.tracking.names import name_of
from pelton.registry.tracking.times import milliseconds

Status: TypeAlias = Literal["RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED", 1, 2, 3, 4, 5]
"""By name, or by number as Protocol Buffers have it."""

STATUSES: Final = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")


class Tag(msgspec.Struct):
    """A tag."""

    key: Required
    value: str | None = None


class Create(msgspec.Struct):
    """A run that begins."""

    experiment_id: str | None = None
    user_id: str | None = None
    run_name: str | None = None
    start_time: Time | None = None
    tags: list[Tag] | None = None


class OfRun(msgspec.Struct):
    """A run, by the name that its identifier has now or by the one that it had in MLflow 1."""

    run_id: str | None = None
    run_uuid: str | None = None

    @property
    def run(self) -> str:
        """The run's identifier.

        Raises:
            MlflowError: there is none.
        """
        found = self.run_id or self.run_uuid
        if not found:
            raise missing_value("run_id")
        return found


class Update(OfRun):
    """What changes of a run."""

    status: Status | None = None
    end_time: Time | None = None
    run_name: str | None = None


class DeleteTag(OfRun, kw_only=True):
    """A tag to take away."""

    key: Required


async def create(call: Call, request: Create) -> object:
    """Begin a run; without a name it gets one."""
    tags = {tag.key: (tag.value or "")[: limits.TAG_LENGTH] for tag in request.tags or ()}
    for place, key in enumerate(tags):
        limits.check_key(key, f"tags[{place}].key")
    tagged = tags.get(runs.RUN_NAME)
    if request.run_name and tagged and request.run_name != tagged:
        raise invalid(
            "Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values "
            f"(run_name='{request.run_name}', mlflow.runName='{tagged}'). Give one of them, or the same name."
        )
    run_id = call.backend.units.new_id()
    name = request.run_name or tagged or name_of(run_id)
    start_time = request.start_time or milliseconds(call.backend.units.clock())
    experiment_id = limits.parse_experiment_id(request.experiment_id or str(experiments.DEFAULT))
    user = request.user_id or call.actor.name
    new = runs.NewRun(run_id.hex, experiment_id, name, user, start_time, tags | {runs.RUN_NAME: name})
    info = {
        "run_id": new.run_id,
        "run_uuid": new.run_id,
        "run_name": name,
        "experiment_id": str(experiment_id),
        "user_id": user,
        "status": "RUNNING",
        "start_time": start_time,
        "artifact_uri": await runs.create(call.backend.pool, new),
        "lifecycle_stage": "active",
    }
    data = {"metrics": [], "params": [], "tags": [{"key": key, "value": value} for key, value in new.tags.items()]}
    return {"run": {"info": info, "data": data, "inputs": {}}}


async def get(call: Call, request: OfRun) -> object:
    """A run with its data."""
    return msgspec.Raw(f'{{"run":{await runs.get(call.backend.pool, request.run)}}}'.encode())


async def update(call: Call, request: Update) -> object:
    """Change a run's status, end or name."""
    status = STATUSES[request.status - 1] if isinstance(request.status, int) else request.status
    info = await runs.update(call.backend.pool, request.run, status, request.end_time, request.run_name or None)
    return msgspec.Raw(f'{{"run_info":{info}}}'.encode())


async def delete(call: Call, request: OfRun) -> None:
    """Mark a run as deleted, unless versions of models were made from it."""
    await runs.delete(call.backend.pool, request.run)


async def restore(call: Call, request: OfRun) -> None:
    """Undo a deletion."""
    await runs.restore(call.backend.pool, request.run)


async def delete_tag(call: Call, request: DeleteTag) -> None:
    """Take a tag away."""
    await runs.delete_tag(call.backend.pool, request.run, request.key)


PATH: Final = "2.0/mlflow/runs"

ENDPOINTS: Final = (
    Endpoint("POST", f"{PATH}/create", Role.CONTRIBUTOR, Create, create),
    Endpoint("GET", f"{PATH}/get", Role.VIEWER, OfRun, get),
    Endpoint("POST", f"{PATH}/update", Role.CONTRIBUTOR, Update, update),
    Endpoint("POST", f"{PATH}/delete", Role.CONTRIBUTOR, OfRun, delete),
    Endpoint("POST", f"{PATH}/restore", Role.CONTRIBUTOR, OfRun, restore),
    Endpoint("POST", f"{PATH}/delete-tag", Role.CONTRIBUTOR, DeleteTag, delete_tag),
)
