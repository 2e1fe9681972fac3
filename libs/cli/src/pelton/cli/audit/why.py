"""`pelton audit why`: the causal chain from a decision back to the data, with the numbers that decided."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from pelton.cli.audit.decisive import decisive, headline, moment
from pelton.cli.audit.evidence import quotes
from pelton.contracts.registry import ModelPromoted, ModelRolledBack
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError

Node = Mapping[str, Any]

PRODUCTION: Final = "@production"
BESIDE: Final = frozenset(
    {
        "ModelVersionValidated",
        "RolloutAdvanced",
        "RolloutStarted",
        "RolloutSucceeded",
        "ApprovalGranted",
        "ApprovalRequested",
        "TrainingCompleted",
        "DatasetMaterialized",
        "GuardrailBreached",
    }
)
"""What a cause led to besides the chain, and a reader of the decision wants to see."""


def why(
    what: Annotated[str, typer.Argument(help="<model>@production, or a fact's id.")],
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="From the data to the decision.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Explain a decision by its causes: what, when, by whom, on which numbers, down to the records."""
    with Client() as client:
        story = client.get("audit", f"/v1/why/{_event_id(client, what)}")
    chain, beside = story["chain"], [one for one in story["companions"] if headline(one["type"]) in BESIDE]
    if as_json:
        typer.echo(json.dumps({"chain": [_told(one) for one in chain], "beside": [_told(one) for one in beside]}))
        return
    Console().print(grow(chain, beside, oldest_first=oldest_first), soft_wrap=True)


def grow(chain: Sequence[Node], beside: Sequence[Node], *, oldest_first: bool) -> Tree:
    """The chain, a branch for each fact: after each its cause, or its effect when the oldest is first.

    A fact beside the chain hangs below the cause that it shares with it, as do the records that a fact counted.
    """
    if not chain:
        raise PeltonError("the log has no such fact")
    by_cause: dict[str, list[Node]] = defaultdict(list)
    for one in beside:
        by_cause[str(one["causation_id"])].append(one)
    order = "each fact led to the next" if oldest_first else "each fact followed from the next"
    root = Tree(f"[dim]{order}[/dim]")
    for one in reversed(chain) if oldest_first else chain:
        branch = root.add(_label(one))
        for other in by_cause[one["id"]]:
            branch.add(f"[dim]also[/dim] {_label(other)}")
        for record in _records(one):
            branch.add(f"[cyan]records[/cyan] {record}")
    return root


def _event_id(client: Client, what: str) -> str:
    if what.endswith(PRODUCTION):
        return _in_production(client, what.removesuffix(PRODUCTION))
    try:
        return str(UUID(what))
    except ValueError as error:
        raise PeltonError(f"{what!r} is neither <model>@production nor the id of a fact") from error


def _in_production(client: Client, model: str) -> str:
    """The newest fact that made a version of the model the champion."""
    newest: Node | None = None
    for kind in (*ModelPromoted.fact_types, *ModelRolledBack.fact_types):
        after = None
        while True:
            page = client.get("audit", "/v1/facts", type=kind, order="newest", after=after)
            found = next((one for one in page["facts"] if one["data"]["model"] == model), None)
            after = page["next"]
            if found is not None or after is None:
                break
        if found is not None and (newest is None or found["index"] > newest["index"]):
            newest = found
    if newest is None:
        raise PeltonError(f"no version of {model!r} has been promoted; see `pelton model list`")
    return str(newest["id"])


def _label(one: Node) -> str:
    data = one["data"]
    told = moment(data)
    event_time = f", event time {told}" if told else ""
    head = f"[bold]{headline(one['type'])}[/bold] {escape(one['subject'])}"
    actor = escape(one["headers"]["ce_actor"])
    about = f"[dim]{one['time'][:19]}Z{event_time} · {actor} · entry {one['index']} · {one['id']}[/dim]"
    return "\n".join([head, about, *(escape(line) for line in decisive(one["type"], data) if line)])


def _records(one: Node) -> list[str]:
    """The records that a fact quotes: each range once, with how many."""
    seen = dict.fromkeys((quote.topic, quote.partition, quote.start, quote.end) for quote in quotes(one["data"]))
    return [
        f"{topic}/{part} offsets {start} to {end - 1} ({end - start:,})"
        for topic, part, start, end in seen
        if end > start
    ]


def _told(one: Node) -> dict[str, Any]:
    names = ("index", "id", "type", "subject", "time", "causation_id", "topic", "partition", "offset", "data")
    return {name: one[name] for name in names} | {
        "actor": one["headers"]["ce_actor"],
        "event_time": moment(one["data"]),
        "decisive": decisive(one["type"], one["data"]),
    }
