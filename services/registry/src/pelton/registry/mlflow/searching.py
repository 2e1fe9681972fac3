"""Routes of the searches for experiments and for runs."""

from typing import Final, Literal, TypeAlias

import msgspec

from pelton.eventkit.identity import Role
from pelton.registry.mlflow import limits
from pelton.registry.mlflow.pages import next_token, offset_of
from pelton.registry.mlflow.wire import Call, Endpoint
from pelton.registry.search import grammar
from pelton.registry.search.parser import parse, parse_order
from pelton.registry.tracking import search
from pelton.registry.tracking.search import Search

ViewType: TypeAlias = Literal["ACTIVE_ONLY", "DELETED_ONLY", "ALL", 1, 2, 3]
"""By name, or by number as Protocol Buffers have it."""

STAGES: Final = {
    "ACTIVE_ONLY": ("active",),
    "DELETED_ONLY": ("deleted",),
    "ALL": ("active", "deleted"),
    1: ("active",),
    2: ("deleted",),
    3: ("active", "deleted"),
}
PAGE: Final = 1000


class SearchRuns(msgspec.Struct):
    """Which runs are asked for."""

    experiment_ids: list[str] | None = None
    filter: str | None = None
    run_view_type: ViewType | None = None
    max_results: int | None = None
    order_by: list[str] | None = None
    page_token: str | None = None


class SearchExperiments(msgspec.Struct):
    """Which experiments are asked for."""

    max_results: int | None = None
    page_token: str | None = None
    filter: str | None = None
    order_by: list[str] | None = None
    view_type: ViewType | None = None


async def search_runs(call: Call, request: SearchRuns) -> object:
    """Runs of some experiments."""
    wanted = _wanted(request, grammar.RUNS, request.run_view_type)
    ids = [limits.parse_experiment_id(one) for one in request.experiment_ids or ()]
    found, more = await search.find_runs(call.backend.pool, ids, wanted)
    return _page("runs", found, wanted, request, more=more)


async def search_experiments(call: Call, request: SearchExperiments) -> object:
    """Experiments."""
    wanted = _wanted(request, grammar.EXPERIMENTS, request.view_type)
    found, more = await search.find_experiments(call.backend.pool, wanted)
    return _page("experiments", found, wanted, request, more=more)


def _wanted(request: SearchRuns | SearchExperiments, known: grammar.Grammar, view: ViewType | None) -> Search:
    return Search(
        filters=parse(request.filter, known),
        terms=parse_order(request.order_by or (), known),
        stages=STAGES[view or "ACTIVE_ONLY"],
        limit=PAGE if request.max_results is None else limits.check_max_results(request.max_results),
        offset=offset_of(request.page_token, *_asked(request)),
    )


def _page(name: str, found: str, wanted: Search, request: SearchRuns | SearchExperiments, *, more: bool) -> msgspec.Raw:
    token = f',"next_page_token":"{next_token(wanted.offset + wanted.limit, *_asked(request))}"' if more else ""
    return msgspec.Raw(f'{{"{name}":{found}{token}}}'.encode())


def _asked(request: SearchRuns | SearchExperiments) -> tuple[object, ...]:
    """What says what is searched for, whatever the size of its pages."""
    asked = msgspec.structs.asdict(request)
    return tuple(value for name, value in asked.items() if name not in {"max_results", "page_token"})


ENDPOINTS: Final = (
    Endpoint("POST", "2.0/mlflow/runs/search", Role.VIEWER, SearchRuns, search_runs),
    Endpoint("POST", "2.0/mlflow/experiments/search", Role.VIEWER, SearchExperiments, search_experiments),
    Endpoint("GET", "2.0/mlflow/experiments/search", Role.VIEWER, SearchExperiments, search_experiments),
)
