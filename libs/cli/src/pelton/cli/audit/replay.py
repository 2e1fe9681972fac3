"""`pelton audit replay`: compute a decision again from its evidence, and compare every byte."""

import asyncio
import json
from base64 import b64decode
from importlib.metadata import entry_points
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from pelton.cli.audit.evidence import PlatformEvidence
from pelton.cli.audit.findings import payload_difference
from pelton.eventkit.replay import REPLAYS, Replay
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError


def replay(
    event_id: Annotated[str, typer.Argument(help="The decision's fact.")],
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Recompute a decision from the records and facts that it quotes; exits 1 when one byte differs."""
    with Client() as client:
        fact = client.get("audit", f"/v1/facts/{event_id}")
        published = b64decode(fact["payload"])
        compute = find(fact["type"])
        try:
            computed = asyncio.run(_computed(compute, published, PlatformEvidence(client)))
        except LookupError as error:
            raise PeltonError(f"{fact['type']} {event_id} cannot be replayed, its evidence is gone: {error}") from error
        except ValueError as error:
            raise PeltonError(f"{fact['type']} {event_id} cannot be replayed: {error}") from error
    equal = computed == published
    differs = None if equal else payload_difference(computed, published)
    answer = {"id": event_id, "type": fact["type"], "bytes": len(published), "equal": equal, "difference": differs}
    if as_json:
        typer.echo(json.dumps(answer))
    elif equal:
        words = f"[green]equal[/green]: {fact['type']} {event_id}, recomputed to each of its {len(published):,} bytes"
        Console().print(words, highlight=False, soft_wrap=True)
    else:
        words = f"[red]different[/red]: {fact['type']} {event_id}\n  recomputed (here) and published (there): "
        Console().print(words + escape(str(differs)), highlight=False, soft_wrap=True)
    if not equal:
        raise typer.Exit(1)


def find(kind: str) -> Replay:
    """The replay that a service offers for a type of fact.

    Raises:
        PeltonError: none does.
    """
    offered = entry_points(group=REPLAYS)
    for one in offered:
        if one.name == kind:
            replay: Replay = one.load()
            return replay
    names = ", ".join(sorted(one.name for one in offered)) or "none; is the service's package installed?"
    raise PeltonError(f"a {kind} cannot be replayed. Those that can: {names}")


async def _computed(compute: Replay, published: bytes, evidence: PlatformEvidence) -> bytes:
    return await compute(published, evidence)
