"""The catalogue: what there is, what it looks like, how fresh it is, which models use it, and who to ask."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query

from pelton.eventkit.identity import Actor
from pelton.eventkit.problems import ProblemError
from pelton.feature.api.doors import Doors, Viewer, time_of
from pelton.feature.catalogue import store
from pelton.feature.catalogue.search import Entry, Key, Kind, entries, search, users
from pelton.feature.domain.models import DeclaredModel, Pinned

Place = Literal["entities", "sources", "feature-views", "transformations", "feature-services"]
KINDS: Mapping[Place, Kind] = {
    "entities": "entity",
    "sources": "source",
    "feature-views": "feature view",
    "transformations": "transformation",
    "feature-services": "feature service",
}


def routes(doors: Doors) -> APIRouter:
    """The routes."""
    router = APIRouter(prefix="/v1/catalogue", tags=["catalogue"])

    @router.get("")
    async def find(
        actor: Viewer,  # noqa: ARG001
        q: Annotated[str, Query(max_length=200)] = "",
        kind: Kind | None = None,
        tag: Annotated[str, Query(max_length=500)] = "",
        owner: Annotated[str, Query(max_length=200)] = "",
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[dict[str, Any]]:
        """What every word of `q` is in: names and features before owners, tags, descriptions and fields."""
        known = entries(doors.catalogue.registered)
        found = search(known.values(), q, kind=kind or "", tag=tag, owner=owner)[:limit]
        async with doors.units.begin() as unit:
            pinned, declared = await store.pinned(unit.connection), await store.declared_models(unit.connection)
            changes = await store.last_changes(unit.connection, [entry.stream for entry in found])
        return [_entry(doors, entry, changes) | _used_by(entry, known, pinned, declared) for entry in found]

    @router.get("/{place}/{name}")
    async def show(place: Place, name: str, actor: Viewer) -> dict[str, Any]:
        """One thing, with what its features looked like in the newest dataset that has them."""
        known = entries(doors.catalogue.registered)
        entry = known.get((KINDS[place], name))
        if entry is None:
            names = ", ".join(one.name for one in known.values() if one.kind == KINDS[place]) or "none yet"
            raise ProblemError(404, "unknown-definition", f"No such {KINDS[place]}", f"{name!r} is not among: {names}")
        async with doors.units.begin() as unit:
            pinned, declared = await store.pinned(unit.connection), await store.declared_models(unit.connection)
            changes = await store.last_changes(unit.connection, [entry.stream])
        answer = _entry(doors, entry, changes) | _used_by(entry, known, pinned, declared)
        return answer | {"fields": list(entry.fields), "statistics": await _statistics(doors, actor, entry)}

    return router


def _entry(doors: Doors, entry: Entry, changes: Mapping[str, tuple[str, Any]]) -> dict[str, Any]:
    changed_by, changed_at = changes.get(entry.stream, (None, None))
    notice = doors.catalogue.notices.get(entry.name) if entry.kind == "feature view" else None
    return {
        "kind": entry.kind,
        "name": entry.name,
        "description": entry.description,
        "owner": entry.owner,
        "tags": dict(entry.tags),
        "features": list(entry.features),
        "versions": list(entry.versions),
        "reads": [_named(key) for key in entry.reads],
        "read_by": [_named(key) for key in entry.read_by],
        "deprecation": None if notice is None else notice.fact.model_dump(mode="json"),
        "freshness": _freshness(doors, entry),
        "changed_by": changed_by,
        "changed_at": None if changed_at is None else changed_at.isoformat(),
        # Whoever owns it, and where nobody does whoever declared it last.
        "ask": entry.owner or changed_by,
    }


def _named(key: Key) -> dict[str, str]:
    kind, name = key
    return {"kind": kind, "name": name}


def _freshness(doors: Doors, entry: Entry) -> dict[str, Any] | None:
    """How far the events have come that a source has, or a view is made of."""
    name = (
        entry.name if entry.kind == "source" else next((name for kind, name in entry.reads if kind == "source"), None)
    )
    watermark = None if name is None else doors.watermarks.get(name)
    if name is None:
        return None
    behind = None if watermark is None else max(0.0, doors.clock().timestamp() - watermark / 1000)
    return {
        "source": name,
        "last_event": None if watermark is None else time_of(watermark),
        "behind_seconds": None if behind is None else round(behind, 3),
    }


def _used_by(
    entry: Entry, known: Mapping[Key, Entry], pinned: Sequence[Pinned], declared: Sequence[DeclaredModel]
) -> dict[str, Any]:
    versions, models = users(entry, known, pinned, declared)
    return {
        "models": [{"model": one.model, "owner": one.owner} for one in models],
        "model_versions": [{"model": one.model, "version": one.version, "stage": one.stage} for one in versions],
    }


async def _statistics(doors: Doors, actor: Actor, entry: Entry) -> dict[str, Any]:
    """By feature that its reader may see: its profile in the newest dataset that has it, and which that is."""
    wanted = {f"{entry.name}__{feature}": feature for feature in entry.features}
    if entry.kind == "feature service":
        wanted = {ref.replace(":", "__"): ref for ref in entry.features}
    hidden = doors.access.withheld(actor, wanted)
    wanted = {column: feature for column, feature in wanted.items() if column not in hidden}
    found: dict[str, Any] = {}
    async with doors.units.begin() as unit:
        datasets = await store.profiled(unit.connection, list(wanted))
    for dataset in datasets:
        missing = [column for column in dataset.columns if column in wanted and wanted[column] not in found]
        if not missing:
            continue
        profile = json.loads(await doors.objects.get(dataset.profile))
        for column in missing:
            told = {"dataset": dataset.digest, "made_at": dataset.made_at.isoformat(), "rows": profile["rows"]}
            found[wanted[column]] = profile["columns"][column] | told
    return found
