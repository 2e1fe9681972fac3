"""Lineage over HTTP."""

from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.objects import Objects
from pelton.registry.access.control import AccessControl
from pelton.registry.lineage import graph
from pelton.registry.lineage.comparison import UnknownThingError, compare, find
from pelton.registry.lineage.contents import profile_of
from pelton.registry.lineage.graph import Kind
from pelton.registry.lineage.queries import Direction, Neighbourhood, around
from pelton.registry.lineage.references import InvalidReferenceError
from pelton.registry.lineage.sight import Sight

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
# PostgreSQL has no text with a zero character in it
Id = Annotated[str, Path(min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
Reference = Annotated[str, Query(min_length=1, max_length=2000, pattern=r"^[^\x00]+$")]
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


class ChangeAnswer(_Answer):
    """One place that differs; what was added has no `before`, what was removed no `after`."""

    path: list[str | int]
    kind: Literal["added", "removed", "changed"]
    before: Any
    after: Any


class FileChangeAnswer(_Answer):
    """One file of the code that differs; `diff` is missing where it is no text, or too long to compare by lines."""

    path: str
    kind: Literal["added", "removed", "changed"]
    diff: str | None


class DiffAnswer(_Answer):
    """What two things differ in, by section; a section that either of them has and that differs in nothing is empty."""

    a: KeyAnswer
    b: KeyAnswer
    sections: dict[str, list[ChangeAnswer]]
    code: list[FileChangeAnswer]
    code_note: str | None


def router(units: Units, objects: Objects, access: AccessControl) -> APIRouter:
    """The routes of the graph, and of what two things in it differ in."""
    routes = APIRouter()

    async def look(start: graph.Key, direction: Direction, depth: int, actor: Actor) -> Neighbourhood:
        async with units.engine.connect() as connection:
            found = await around(connection, start, direction, depth, Sight(access, actor))
        if found is None:
            raise _unknown(f"no fact told of the {start}")
        return found

    @routes.get("/lineage/{kind}/{id:path}/openlineage", response_class=Response)
    async def export_lineage(
        kind: Kind,
        id: Id,  # noqa: A002 - the path's own word
        actor: Viewer,
        direction: Direction = "up",
        depth: Depth = DEPTH,
    ) -> Response:
        """The same part of the graph as OpenLineage run events, one a line."""
        # half a second to import, and few processes are asked for it
        from pelton.registry.lineage.openlineage import json_lines, run_events  # noqa: PLC0415

        found = await look(graph.Key(kind, id), direction, depth, actor)
        profiles = {node.key: read for node in found.graph.nodes if (read := await profile_of(objects, node))}
        return Response(json_lines(run_events(found.graph, profiles)), media_type="application/x-ndjson")

    @routes.get("/lineage/{kind}/{id:path}")
    async def show_lineage(
        kind: Kind,
        id: Id,  # noqa: A002 - the path's own word
        actor: Viewer,
        direction: Direction = "up",
        depth: Depth = DEPTH,
    ) -> GraphAnswer:
        """What a node was made of, what was made of it, or both."""
        found = await look(graph.Key(kind, id), direction, depth, actor)
        return GraphAnswer.model_validate(
            {"nodes": found.graph.nodes, "edges": found.graph.edges, "truncated": found.truncated}
        )

    @routes.get("/diff")
    async def show_diff(a: Reference, b: Reference, actor: Viewer) -> DiffAnswer:
        """What changed from one thing to another: parameters, metrics, data, features, code, dependencies."""
        async with units.engine.connect() as connection:
            try:
                before, after = await find(connection, a), await find(connection, b)
                compared = await compare(connection, objects, before, after, Sight(access, actor))
            except InvalidReferenceError as error:
                raise ProblemError(422, "invalid-reference", "This names nothing", str(error)) from error
            except UnknownThingError as error:
                raise _unknown(str(error)) from error
        return DiffAnswer.model_validate(compared)

    return routes


def _unknown(detail: str) -> ProblemError:
    return ProblemError(
        404,
        "unknown-node",
        "Nothing is known of this",
        f"{detail}; ids are digests, run ids, model@version or model:revision",
    )
