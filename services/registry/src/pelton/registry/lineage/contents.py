"""What a thing consists of, gathered from the graph around it, in the sections by which two things are compared."""

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.feature import DatasetProfile
from pelton.objects import ObjectNotFoundError, Objects
from pelton.registry.files.manifests import FORMAT, Manifest, read_manifest
from pelton.registry.files.tree import AREA
from pelton.registry.lineage.graph import Edge, Graph, Key, Kind, Node, Role
from pelton.registry.lineage.queries import around
from pelton.registry.lineage.sight import Sight

DEPTH: Final = 5
# What these lead to is another thing's content: the run outside, the model fine-tuned, the alarm that went off before.
_ELSEWHERE: Final = {Role.NESTED_IN, Role.DERIVED_FROM, Role.TRIGGERED_BY}
_OF_RUNS: Final = {Kind.RUN, Kind.VERSION}
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_REQUIREMENT: Final = re.compile(r"(?P<name>[A-Za-z0-9][A-Za-z0-9._-]*)\s*(?P<rest>[^#]*)")
COMMIT: Final = "mlflow.source.git.commit"
REQUIREMENTS: Final = "requirements.txt"

TRAINING = text("SELECT parameters, metrics FROM runs WHERE run_id = :run")
PARAMETERS = text("SELECT key, value FROM run_params JOIN tracked_runs USING (run) WHERE run_id = :run ORDER BY key")
METRICS = text("SELECT key, value FROM run_metrics JOIN tracked_runs USING (run) WHERE run_id = :run ORDER BY key")


@dataclass(frozen=True, slots=True)
class Contents:
    """The sections, each what JSON can say, by name and then by their own; and the digest of the code bundle."""

    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    bundle: str | None = None


async def contents_of(
    connection: AsyncConnection, objects: Objects, key: Key, sight: Sight | None = None
) -> Contents | None:
    """What a node consists of; None where the graph does not have it.

    A version or run has the sections of all that it was made of, a dataset those of the dataset, its sources and
    views, a definition its own. With a sight, what its actor may not read is no part of it.

    Raises:
        ProblemError: 403, the actor may not read the node itself.
    """
    found = await around(connection, key, "up", DEPTH, sight)
    if found is None:
        return None
    sections: dict[str, dict[str, Any]] = {}
    bundle = None
    own = _own(found.graph, key)
    commits = sorted(node.key.id for node in own if node.key.kind is Kind.CODE and not _DIGEST.fullmatch(node.key.id))
    if commits:
        # the same bundle may have been declared from several
        sections["code"] = {"commit": ", ".join(commits)}
    refused = await sight.refused(connection, [node.key for node in own]) if sight is not None else {}
    for node in own:
        if node.key in refused:
            continue
        for section, name, content in _plain(node):
            sections.setdefault(section, {})[name] = content
        match node.key.kind:
            case Kind.CODE if _DIGEST.fullmatch(node.key.id):
                bundle = node.key.id
            case Kind.RUN:
                sections |= await _run(connection, node.key.id)
            case Kind.DATASET:
                name = str(node.attributes.get("name", "dataset"))
                sections.setdefault("data", {})[name] = await _data(objects, node)
            case Kind.VERSION:
                await _files(objects, node, sections)
    return Contents({name: content for name, content in sections.items() if content}, bundle)


async def profile_of(objects: Objects, node: Node) -> DatasetProfile | None:
    """The profile of a dataset of Pelton's, where it has one that is still there."""
    digest = node.attributes.get("profile")
    if node.key.kind is not Kind.DATASET or not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        return None
    raw = await _object(objects, digest)
    return DatasetProfile.model_validate_json(raw) if raw else None


def _own(graph: Graph, start: Key) -> Sequence[Node]:
    """The nodes that belong to one, without what lies beyond another run or version."""
    parents: dict[Key, list[Edge]] = {}
    for edge in graph.edges:
        parents.setdefault(edge.child, []).append(edge)
    reached, waiting = {start}, [start]
    while waiting:
        for edge in parents.get(waiting.pop(), ()):
            leaves = edge.role in _ELSEWHERE and edge.child.kind in _OF_RUNS
            if not leaves and edge.parent not in reached:
                reached.add(edge.parent)
                waiting.append(edge.parent)
    return [node for node in graph.nodes if node.key in reached]


def _plain(node: Node) -> Iterator[tuple[str, str, Any]]:
    """What a node's own attributes say: section, name in it, content."""
    told = node.attributes
    match node.key.kind:
        case Kind.DEFINITION if told:
            # gates are a section of their own
            yield from (("configuration", name, one) for name, one in told["definition"].items() if name != "gates")
        case Kind.RULES if "stage" in told:
            yield "rules", told["stage"], told["policy"]
        case Kind.RULES if told:
            yield from (("rules", name, one) for name, one in told["gates"].items())
        case Kind.VIEW | Kind.TRANSFORMATION if told:
            yield _features(node)
        case Kind.SOURCE if told:
            definition = dict(told["definition"])
            yield "schemas", told["name"], definition.pop("json_schema")
            yield "sources", told["name"], definition
        case Kind.ENVIRONMENT if told:
            yield from (("dependencies", name, version) for name, version in told["packages"].items())
            yield "environment", "lock", told["lock_digest"]
            yield from (("environment", name, told[name]) for name in ("python", "platform", "cpu_count"))
        case Kind.CODE if _DIGEST.fullmatch(node.key.id):
            yield "code", "bundle", node.key.id
            if "dirty" in told:
                yield "code", "dirty", told["dirty"]
        case Kind.DIFF:
            yield "code", "diff", node.key.id
        case Kind.NOTEBOOK if told:
            yield "code", f"notebook {told['name']}", node.key.id
        case Kind.RUN:
            # the commit is a node by itself
            yield from (("code", name, one) for name, one in told.get("source", {}).items() if name != COMMIT)
        case _:
            return


def _features(node: Node) -> tuple[str, str, Any]:
    name, definition = node.attributes["name"], node.attributes["definition"]
    if node.key.kind is Kind.TRANSFORMATION:
        return "transformations", name, definition
    return "features", name, _view(definition)


def _view(definition: Mapping[str, Any]) -> dict[str, Any]:
    """A view's definition with its aggregates by name, so that one more of them is not a change of those after it."""
    return {**definition, "aggregates": {one["name"]: one for one in definition["aggregates"]}}


async def _run(connection: AsyncConnection, run_id: str) -> dict[str, dict[str, Any]]:
    """Parameters and metrics: of Pelton's own training from its fact, of others from what their clients logged."""
    training = (await connection.execute(TRAINING, {"run": run_id})).first()
    if training is not None:
        return {"parameters": json.loads(training.parameters), "metrics": json.loads(training.metrics)}
    parameters = await connection.execute(PARAMETERS, {"run": run_id})
    metrics = await connection.execute(METRICS, {"run": run_id})
    return {
        "parameters": {row.key: row.value for row in parameters},
        # JSON has no word for what is no number
        "metrics": {row.key: row.value if math.isfinite(row.value) else str(row.value) for row in metrics},
    }


async def _data(objects: Objects, node: Node) -> dict[str, Any]:
    told = {
        name: one
        for name, one in node.attributes.items()
        if name not in {"name", "digest", "profile", "artifact", "made_at"}
    }
    profile = node.attributes.get("profile")
    if not isinstance(profile, str):
        return {**told, "id": node.key.id}
    raw = await _object(objects, profile) if _DIGEST.fullmatch(profile) else profile.encode()
    return {**told, "id": node.key.id, "statistics": _json(raw)}


async def _files(objects: Objects, node: Node, sections: dict[str, dict[str, Any]]) -> None:
    """What a logged version's artifact holds, and the packages that its requirements name."""
    artifact = node.attributes.get("artifact") or {}
    if artifact.get("format") != FORMAT:
        sections.setdefault("files", {}).update({"artifact": artifact} if artifact else {})
        return
    try:
        manifest = await read_manifest(objects, artifact["digest"])
    except ObjectNotFoundError:
        manifest = Manifest(())
    sections.setdefault("files", {}).update({entry.path: entry.digest for entry in manifest.files})
    for entry in manifest.files:
        if entry.path == REQUIREMENTS:
            raw = await _object(objects.within(AREA), entry.digest)
            sections.setdefault("dependencies", {}).update(_requirements(raw.decode(errors="replace")))


def _requirements(lines: str) -> dict[str, str]:
    """Packages by name, each with what is asked of its version."""
    found = [_REQUIREMENT.match(line.strip()) for line in lines.splitlines()]
    return {one["name"].lower(): one["rest"].strip() for one in found if one is not None}


async def _object(objects: Objects, digest: str) -> bytes:
    """An object, or nothing where it was deleted since."""
    try:
        return await objects.get(digest)
    except ObjectNotFoundError:
        return b""


def _json(raw: bytes) -> Any:  # noqa: ANN401 - any JSON
    try:
        return json.loads(raw)
    except ValueError:
        return raw.decode(errors="replace")
