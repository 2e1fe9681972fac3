"""The SQL of the graph: written in sets, walked by recursion."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import StagePolicy
from pelton.contracts.fact import Fact, fact_class
from pelton.contracts.values import Stage
from pelton.eventkit import driver
from pelton.eventkit.envelope import Received
from pelton.registry.lineage.graph import Edge, Graph, Key, Kind, Node, Role

# Rows are written in the order of their keys, and edges before nodes: two transactions that meet wait for one another,
# and neither for both.
TELL = text("""
    WITH described AS (
        INSERT INTO lineage_nodes (kind, id, attributes, told_at, told_by)
        SELECT kind, id, attributes, :told_at, :told_by
        FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[]), CAST(:attributes AS text[]))
            AS new (kind, id, attributes)
        ON CONFLICT (kind, id) DO UPDATE
        SET attributes = EXCLUDED.attributes, told_at = EXCLUDED.told_at, told_by = EXCLUDED.told_by
        WHERE (EXCLUDED.told_at, EXCLUDED.told_by) < (lineage_nodes.told_at, lineage_nodes.told_by)
    )
    INSERT INTO lineage_edges (kind, id, role, parent_kind, parent_id)
    SELECT * FROM unnest(
        CAST(:child_kinds AS text[]), CAST(:child_ids AS text[]), CAST(:roles AS text[]),
        CAST(:parent_kinds AS text[]), CAST(:parent_ids AS text[])
    )
    ON CONFLICT DO NOTHING
""")
KEEP_FACT = text("""
    INSERT INTO lineage_facts (id, type, data, time) VALUES (:id, :type, :data, :time) ON CONFLICT DO NOTHING
""")
BLOCK_FACTS = text("LOCK TABLE lineage_facts IN SHARE MODE")
FACTS_AFTER = text("SELECT id, type, data, time FROM lineage_facts WHERE id > :after ORDER BY id LIMIT :limit")
FORGET = (text("DELETE FROM lineage_edges"), text("DELETE FROM lineage_nodes"))

# Each node once for every distance up to the bound, so that cycles end and diamonds cost no more than their nodes.
# OFFSET 0 keeps the look-up of each node's links one of its own: merged into a join, it would read all the links.
_WALK: Final = """
    WITH RECURSIVE walk (kind, id, distance) AS (
        SELECT CAST(:kind AS text) COLLATE "C", CAST(:id AS text) COLLATE "C", 0
        UNION
        SELECT link.kind COLLATE "C", link.id COLLATE "C", distance + 1
        FROM walk CROSS JOIN LATERAL ({links} OFFSET 0) AS link (kind, id)
        WHERE distance < :depth
    )
    SELECT kind, id, min(distance) AS distance FROM walk GROUP BY kind, id ORDER BY distance, kind, id LIMIT :limit
"""
_PARENTS: Final = """
    SELECT parent_kind, parent_id FROM lineage_links WHERE kind = walk.kind AND id = walk.id
"""
_CHILDREN: Final = """
    SELECT kind, id FROM lineage_links WHERE parent_kind = walk.kind AND parent_id = walk.id
"""
UP = text(_WALK.format(links=_PARENTS))
DOWN = text(_WALK.format(links=_CHILDREN))
NODES = text("""
    SELECT thing.* FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])) AS wanted (kind, id)
    CROSS JOIN LATERAL (
        SELECT kind, id, attributes FROM lineage_things WHERE kind = wanted.kind AND id = wanted.id OFFSET 0
    ) AS thing
    ORDER BY kind, id, attributes
""")
EDGES = text("""
    WITH wanted AS (SELECT * FROM unnest(CAST(:kinds AS text[]), CAST(:ids AS text[])) AS wanted (kind, id))
    SELECT DISTINCT link.* FROM wanted
    CROSS JOIN LATERAL (
        SELECT kind, id, role, parent_kind, parent_id FROM lineage_links
        WHERE kind = wanted.kind AND id = wanted.id OFFSET 0
    ) AS link
    WHERE (parent_kind, parent_id) IN (SELECT kind, id FROM wanted)
    ORDER BY kind, id, role, parent_kind, parent_id
""")
CHILDREN = text("""
    SELECT DISTINCT kind, id, role, parent_kind, parent_id FROM lineage_links
    WHERE parent_kind = :kind AND parent_id = :id ORDER BY kind, id, role
""")
KNOWN = text("""
    SELECT EXISTS (SELECT FROM lineage_things WHERE kind = :kind AND id = :id)
        OR EXISTS (SELECT FROM lineage_links WHERE kind = :kind AND id = :id)
        OR EXISTS (SELECT FROM lineage_links WHERE parent_kind = :kind AND parent_id = :id)
""")
# A version's node goes by the name of its model: all of its id before the last `@`.
RENAME = (
    text("""
        UPDATE lineage_nodes SET id = :to || substring(id FROM '@[0-9]+$')
        WHERE kind = 'version' AND regexp_replace(id, '@[0-9]+$', '') = :model
    """),
    text("""
        UPDATE lineage_edges SET id = :to || substring(id FROM '@[0-9]+$')
        WHERE kind = 'version' AND regexp_replace(id, '@[0-9]+$', '') = :model
    """),
    text("""
        UPDATE lineage_edges SET parent_id = :to || substring(parent_id FROM '@[0-9]+$')
        WHERE parent_kind = 'version' AND regexp_replace(parent_id, '@[0-9]+$', '') = :model
    """),
)
FORGET_VERSION = (
    text("DELETE FROM lineage_nodes WHERE (kind, id) = ('version', :id)"),
    text("DELETE FROM lineage_edges WHERE (kind, id) = ('version', :id)"),
)
FORGET_MODEL = (
    text("DELETE FROM lineage_nodes WHERE kind = 'version' AND regexp_replace(id, '@[0-9]+$', '') = :model"),
    text("DELETE FROM lineage_edges WHERE kind = 'version' AND regexp_replace(id, '@[0-9]+$', '') = :model"),
)
POLICY = text("SELECT policy FROM policies WHERE model = :model AND stage = :stage")
KINDS_OF = text("SELECT DISTINCT kind FROM lineage_nodes WHERE id = :id ORDER BY kind")


async def tell(connection: AsyncConnection, graph: Graph, at: datetime, by: UUID) -> None:
    """Add a part to the graph; of two descriptions of a node the earlier stays, whichever came first."""
    if not (graph.nodes or graph.edges):
        return
    nodes, edges = sorted(graph.nodes, key=lambda node: node.key), sorted(set(graph.edges))
    values = {
        "told_at": at,
        "told_by": by,
        "kinds": [node.key.kind for node in nodes],
        "ids": [node.key.id for node in nodes],
        "attributes": [canonical_json(node.attributes).decode() for node in nodes],
        "child_kinds": [edge.child.kind for edge in edges],
        "child_ids": [edge.child.id for edge in edges],
        "roles": [edge.role for edge in edges],
        "parent_kinds": [edge.parent.kind for edge in edges],
        "parent_ids": [edge.parent.id for edge in edges],
    }
    await driver.execute(connection, TELL, values)


async def rename_model(connection: AsyncConnection, model: str, to: str) -> None:
    """Let the nodes of a model's versions go by its new name."""
    for statement in RENAME:
        await connection.execute(statement, {"model": model, "to": to})


async def forget_version(connection: AsyncConnection, version: Key) -> None:
    """Take a version out of the graph, with its edges to what it was made of."""
    for statement in FORGET_VERSION:
        await connection.execute(statement, {"id": version.id})


async def forget_model(connection: AsyncConnection, model: str) -> None:
    """Take every version of a model out of the graph, so that the name can be another model's."""
    for statement in FORGET_MODEL:
        await connection.execute(statement, {"model": model})


async def policy_in_force(connection: AsyncConnection, model: str, stage: Stage) -> StagePolicy | None:
    """What a version of a model needs to enter a stage, as the facts up to the one that is shown say."""
    policy = (await connection.execute(POLICY, {"model": model, "stage": stage})).scalar_one_or_none()
    return None if policy is None else StagePolicy.model_validate_json(policy)


async def keep_fact(connection: AsyncConnection, event: Received[Fact]) -> None:
    """Keep a fact of another service, so that the graph can be made anew."""
    await connection.execute(
        KEEP_FACT,
        {"id": event.envelope.id, "type": event.data.fact_type, "data": event.data.to_bytes(), "time": event.time},
    )


async def kept_facts(connection: AsyncConnection, after: UUID, limit: int) -> list[tuple[UUID, Fact, datetime]]:
    """Facts of other services by id, each with its time."""
    found = await connection.execute(FACTS_AFTER, {"after": after, "limit": limit})
    return [(row.id, fact_class(row.type).from_bytes(row.data), row.time) for row in found]


async def walk(connection: AsyncConnection, start: Key, *, up: bool, depth: int, limit: int) -> dict[Key, int]:
    """The nodes within `depth` edges of one, with their distances, at most `limit`, the nearest first."""
    values = {"kind": start.kind, "id": start.id, "depth": depth, "limit": limit}
    found = await connection.execute(UP if up else DOWN, values)
    return {Key(Kind(row.kind), row.id): row.distance for row in found}


async def nodes(connection: AsyncConnection, keys: Collection[Key]) -> list[Node]:
    """Those of the nodes that something describes: a fact, MLflow's client, or both, who then complete each other."""
    found: dict[Key, dict[str, Any]] = {}
    for row in await connection.execute(NODES, _columns(keys)):
        key = Key(Kind(row.kind), row.id)
        found[key] = found.get(key, {}) | json.loads(row.attributes)
    return [Node(key, attributes) for key, attributes in found.items()]


async def edges(connection: AsyncConnection, keys: Collection[Key]) -> list[Edge]:
    """The edges between some nodes."""
    return [_edge(row) for row in await connection.execute(EDGES, _columns(keys))]


async def children(connection: AsyncConnection, parent: Key) -> list[Edge]:
    """The edges that lead to a node."""
    return [_edge(row) for row in await connection.execute(CHILDREN, {"kind": parent.kind, "id": parent.id})]


async def known(connection: AsyncConnection, key: Key) -> bool:
    """Whether the graph has a node."""
    return bool((await connection.execute(KNOWN, {"kind": key.kind, "id": key.id})).scalar_one())


async def kinds_of(connection: AsyncConnection, id_: str) -> list[Kind]:
    """The kinds of the described nodes that have an id."""
    return [Kind(row.kind) for row in await connection.execute(KINDS_OF, {"id": id_})]


def _columns(keys: Collection[Key]) -> dict[str, Sequence[str]]:
    return {"kinds": [key.kind for key in keys], "ids": [key.id for key in keys]}


def _edge(row: Row[Any]) -> Edge:
    return Edge(Key(Kind(row.kind), row.id), Role(row.role), Key(Kind(row.parent_kind), row.parent_id))
