"""Lineage over HTTP."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.registry.lineage import graph
from pelton.registry.lineage.graph import Kind
from pelton.registry.lineage.queries import Direction, Neighbourhood, around

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
# PostgreSQL has no text with a zero character in it
Id = Annotated[str, Path(min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
Depth = Annotated[int, Query(ge=1, le=50)]

DEPTH: Final = 6


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True)


class KeyAnswer(_Answer):
    """Which node."""

    kind: Kind
    id: str


class NodeAnswer(_Answer):
    """A node; what nothing describes has no attributes."""

    key: KeyAnswer
    attributes: dict[str, Any]


class EdgeAnswer(_Answer):
    """The child was made of, by, or under the parent."""

    child: KeyAnswer
    role: graph.Role
    parent: KeyAnswer


class GraphAnswer(_Answer):
    """What lies around a node, the nearest first; `truncated` when there was more than is shown."""

    nodes: Annotated[list[NodeAnswer], Field(min_length=1)]
    edges: list[EdgeAnswer]
    truncated: bool


def router(units: Units) -> APIRouter:
    """The routes of the graph."""
    routes = APIRouter()

    @routes.get("/lineage/{kind}/{id:path}")
    async def show_lineage(
        kind: Kind,
        id: Id,  # noqa: A002 - the path's own word
        actor: Viewer,  # noqa: ARG001
        direction: Direction = "up",
        depth: Depth = DEPTH,
    ) -> GraphAnswer:
        """What a node was made of, what was made of it, or both."""
        found = await _around(units, graph.Key(kind, id), direction, depth)
        return GraphAnswer.model_validate(
            {"nodes": found.graph.nodes, "edges": found.graph.edges, "truncated": found.truncated}
        )

    return routes


async def _around(units: Units, start: graph.Key, direction: Direction, depth: int) -> Neighbourhood:
    async with units.engine.connect() as connection:
        found = await around(connection, start, direction, depth)
    if found is None:
        raise ProblemError(
            404,
            "unknown-node",
            "Nothing is known of this",
            f"no fact told of the {start}; ids are digests, run ids, model@version or model:revision",
        )
    return found
