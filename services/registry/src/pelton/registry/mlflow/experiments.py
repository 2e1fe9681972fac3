"""Routes of experiments."""

from typing import Final

import msgspec

from pelton.eventkit.identity import Role
from pelton.registry.mlflow import limits
from pelton.registry.mlflow.reading import Required
from pelton.registry.mlflow.wire import Call, Endpoint, invalid
from pelton.registry.tracking import experiments
from pelton.registry.tracking.times import milliseconds


class Tag(msgspec.Struct):
    """A tag."""

    key: Required
    value: str | None = None


class Create(msgspec.Struct):
    """A new experiment."""

    name: Required
    artifact_location: str | None = None
    tags: list[Tag] | None = None


class ById(msgspec.Struct):
    """An experiment."""

    experiment_id: Required


class ByName(msgspec.Struct):
    """An experiment by its name."""

    experiment_name: Required


class Rename(msgspec.Struct):
    """Another name for an experiment."""

    experiment_id: Required
    new_name: Required


class SetTag(msgspec.Struct):
    """A tag for an experiment."""

    experiment_id: Required
    key: Required
    value: str | None = None


class DeleteTag(msgspec.Struct):
    """A tag to take away."""

    experiment_id: Required
    key: Required


async def create(call: Call, request: Create) -> object:
    """Make an experiment."""
    limits.check_length(request.name, limits.EXPERIMENT_NAME_LENGTH, "name")
    location = request.artifact_location or None
    if location is not None:
        limits.check_length(location, limits.LOCATION_LENGTH, "artifact_location")
        if location.startswith("runs:"):
            raise invalid(f"Artifact location cannot be a runs:/ URI. Given: '{location}'")
    tags = {tag.key: tag.value or "" for tag in request.tags or ()}
    for place, (key, value) in enumerate(tags.items()):
        _check_tag(key, value, f"tags[{place}].")
    created = await experiments.create(call.backend.pool, request.name, location, tags, _now(call))
    return {"experiment_id": str(created)}


async def get(call: Call, request: ById) -> object:
    """An experiment."""
    return _answer(await experiments.get(call.backend.pool, limits.parse_experiment_id(request.experiment_id)))


async def get_by_name(call: Call, request: ByName) -> object:
    """An experiment, deleted or not."""
    return _answer(await experiments.get_by_name(call.backend.pool, request.experiment_name))


async def rename(call: Call, request: Rename) -> None:
    """Give an experiment another name."""
    limits.check_length(request.new_name, limits.EXPERIMENT_NAME_LENGTH, "new_name")
    experiment_id = limits.parse_experiment_id(request.experiment_id)
    await experiments.rename(call.backend.pool, experiment_id, request.new_name, _now(call))


async def delete(call: Call, request: ById) -> None:
    """Mark an experiment and its runs as deleted."""
    await experiments.delete(call.backend.pool, limits.parse_experiment_id(request.experiment_id), _now(call))


async def restore(call: Call, request: ById) -> None:
    """Undo a deletion."""
    await experiments.restore(call.backend.pool, limits.parse_experiment_id(request.experiment_id), _now(call))


async def set_tag(call: Call, request: SetTag) -> None:
    """Set a tag."""
    value = request.value or ""
    _check_tag(request.key, value)
    experiment_id = limits.parse_experiment_id(request.experiment_id)
    await experiments.set_tag(call.backend.pool, experiment_id, request.key, value)


async def delete_tag(call: Call, request: DeleteTag) -> None:
    """Take a tag away."""
    experiment_id = limits.parse_experiment_id(request.experiment_id)
    await experiments.delete_tag(call.backend.pool, experiment_id, request.key)


def _check_tag(key: str, value: str, at: str = "") -> None:
    limits.check_key(key, f"{at}key")
    limits.check_length(value, limits.EXPERIMENT_TAG_LENGTH, f"{at}value")


def _answer(experiment: str) -> msgspec.Raw:
    return msgspec.Raw(f'{{"experiment":{experiment}}}'.encode())


def _now(call: Call) -> int:
    return milliseconds(call.backend.units.clock())


PATH: Final = "2.0/mlflow/experiments"

ENDPOINTS: Final = (
    Endpoint("POST", f"{PATH}/create", Role.CONTRIBUTOR, Create, create),
    Endpoint("GET", f"{PATH}/get", Role.VIEWER, ById, get),
    Endpoint("GET", f"{PATH}/get-by-name", Role.VIEWER, ByName, get_by_name),
    Endpoint("POST", f"{PATH}/update", Role.CONTRIBUTOR, Rename, rename),
    Endpoint("POST", f"{PATH}/delete", Role.CONTRIBUTOR, ById, delete),
    Endpoint("POST", f"{PATH}/restore", Role.CONTRIBUTOR, ById, restore),
    Endpoint("POST", f"{PATH}/set-experiment-tag", Role.CONTRIBUTOR, SetTag, set_tag),
    Endpoint("POST", f"{PATH}/delete-experiment-tag", Role.CONTRIBUTOR, DeleteTag, delete_tag),
)
