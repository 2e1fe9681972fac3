"""Registering a project: first the plan, then the acts. Applying the same project again changes nothing."""

from dataclasses import dataclass
from typing import Any, Literal

from pelton.contracts.canonical import sha256
from pelton.contracts.fact import Value
from pelton.sdk.client import Client
from pelton.sdk.errors import RefusedError
from pelton.sdk.origin import Origin, origin_of
from pelton.sdk.project import Project

Action = Literal["create", "change", "leave"]
NOT_FOUND = 404


@dataclass(frozen=True, slots=True)
class Step:
    """What applying does to one thing."""

    action: Action
    kind: Literal["source", "feature view", "model"]
    name: str


def plan(client: Client, project: Project) -> list[Step]:
    """What `apply` would do, in its order. Nothing is changed."""
    steps = [_compare(client, "source", source) for source in project.sources]
    steps += [_compare(client, "feature view", view) for view in project.views]
    current = _find(client, "registry", f"/v1/models/{project.model.name}")
    if current is None:
        action: Action = "create"
    else:
        same = (current["definition_digest"], current["code"]) == (project.model.digest, sha256(project.code))
        action = "leave" if same else "change"
    return [*steps, Step(action, "model", project.model.name)]


def apply(client: Client, project: Project, steps: list[Step]) -> None:
    """Carry a plan out: sources, then views, then the model with its code and what git knows of where that is from.

    A model whose definition and code are registered stays as it is, whatever commit they come from now.

    Raises:
        RefusedError: a service refused; what was done before stays, and applying again goes on from there.
    """
    todo = {(step.kind, step.name) for step in steps if step.action != "leave"}
    for source in project.sources:
        if ("source", source.name) in todo:
            client.post("feature", "/v1/sources", source.model_dump(mode="json"))
    for view in project.views:
        if ("feature view", view.name) in todo:
            client.post("feature", "/v1/feature-views", view.model_dump(mode="json"))
    if ("model", project.model.name) in todo:
        body = {"definition": project.model.model_dump(mode="json"), "code": _upload(client, project.code)}
        origin = origin_of(project.folder)
        if origin is not None:
            body["origin"] = _kept(client, origin)
        client.post("registry", "/v1/models", body)


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


def _compare(client: Client, kind: Literal["source", "feature view"], declared: Value) -> Step:
    name, digest = declared.name, declared.digest  # type: ignore[attr-defined]
    path = f"/v1/{'sources' if kind == 'source' else 'feature-views'}/{name}"
    current = _find(client, "feature", path)
    if current is None:
        return Step("create", kind, name)
    return Step("leave" if current["digest"] == digest else "change", kind, name)


def _find(client: Client, service: str, path: str) -> dict[str, str] | None:
    try:
        found: dict[str, str] = client.get(service, path)
    except RefusedError as error:
        if error.status == NOT_FOUND:
            return None
        raise
    return found
