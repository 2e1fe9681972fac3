"""Registering a project: first the plan, then the acts. Applying the same project again changes nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions.base import Definition
from pelton.sdk.client import Client
from pelton.sdk.errors import RefusedError
from pelton.sdk.origin import Origin, origin_of
from pelton.sdk.project import Project

Action = Literal["create", "change", "leave"]
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a new version of a feature view is made of: so many events of its source, from `start` on or all of them."""

    source: str
    start: str | None
    events: int


@dataclass(frozen=True, slots=True)
class Step:
    """What applying does to one thing. `kept_by` are versions of models that go on with the version before."""

    action: Action
    kind: str
    name: str
    backfill: Backfill | None = None
    kept_by: tuple[str, ...] = ()


def plan(client: Client, project: Project) -> list[Step]:
    """What `apply` would do, in its order. Nothing is changed.

    Raises:
        RefusedError: a definition does not fit what is registered, or those before it.
    """
    body = {field: [one.model_dump(mode="json") for one in declared] for field, _, declared in _declarations(project)}
    steps = [_step(one) for one in client.post("feature", "/v1/plan", body)]
    current = _find(client, "registry", f"/v1/models/{project.model.name}")
    if current is None:
        action: Action = "create"
    else:
        same = (current["definition_digest"], current["code"]) == (project.model.digest, sha256(project.code))
        action = "leave" if same else "change"
    return [*steps, Step(action, "model", project.model.name)]


def apply(client: Client, project: Project, steps: list[Step]) -> None:
    """Carry a plan out: each definition after what it is built on, then the model with its code and where that is from.

    A model whose definition and code are registered stays as it is, whatever commit they come from now.

    Raises:
        RefusedError: a service refused; what was done before stays, and applying again goes on from there.
    """
    todo = {(step.kind, step.name) for step in steps if step.action != "leave"}
    for field, kind, declared in _declarations(project):
        for one in declared:
            if (kind, one.name) in todo:  # type: ignore[attr-defined]
                client.post("feature", f"/v1/{field.replace('_', '-')}", one.model_dump(mode="json"))
    if ("model", project.model.name) in todo:
        body = {"definition": project.model.model_dump(mode="json"), "code": _upload(client, project.code)}
        origin = origin_of(project.folder)
        if origin is not None:
            body["origin"] = _kept(client, origin)
        client.post("registry", "/v1/models", body)


def _declarations(project: Project) -> list[tuple[str, str, Sequence[Definition]]]:
    """What the feature service registers, by its name there and in a plan, in order: each after what it is built on."""
    return [
        ("entities", "entity", project.entities),
        ("sources", "source", project.sources),
        ("feature_views", "feature view", project.views),
        ("transformations", "transformation", project.transformations),
        ("feature_services", "feature service", project.services),
    ]


def _step(told: dict[str, Any]) -> Step:
    backfill = told["backfill"]
    kept_by = tuple(f"{one['model']} v{one['version']} ({one['stage']})" for one in told["kept_by"])
    needed = None if backfill is None else Backfill(backfill["source"], backfill["from"], backfill["events"])
    return Step(told["action"], told["kind"], told["name"], needed, kept_by)


def _kept(client: Client, origin: Origin) -> dict[str, Any]:
    """An origin as a declaration has it: its diff and notebooks are uploaded, and named by their digests."""
    return {
        "commit": origin.commit,
        "dirty": origin.dirty,
        "diff": None if origin.diff is None else _upload(client, origin.diff),
        "notebooks": {name: _upload(client, content) for name, content in origin.notebooks.items()},
    }


def _upload(client: Client, content: bytes) -> str:
    stored = client.send("registry", "PUT", "/v1/artifacts", content=content).json()
    return str(stored["digest"])


def _find(client: Client, service: str, path: str) -> dict[str, str] | None:
    try:
        found: dict[str, str] = client.get(service, path)
    except RefusedError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    return found
