"""`pelton audit verify`: compute everything again, compare every copy, name what differs."""

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pelton.cli.audit import bus
from pelton.cli.audit.archive import check_archive
from pelton.cli.audit.checks import (
    check_checkpoints,
    check_entries,
    check_kafka,
    check_positions,
    check_store,
    waiting_claims,
)
from pelton.cli.audit.entries import LogEntry, checkpoints, entries, stored_events
from pelton.cli.audit.evidence import check_evidence
from pelton.cli.audit.findings import Check, Finding
from pelton.cli.audit.trust import trusted_key
from pelton.contracts.topics import CONTROL_OWNERS
from pelton.sdk.client import Client

SHOWN_FINDINGS = 50
IN_FLIGHT_TRIES = 10


def verify(
    vkey: Annotated[
        Path | None,
        typer.Option("--vkey", help="The log's public key, from somebody you trust; else the one in PELTON_HOME."),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="Also that all evidence which facts quote can still be read.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Recompute the log from its raw entries and compare every copy; exits 1 naming each record that differs."""
    began = time.monotonic()
    with Client() as client:
        checks = run(client, vkey, full=full)
    seconds = time.monotonic() - began
    if as_json:
        typer.echo(
            json.dumps({"ok": not _found(checks), "seconds": seconds, "checks": [asdict(one) for one in checks]})
        )
    else:
        show(checks, seconds)
    if _found(checks):
        raise typer.Exit(1)


def run(client: Client, vkey: Path | None, *, full: bool) -> list[Check]:
    """Fetch every copy and compare. What is claimed is fetched before what it is checked against may have grown."""
    key = trusted_key(client, vkey)
    status = client.get("audit", "/v1/status")
    taken = {(one["topic"], one["partition"]): one["next"] for one in status["offsets"]}
    covered = max((size for size, _ in checkpoints(client)), default=0)
    log = entries(client)
    # Those sealed meanwhile may cover entries that were not fetched; those sealed before cover none.
    notes = [one for one in checkpoints(client) if one[0] <= max(covered, len(log))]
    checks = [check_entries(log), check_checkpoints(notes, log, key)]
    archive = client.address.home / "audit" / "archive"
    if archive.is_dir() or status["archived_bundles"]:
        checks.append(check_archive(archive, status["archived_bundles"], log))
    items, positions = _kafka(client, log)
    waiting = waiting_claims(items, log)
    checks += [check_kafka(items, log, taken), positions]
    checks += [check_store(owner, stored_events(client, owner), log, waiting) for owner in CONTROL_OWNERS]
    if full:
        checks.append(asyncio.run(check_evidence(client.address, log)))
    return checks


def show(checks: Sequence[Check], seconds: float) -> None:
    """Print a row a check, and every finding with its record."""
    console = Console()
    table = Table(title="pelton audit verify", title_justify="left")
    for column in ("check", "compared", "records", "result"):
        table.add_column(column, justify="right" if column == "records" else "left")
    for check in checks:
        number = len(check.findings)
        result = (
            f"[red]{number} {'finding' if number == 1 else 'findings'}[/red]" if number else "[green]intact[/green]"
        )
        table.add_row(check.name, check.compared, f"{check.records:,}", result)
    console.print(table)
    found = _found(checks)
    for one in found[:SHOWN_FINDINGS]:
        console.print(
            f"[red]✗[/red] [bold]{escape(one.record or one.check)}[/bold]\n  {one.check}: {escape(one.problem)}",
            highlight=False,
            soft_wrap=True,
        )
    if len(found) > SHOWN_FINDINGS:
        console.print(f"… and {len(found) - SHOWN_FINDINGS} more; all of them with --json")
    verdict = (
        f"[red]{len(found)} finding{'s' if len(found) > 1 else ''}[/red]"
        if found
        else "[green]Every copy says the same.[/green]"
    )
    console.print(f"{verdict} ({seconds:.1f} s)", highlight=False)


def _found(checks: Sequence[Check]) -> list[Finding]:
    return [finding for check in checks for finding in check.findings]


def _kafka(client: Client, log: Sequence[LogEntry]) -> tuple[list[bus.Item], Check]:
    """Kafka's records, and whether a position is missing.

    The partitions of a topic are written at the same time: a fact may be there while the one before it, in another
    partition, is still on its way. So a gap is looked at again before it is one.
    """
    for attempt in range(IN_FLIGHT_TRIES):
        items = asyncio.run(bus.control_records(client.address.kafka))
        check = check_positions(log, waiting_claims(items, log))
        if not check.findings or attempt == IN_FLIGHT_TRIES - 1:
            break
        time.sleep(0.1)
    return items, check
