"""Who may read a dataset: its columns are values of views and of sources, wherever its rows come from."""

from collections.abc import Iterable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import ModelDefinition
from pelton.eventkit.identity import Actor
from pelton.feature.access.control import Access, forbidden
from pelton.feature.access.domain import Action
from pelton.feature.datasets import store
from pelton.feature.datasets.queries import DatasetQuery, SourceRows
from pelton.feature.selection import Selection


async def permit_query(
    access: Access, connection: AsyncConnection, actor: Actor, query: DatasetQuery, selection: Selection
) -> None:
    """Let the actor ask for a dataset.

    Raises:
        ProblemError: 403, a view, the source of its rows or the dataset that they are was not granted.
    """
    access.reading_whole(actor, selection)
    if isinstance(query.rows, SourceRows):
        access.permit(actor, Action.READ, sources=[query.rows.source])
        fields = selection.join_keys | selection.request | frozenset(query.rows.fields)
        _refuse(actor, fields & access.masked_fields(actor, query.rows.source))
    elif (rows := await store.by_digest(connection, query.rows)) is not None:
        await permit_content(access, connection, actor, rows)


async def permit_content(access: Access, connection: AsyncConnection, actor: Actor, dataset: Mapping[str, Any]) -> None:
    """Let the actor read all rows of a dataset.

    Raises:
        ProblemError: 403, a view or a source of it was not granted, or not what is sensitive among its columns.
    """
    _refuse(actor, await withheld(access, connection, actor, dataset))


async def withheld(
    access: Access, connection: AsyncConnection, actor: Actor, dataset: Mapping[str, Any]
) -> frozenset[str]:
    """The columns of a dataset that the actor must not see; those of the datasets too that its rows are from.

    Raises:
        ProblemError: 403, a view or a source of it was not granted.
    """
    found: frozenset[str] = frozenset()
    origin: Mapping[str, Any] | None = dataset
    while origin is not None:
        sources = _sources(origin)
        access.permit(actor, Action.READ, views=origin["views"], sources=sources)
        fields = frozenset().union(*(access.masked_fields(actor, one) for one in sources))
        found |= access.withheld(actor, dataset["columns"]) | fields.intersection(dataset["columns"])
        rows = (origin.get("query") or {}).get("rows")
        origin = await store.by_digest(connection, rows) if isinstance(rows, str) else None
    return found


def refusal(access: Access, person: str, model: ModelDefinition, selection: Selection) -> str | None:
    """Why a dataset of a model cannot be made in a person's name; None where it can."""
    if access.is_exempt(person):
        return None
    who = person or "nobody known"
    told = f"the model {model.name!r} was registered by {who}, whose grants its datasets are made by: "
    sources = {model.source, model.label.source}
    refused = access.refused(person, Action.READ, views=selection.views, sources=sorted(sources))
    if refused:
        return told + f"there is none to read {', '.join(' '.join(one) for one in refused)}"
    fields = access.hidden_fields(person, model.source).intersection((*model.inputs.request, *model.attributes))
    hidden = sorted(access.hidden(person, selection) | fields)
    return told + f"none of them lets {', '.join(hidden)} be seen, which are sensitive" if hidden else None


def _sources(dataset: Mapping[str, Any]) -> Iterable[str]:
    """The sources whose events are a dataset's rows. Of a training's it is not told which, and so all of them."""
    query = dataset.get("query")
    if query is None:
        return list(dataset["sources"])
    return [query["rows"]["source"]] if isinstance(query["rows"], dict) else []


def _refuse(actor: Actor, columns: Iterable[str]) -> None:
    names = ", ".join(sorted(columns))
    if names:
        raise forbidden(f"{names} are sensitive, and {actor.name} has no grant that says so; ask without them")
