"""What a card is written from, gathered from what the registry knows of a version."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.evidence import Evidence
from pelton.contracts.values import ModelVersion
from pelton.objects import Objects
from pelton.registry import store
from pelton.registry.cards.store import KEY, SECTIONS
from pelton.registry.lineage.contents import contents_of
from pelton.registry.lineage.graph import Key


@dataclass(frozen=True, slots=True)
class CardSource:
    """All that a card says of a version. What is not known is empty, and the card then says nothing of it.

    `contents` are the sections of its lineage; `sections` what people wrote, by name.
    """

    model: str
    version: int
    stage: str
    description: str = ""
    version_description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    definition: Mapping[str, Any] | None = None
    definition_digest: str | None = None
    details: ModelVersion | None = None
    artifact: str | None = None
    evidence: Evidence = field(default_factory=Evidence)
    metrics: Mapping[str, float] = field(default_factory=dict)
    gates: Sequence[Mapping[str, Any]] = ()
    history: Sequence[Mapping[str, Any]] = ()
    approvals: Sequence[Mapping[str, Any]] = ()
    deprecation: Mapping[str, Any] | None = None
    created_at: str = ""
    created_by: str = ""
    run_id: str | None = None
    contents: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    sections: Mapping[str, str] = field(default_factory=dict)


async def gather(connection: AsyncConnection, objects: Objects, model: str, version: int) -> CardSource | None:
    """What the card of a version is written from; None where there is no such version."""
    of_model = await store.row(connection, store.MODEL, model=model)
    key = await store.row(connection, KEY, model=model)
    row = await store.row(connection, store.VERSION, model=model, version=version)
    if of_model is None or key is None or row is None:
        return None
    subject = {"model": model, "version": version}
    history = await store.rows(connection, store.STAGE_CHANGES, **subject)
    approvals = await store.rows(connection, store.APPROVALS_OF_VERSION, **subject)
    written = await store.rows(connection, SECTIONS, key=key["key"])
    contents = await contents_of(connection, objects, Key.version(model, version))
    found = contents.sections if contents is not None else {}
    return CardSource(
        model=model,
        version=version,
        stage=row["stage"],
        description=of_model["description"],
        version_description=row["description"],
        tags=_json(of_model["tags"], {}) | _json(row["tags"], {}),
        definition=found.get("configuration"),
        definition_digest=row["definition_digest"],
        details=ModelVersion.model_validate_json(row["details"]) if row["details"] else None,
        artifact=row["artifact"],
        evidence=Evidence.model_validate_json(row["evidence"]) if row["evidence"] else Evidence(),
        metrics=_metrics(row, found),
        gates=_json(row["gates"], []),
        history=[dict(one) for one in history],
        approvals=[
            {**one, "agreed": json.loads(one["agreed"]), "comments": json.loads(one["comments"])} for one in approvals
        ],
        deprecation=_json(row["deprecation"], None) or _json(of_model["deprecation"], None),
        created_at=row["created_at"].isoformat(),
        created_by=row["created_by"],
        run_id=row["run_id"],
        contents=found,
        sections={one["section"]: one["text"] for one in written},
    )


def _metrics(row: RowMapping, contents: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Of a logged version as they were when it was made: gates were judged on those, whatever was logged since."""
    logged = _json(row["logged_run"], None)
    told = logged["metrics"] if logged is not None else contents.get("metrics", {})
    return {name: value for name, value in told.items() if isinstance(value, int | float)}


def _json(text: str | None, nothing: Any) -> Any:  # noqa: ANN401 - any JSON
    return json.loads(text) if text else nothing
