"""`pelton init | apply | publish`: from a folder to a running loop."""

import asyncio
import json
import sys
from dataclasses import asdict
from importlib import resources
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pelton.sdk.apply import Step
from pelton.sdk.apply import apply as carry_out
from pelton.sdk.apply import plan as make_plan
from pelton.sdk.client import Client
from pelton.sdk.errors import ProjectError
from pelton.sdk.project import load_project
from pelton.sdk.publish import EventPublisher

app = typer.Typer()
console = Console()

MARKS = {"create": "[green]+ create[/green]", "change": "[yellow]~ change[/yellow]", "leave": "[dim]= leave [/dim]"}


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")]) -> None:
    """Make a project folder to start from: the model of the flights demo, its features and its pipeline."""
    if folder.exists() and any(folder.iterdir()):
        raise ProjectError(f"{folder} exists and is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    for file in sorted((resources.files("pelton.cli.demo.flights") / "project").iterdir(), key=lambda one: one.name):
        if file.name.endswith((".yaml", ".py")):
            (folder / file.name).write_text(file.read_text())
            console.print(f"[green]+[/green] {folder / file.name}", highlight=False)
    console.print(f"Next: `pelton up -d`, then `pelton apply {folder}`.", highlight=False)


@app.command()
def apply(
    folder: Annotated[Path, typer.Argument(help="The project folder.")] = Path(),
    dry_run: Annotated[bool, typer.Option("--plan", help="Show the plan only.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="For a script.")] = False,
) -> None:
    """Register a project's features and its model. Prints the plan, then acts; a repeat changes nothing."""
    project = load_project(folder)
    with Client() as client:
        steps = make_plan(client, project)
        show(steps, as_json=as_json)
        if not dry_run:
            carry_out(client, project, steps)


def show(steps: list[Step], *, as_json: bool) -> None:
    """Print a plan."""
    if as_json:
        typer.echo(json.dumps([asdict(step) for step in steps]))
        return
    for step in steps:
        console.print(f"{MARKS[step.action]} {step.kind} {step.name}", highlight=False)
        if step.backfill is not None:
            since = "" if step.backfill.start is None else f" since {step.backfill.start[:19].replace('T', ' ')}"
            told = f"{step.backfill.events} events of {step.backfill.source}{since} are stored to fill it from"
            console.print(f"           {told}", highlight=False)
        if step.kept_by:
            console.print(f"           the version before is kept for {', '.join(step.kept_by)}", highlight=False)


@app.command()
def publish(
    source: Annotated[str, typer.Argument(help="A registered source.")],
    file: Annotated[
        Path | None, typer.Argument(help="JSON lines, one event each; standard input when left out.")
    ] = None,
    id_field: Annotated[str, typer.Option("--id", help="The field that makes an event count once.")] = "id",
    http: Annotated[
        bool, typer.Option("--http", help="Through the feature service, which answers for each event.")
    ] = False,
) -> None:
    """Publish events of a source from JSON lines."""
    lines = (file.read_text() if file else sys.stdin.read()).splitlines()
    events = [_event(number, line, id_field) for number, line in enumerate(lines, start=1) if line.strip()]
    with Client() as client:
        definition = client.get("feature", f"/v1/sources/{source}")["definition"]
        if http:
            body = {"source": source, "events": [{"id": one[0], "data": one[1]} for one in events]}
            typer.echo(json.dumps(client.post("feature", "/v1/events", body)))
            return
        asyncio.run(_publish(client.address.kafka, source, definition["key"], events))
    console.print(f"{len(events)} events of {source} are on Kafka.", highlight=False)


async def _publish(kafka: str, source: str, key: str, events: list[tuple[str, dict[str, object]]]) -> None:
    async with EventPublisher(kafka, origin="/pelton/cli") as publisher:
        for event_id, data in events:
            await publisher.send(source, event_id, str(data.get(key, "")), data)
        await publisher.flush()


def _event(number: int, line: str, id_field: str) -> tuple[str, dict[str, object]]:
    try:
        data = json.loads(line)
        return str(data[id_field]), data
    except ValueError as error:
        raise ProjectError(f"line {number} is not JSON: {error}") from error
    except (KeyError, TypeError) as error:
        raise ProjectError(f"line {number} has no field {id_field!r}; name the identifying field with --id") from error
