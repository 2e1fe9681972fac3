"""`pelton quarantine list | show | replay | discard`: records that were set aside, and what is to become of them."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import typer

from pelton.cli.rows import console, show
from pelton.sdk.client import Client
from pelton.sdk.errors import PeltonError

app = typer.Typer()
quarantine = typer.Typer(no_args_is_help=True, help="Records that were set aside.")
app.add_typer(quarantine, name="quarantine")

COLUMNS = ("id", "event_id", "received_at", "reasons", "status")

Source = Annotated[str, typer.Argument(help="A registered source.")]
Record = Annotated[str, typer.Argument(help="The id of a record that was set aside.")]
Rule = Annotated[str | None, typer.Option("--rule", help="Those alone that did not keep this rule, or this field.")]
Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Status = Literal["waiting", "replayed", "discarded", "all"]


@quarantine.command("list")
def list_(
    source: Source,
    rule: Rule = None,
    status: Annotated[Status, typer.Option(help="What became of them.")] = "waiting",
    limit: Annotated[int, typer.Option(min=1, help="At most so many, the newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """Show records of a source that were set aside, with the rules and fields that they did not keep."""
    found: list[dict[str, Any]] = []
    page = None
    with Client() as client:
        while len(found) < limit:
            answer = client.get(
                "feature", "/v1/quarantine", source=source, rule=rule, status=status,
                limit=min(limit - len(found), 1000), page=page,
            )  # fmt: skip
            found += answer["records"]
            page = answer["next_page"]
            if page is None:
                break
    show(found, as_json=as_json, columns=COLUMNS)
    if page is not None and not as_json:
        console.print(f"There are more: ask for them with --limit {limit * 10}.", highlight=False)


@quarantine.command("show")
def show_(record: Record, as_json: Json = False) -> None:
    """Show a record, whole, with what was wrong and what to do about it."""
    with Client() as client:
        found = client.get("feature", f"/v1/quarantine/{record}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    show([found], as_json=False, columns=("source", "event_id", "origin", "received_at", "status", "source_digest"))
    for fault in found["faults"]:
        named = " ".join(filter(None, (fault.get("rule"), fault["field"]))) or "the record"
        _say(f"- {named}: {fault['detail']}\n  {fault['fix']}")
    if found["discard_reason"]:
        _say(f"Discarded by {found['settled_by']}: {found['discard_reason']}")
    _say(found["raw"])


@quarantine.command()
def replay(
    source_or_record: Annotated[str, typer.Argument(help="A source, or the id of one record.")],
    rule: Rule = None,
    body: Annotated[
        Path | None, typer.Option("--body", help="One record's fields, mended, as JSON; - reads them.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would become of them only.")] = False,
    as_json: Json = False,
) -> None:
    """Take in what was set aside and passes by now: all of a source, all of a rule, or one record."""
    with Client() as client:
        if _is_record(source_or_record):
            if rule is not None or dry_run:
                raise PeltonError("--rule and --dry-run are for all records of a source; name one instead of a record")
            content = None if body is None else sys.stdin.read() if str(body) == "-" else body.read_text()
            path = f"/v1/quarantine/{source_or_record}/replay"
            answer = client.send("feature", "POST", path, content=content).json()
            _done(answer, f"{answer['id']}: {answer['status']}", as_json=as_json)
            return
        if body is not None:
            raise PeltonError("--body is for one record; name its id instead of a source")
        params = {"source": source_or_record, "dry_run": dry_run} | ({} if rule is None else {"rule": rule})
        answer = client.send("feature", "POST", "/v1/quarantine/replay", params=params).json()
    would = "would be " if dry_run else ""
    words = f"{answer['accepted']} {would}taken in, {answer['duplicate']} were in already"
    words += f", {answer['rejected']} go on waiting"
    reasons = ", ".join(f"{reason} {count}" for reason, count in answer["reasons"].items())
    _done(answer, f"{words}{f' ({reasons})' if reasons else ''}.", as_json=as_json)


@quarantine.command()
def discard(
    source_or_record: Annotated[str, typer.Argument(help="A source, or the id of one record.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stays on record.")],
    rule: Rule = None,
    as_json: Json = False,
) -> None:
    """Let what was set aside be. It is kept, with the reason, and waits no more."""
    with Client() as client:
        if _is_record(source_or_record):
            if rule is not None:
                raise PeltonError("--rule is for all records of a source; name one instead of a record")
            answer = client.post("feature", f"/v1/quarantine/{source_or_record}/discard", {"reason": reason})
            _done(answer, f"{source_or_record} waits no more.", as_json=as_json)
            return
        params = {"source": source_or_record} | ({} if rule is None else {"rule": rule})
        answer = client.send("feature", "POST", "/v1/quarantine/discard", params=params, json={"reason": reason}).json()
    _done(answer, f"{answer['discarded']} records wait no more.", as_json=as_json)


def _is_record(text: str) -> bool:
    """Whether a text is the id of a record, and not the name of a source."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _done(answer: object, words: str, *, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(answer))
    else:
        _say(words)


def _say(words: str) -> None:
    console.print(words, highlight=False, markup=False, soft_wrap=True)
