"""What is asked of the graph."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.registry.lineage import store
from pelton.registry.lineage.graph import Edge, Graph, Key, Kind, Node
from pelton.registry.lineage.sight import Sight

Direction = Literal["up", "down", "both"]

MOST_NODES: Final = 2000


@dataclass(frozen=True, slots=True)
class Neighbourhood:
    """What lies around a node; `truncated` when there was more than is shown."""

    graph: Graph
    truncated: bool


async def around(
    connection: AsyncConnection, start: Key, direction: Direction, depth: int, sight: Sight | None = None
) -> Neighbourhood | None:
    """What a node was made of (`up`), what was made of it (`down`), or both, within `depth` edges; None if unknown.

    The nearest come first; every node of an edge is among the nodes. With a sight, what its actor may not read has no
    attributes.

    Raises:
        ProblemError: 403, the actor may not read the node itself.
    """
    if sight is not None:
        await sight.must_see(connection, start)
    if not await store.known(connection, start):
        return None
    found: dict[Key, int] = {start: 0}
    truncated = False
    for up in [side for side, name in ((True, "up"), (False, "down")) if direction in (name, "both")]:
        reached = await store.walk(connection, start, up=up, depth=depth, limit=MOST_NODES + 1)
        truncated |= len(reached) > MOST_NODES
        for key, distance in list(reached.items())[:MOST_NODES]:
            found[key] = min(distance, found.get(key, distance))
    refused = await sight.refused(connection, found) if sight is not None else {}
    described = {node.key: node for node in await store.nodes(connection, found.keys() - refused.keys())}
    nearest_first = sorted(found, key=lambda key: (found[key], key))
    nodes = await _with_ends(connection, [described.get(key, Node(key)) for key in nearest_first])
    return Neighbourhood(Graph(tuple(nodes), tuple(await store.edges(connection, found))), truncated)


async def dependents(connection: AsyncConnection, kind: Kind, id_: str) -> Sequence[Edge]:
    """What was made straight of a node: the edges that lead to it. Whoever deletes the node breaks them."""
    return await store.children(connection, Key(kind, id_))


async def _with_ends(connection: AsyncConnection, nodes: Sequence[Node]) -> list[Node]:
    """The nodes; to the predictions of a revision of the traffic comes `until`, when the next revision began."""
    following = {
        node.key: Key.predictions(node.attributes["model"], node.attributes["revision"] + 1)
        for node in nodes
        if node.key.kind is Kind.PREDICTIONS and node.attributes
    }
    if not following:
        return list(nodes)
    since = {node.key: node.attributes["since"] for node in await store.nodes(connection, following.values())}
    return [
        replace(node, attributes={**node.attributes, "until": since.get(following[node.key])})
        if node.key in following
        else node
        for node in nodes
    ]
