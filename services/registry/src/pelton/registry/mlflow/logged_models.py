"""Routes of logged models."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import msgspec
from starlette.types import Receive, Send

from pelton.eventkit.identity import Role
from pelton.registry.files.paths import of_location
from pelton.registry.mlflow import artifacts, limits, pages
from pelton.registry.mlflow.reading import Required, invalid_value, missing_value, parse_query
from pelton.registry.mlflow.wire import Call, Endpoint, invalid, missing
from pelton.registry.search.grammar import LOGGED_MODELS
from pelton.registry.search.parser import parse as parse_filter
from pelton.registry.search.parser import parse_field
from pelton.registry.search.terms import Kind, OrderTerm
from pelton.registry.tracking import logged_models, names
from pelton.registry.tracking.logged_models import Dataset, NewModel, Search
from pelton.registry.tracking.times import milliseconds

PAGE: Final = 100
MOST_RESULTS: Final = 50_000
NAME_LENGTH: Final = 500
FORBIDDEN: Final = ("/", ":", ".", "%", '"', "'")
STATUSES: Final = {
    "LOGGED_MODEL_PENDING": "PENDING",
    "LOGGED_MODEL_READY": "READY",
    "LOGGED_MODEL_UPLOAD_FAILED": "FAILED",
    1: "PENDING",
    2: "READY",
    3: "FAILED",
}
"""What clients call a status, by name or by number, and what filters do."""


class Pair(msgspec.Struct):
    """A param or a tag."""

    key: Required
    value: str = ""


class Create(msgspec.Struct):
    """A model that is about to be logged."""

    experiment_id: Required
    name: str | None = None
    model_type: str | None = None
    source_run_id: str | None = None
    params: list[Pair] | None = None
    tags: list[Pair] | None = None


class Get(msgspec.Struct):
    """Whether a deleted model is asked for too."""

    allow_deleted: bool = False


class Finish(msgspec.Struct):
    """How the logging of a model ended."""

    status: str | int


class AddParams(msgspec.Struct):
    """Params of a model."""

    params: list[Pair] | None = None


class SetTags(msgspec.Struct):
    """Tags of a model."""

    tags: list[Pair] | None = None


class OnDataset(msgspec.Struct):
    """A dataset that metrics were measured on."""

    dataset_name: Required
    dataset_digest: str | None = None


class OrderBy(msgspec.Struct):
    """A column of an order; of a metric perhaps on one dataset alone."""

    field_name: Required
    ascending: bool | None = True
    dataset_name: str | None = None
    dataset_digest: str | None = None


class SearchModels(msgspec.Struct):
    """What is searched for."""

    experiment_ids: list[str]
    filter: str | None = None
    datasets: list[OnDataset] | None = None
    max_results: int | None = None
    order_by: list[OrderBy] | None = None
    page_token: str | None = None


class Listing(msgspec.Struct):
    """A folder of a model's files."""

    artifact_directory_path: str = ""


async def create(call: Call, request: Create) -> object:
    """Begin a model."""
    name = request.name or None
    if name is not None:
        _check_name(name)
    new_id = call.backend.units.new_id()
    new = NewModel(
        experiment_id=limits.parse_experiment_id(request.experiment_id),
        name=name or names.name_of(new_id),
        model_type=request.model_type or None,
        source_run_id=request.source_run_id or None,
        params=_pairs(request.params, "params"),
        tags=_pairs(request.tags, "tags"),
    )
    return _answer(await logged_models.create(call.backend.pool, f"m-{new_id.hex}", new, _now(call)))


async def get(call: Call, request: Get) -> object:
    """A model."""
    return _answer(await logged_models.get(call.backend.pool, _model_id(call), deleted=request.allow_deleted))


async def finish(call: Call, request: Finish) -> object:
    """Say whether a model's files arrived."""
    status = STATUSES.get(request.status)
    if status is None:
        raise invalid_value("status", request.status, "it must be LOGGED_MODEL_PENDING, _READY or _UPLOAD_FAILED")
    return _answer(await logged_models.finish(call.backend.pool, _model_id(call), status, _now(call)))


async def delete(call: Call, _: None) -> None:
    """Mark a model as deleted."""
    await logged_models.delete(call.backend.pool, _model_id(call), _now(call))


async def add_params(call: Call, request: AddParams) -> None:
    """Add params."""
    params = _pairs(request.params, "params")
    await logged_models.add_params(call.backend.pool, _model_id(call), params)


async def set_tags(call: Call, request: SetTags) -> object:
    """Set tags."""
    await logged_models.set_tags(call.backend.pool, _model_id(call), _pairs(request.tags, "tags"))
    return _answer(await logged_models.get(call.backend.pool, _model_id(call)))


async def delete_tag(call: Call, _: None) -> None:
    """Take a tag away."""
    await logged_models.delete_tag(call.backend.pool, _model_id(call), call.parameters["key"])


async def search(call: Call, request: SearchModels) -> object:
    """Models that meet a filter, a page at a time."""
    limit = limits.check_max_results(request.max_results or PAGE, MOST_RESULTS)
    query = msgspec.to_builtins([request.experiment_ids, request.filter, request.datasets, request.order_by])
    offset = pages.offset_of(request.page_token, query)
    asked = Search(
        experiments=[limits.parse_experiment_id(one) for one in request.experiment_ids],
        comparisons=parse_filter(request.filter, LOGGED_MODELS),
        datasets=[Dataset(one.dataset_name, one.dataset_digest or None) for one in request.datasets or ()],
        order=[_order(one) for one in request.order_by or ()],
    )
    found = await logged_models.search(call.backend.pool, asked, offset, limit + 1)
    answer: dict[str, object] = {"models": [msgspec.Raw(one.encode()) for one in found[:limit]]}
    if len(found) > limit:
        answer["next_page_token"] = pages.next_token(offset + limit, query)
    return answer


async def list_folder(call: Call, request: Listing) -> object:
    """What lies in a folder of a model."""
    uri = await logged_models.artifact_uri(call.backend.pool, _model_id(call))
    return await artifacts.listing_of(call, uri, request.artifact_directory_path)


async def download(call: Call, receive: Receive, send: Send) -> None:
    """Send a file of a model."""
    path = parse_query(call.scope["query_string"]).get("artifact_file_path")
    if not isinstance(path, str) or not path:
        raise missing_value("artifact_file_path")
    uri = await logged_models.artifact_uri(call.backend.pool, _model_id(call))
    with artifacts.refusals():
        root = of_location(uri)
    if root is None:
        raise missing(f"The files of the logged model {_model_id(call)} are not kept here but at {uri}")
    await artifacts.download(replace(call, parameters={"path": f"{root}/{path}"}), receive, send)


def _check_name(name: str) -> None:
    if any(one in name for one in FORBIDDEN):
        raise invalid(
            f"Invalid model name ({name!r}) provided. Model name must be a non-empty string and cannot contain the "
            f"following characters: {FORBIDDEN}"
        )
    limits.check_length(name, NAME_LENGTH, "name")


def _pairs(given: Sequence[Pair] | None, path: str) -> dict[str, str]:
    """Params or tags by name; of one that comes twice the last counts."""
    for place, pair in enumerate(given or ()):
        limits.check_length(pair.key, limits.KEY_LENGTH, f"{path}[{place}].key")
        limits.check_length(pair.value, limits.TAG_LENGTH, f"{path}[{place}].value")
    return {pair.key: pair.value for pair in given or ()}


def _order(given: OrderBy) -> tuple[OrderTerm, Dataset | None]:
    kind, key = parse_field(given.field_name, LOGGED_MODELS)
    if (given.dataset_name or given.dataset_digest) and kind is not Kind.METRIC:
        raise invalid(f"Only metrics are of a dataset: leave `dataset_name` out of the order by {given.field_name}")
    if given.dataset_digest and not given.dataset_name:
        raise invalid("`dataset_digest` can only be specified if `dataset_name` is also specified.")
    dataset = Dataset(given.dataset_name, given.dataset_digest or None) if given.dataset_name else None
    return OrderTerm(kind, key, ascending=given.ascending is not False), dataset


def _model_id(call: Call) -> str:
    return call.parameters["model_id"]


def _answer(model: str) -> msgspec.Raw:
    return msgspec.Raw(f'{{"model":{model}}}'.encode())


def _now(call: Call) -> int:
    return milliseconds(call.backend.units.clock())


PATH: Final = "2.0/mlflow/logged-models"

ENDPOINTS: Final = (
    Endpoint("POST", PATH, Role.CONTRIBUTOR, Create, create),
    Endpoint("POST", f"{PATH}/search", Role.VIEWER, SearchModels, search),
    Endpoint("GET", PATH + "/{model_id}", Role.VIEWER, Get, get),
    Endpoint("PATCH", PATH + "/{model_id}", Role.CONTRIBUTOR, Finish, finish),
    Endpoint("DELETE", PATH + "/{model_id}", Role.CONTRIBUTOR, None, delete),
    Endpoint("POST", PATH + "/{model_id}/params", Role.CONTRIBUTOR, AddParams, add_params),
    Endpoint("PATCH", PATH + "/{model_id}/tags", Role.CONTRIBUTOR, SetTags, set_tags),
    Endpoint("DELETE", PATH + "/{model_id}/tags/{key:path}", Role.CONTRIBUTOR, None, delete_tag),
    Endpoint("GET", PATH + "/{model_id}/artifacts/directories", Role.VIEWER, Listing, list_folder),
    Endpoint("GET", PATH + "/{model_id}/artifacts/files", Role.VIEWER, stream=download),
)
