"""A platform behind a client's door: what the feature service and the registry keep, and how they answer."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    ModelDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.sdk.client import PORT_OFFSETS, Address, Client

ADDRESS = Address(host="127.0.0.1", port_base=8100, kafka="127.0.0.1:8130", token="secret", home=Path(".pelton"))
SERVICES = {ADDRESS.port_base + offset: service for service, offset in PORT_OFFSETS.items()}
Kind = EntityDefinition | SourceDefinition | FeatureViewDefinition | TransformationDefinition | FeatureServiceDefinition
KINDS: dict[str, type[Kind]] = {
    "entities": EntityDefinition,
    "sources": SourceDefinition,
    "feature-views": FeatureViewDefinition,
    "transformations": TransformationDefinition,
    "feature-services": FeatureServiceDefinition,
}
NAMES = {
    "entities": "entity",
    "sources": "source",
    "feature_views": "feature view",
    "transformations": "transformation",
    "feature_services": "feature service",
}


def client_of(answer: Callable[[httpx.Request], httpx.Response]) -> Client:
    """A client whose requests are answered by a function."""
    client = Client(ADDRESS)
    client._http = httpx.Client(transport=httpx.MockTransport(answer), headers=client._http.headers)
    return client


def problem(status: int, title: str, **members: object) -> httpx.Response:
    return httpx.Response(status, json={"type": "urn:pelton:problem:x", "title": title, "status": status, **members})


class Platform:
    """Keeps what it is told, and fails at the write of a given number, from 1."""

    def __init__(self, fail_at: int | None = None) -> None:
        self.kept: dict[str, dict[str, Any]] = {kind: {} for kind in (*KINDS, "models", "artifacts")}
        self.writes: list[str] = []
        self.fail_at = fail_at

    def answer(self, request: httpx.Request) -> httpx.Response:
        assert request.headers["authorization"] == "Bearer secret"
        service, (_, version, kind, *rest) = SERVICES[request.url.port or 0], request.url.path.split("/")
        assert version == "v1"
        if kind == "plan":
            return self._plan(json.loads(request.content))
        assert (service == "feature") == (kind in KINDS)
        if request.method == "GET":
            found = self.kept[kind].get(rest[0])
            return httpx.Response(200, json=found) if found else problem(404, "No such thing", detail=f"{rest[0]!r}")
        self.writes.append(f"{request.method} {kind}")
        if len(self.writes) == self.fail_at:
            return problem(409, "This would break what is there")
        return self._write(kind, request.content)

    def _plan(self, body: dict[str, Any]) -> httpx.Response:
        steps = []
        for field, names in NAMES.items():
            for one in body[field]:
                place = field.replace("_", "-")
                before, digest = self.kept[place].get(one["name"]), KINDS[place].model_validate(one).digest
                action = "create" if before is None else "leave" if before["digest"] == digest else "change"
                told = {"action": action, "kind": names, "name": one["name"], "digest": digest}
                steps.append(told | {"backfill": None, "kept_by": []})
        return httpx.Response(200, json=steps)

    def _write(self, kind: str, content: bytes) -> httpx.Response:
        if kind == "artifacts":
            self.kept[kind][sha256(content)] = {"digest": sha256(content)}
            return httpx.Response(200, json={"digest": sha256(content), "size": len(content)})
        body = json.loads(content)
        if kind == "models":
            definition = ModelDefinition.model_validate(body["definition"])
            assert body["code"] in self.kept["artifacts"]
            self.kept[kind][definition.name] = {
                "definition_digest": definition.digest,
                "code": body["code"],
                "origin": body.get("origin"),
            }
            return httpx.Response(200, json={"status": "created"})
        declared = KINDS[kind].model_validate(body)
        if isinstance(declared, FeatureViewDefinition):
            assert declared.source in self.kept["sources"]
        self.kept[kind][declared.name] = {"digest": declared.digest}
        return httpx.Response(200, json={"changed": True})
