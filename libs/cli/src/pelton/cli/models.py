"""`pelton model | rollout | features | monitor | train | events | dlq`: what is there, and a person's word."""

import asyncio
import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any
from urllib.parse import quote

import typer
from aiokafka import AIOKafkaConsumer

from pelton.cli.rows import console, rows_of, show
from pelton.contracts.topics import CONTROL_OWNERS, control_topic
from pelton.sdk.client import Client

app = typer.Typer()
model = typer.Typer(no_args_is_help=True, help="Models and their versions.")
rollout = typer.Typer(no_args_is_help=True, help="Rollouts: shadow, canary, rollback.")
features = typer.Typer(no_args_is_help=True, help="Feature views and online features.")
monitor = typer.Typer(no_args_is_help=True, help="Windows, drift and performance.")
events = typer.Typer(no_args_is_help=True, help="The facts on Kafka.")
dlq = typer.Typer(no_args_is_help=True, help="Messages that a service could not handle.")
for name, commands in (
    ("model", model),
    ("rollout", rollout),
    ("features", features),
    ("monitor", monitor),
    ("events", events),
    ("dlq", dlq),
):
    app.add_typer(commands, name=name)

Json = Annotated[bool, typer.Option("--json", help="For a script.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stays on record.")]


@model.command("list")
def list_models(as_json: Json = False) -> None:
    """Every model."""
    _show(lambda client: rows_of(client.get("registry", "/v1/models")), as_json)


@model.command("show")
def show_model(name: str, as_json: Json = False) -> None:
    """A model's versions and their stages."""
    path = f"/v1/models/{quote(name, safe='')}/versions"
    with Client() as client:
        versions = rows_of(client.get("registry", path))
    show(versions, as_json=as_json, columns=("version", "stage", "aliases", "created_by", "created_at", "artifact"))


@model.command()
def approve(name: str, version: int, reason: Reason) -> None:
    """Let a version that waits for approval into production. Who asked for it cannot approve it."""
    with Client() as client:
        _decide(client, name, version, "approve", reason)
    console.print(f"{name} version {version} is approved.")


@model.command()
def deny(name: str, version: int, reason: Reason) -> None:
    """Keep a version that waits for approval out of production."""
    with Client() as client:
        _decide(client, name, version, "deny", reason)
    console.print(f"{name} version {version} is denied.")


@model.command()
def rollback(name: str, reason: Reason) -> None:
    """Make the former champion the champion again."""
    with Client() as client:
        client.post("registry", f"/v1/models/{quote(name, safe='')}/rollback", {"reason": reason})
    console.print(f"{name} is rolled back; see `pelton model show {name}`.")


@app.command()
def train(name: str, as_json: Json = False) -> None:
    """Ask for a training now, whatever the triggers say."""
    with Client() as client:
        answer = client.post("trainer", "/v1/trainings", {"model": name})
    typer.echo(json.dumps(answer) if as_json else f"Training {answer['training_id']} is {answer['status']}.")


@rollout.command("show")
def show_rollout(name: str, as_json: Json = False) -> None:
    """How a model's requests are answered, and the test under way."""
    with Client() as client:
        found = client.get("deployer", f"/v1/rollouts/{name}")
    if as_json:
        typer.echo(json.dumps(found))
        return
    history = found.pop("history")
    console.print_json(data=found)
    for fact in reversed(history[:10]):
        console.print(f"{fact['time'][:19]}  {fact['type'].split('.')[2]}", highlight=False)


@rollout.command()
def abort(name: str) -> None:
    """End the trial under way; the champion stays."""
    with Client() as client:
        client.post("deployer", f"/v1/rollouts/{name}/abort", {})
    console.print(f"The rollout of {name} is aborted.")


@monitor.command("report")
def report(name: str, as_json: Json = False) -> None:
    """The newest windows of a model."""
    _show(lambda client: rows_of(client.get("monitor", "/v1/windows", model=name)), as_json)


@monitor.command("alerts")
def alerts(as_json: Json = False) -> None:
    """What is drifting or degraded now."""
    _show(lambda client: rows_of(client.get("monitor", "/v1/alerts")), as_json)


@events.command("tail")
def tail(
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new facts until Ctrl-C.")] = False,
) -> None:
    """Every fact on the control topics, oldest first, as a JSON line each."""
    with Client() as client:
        kafka = client.address.kafka
    asyncio.run(_tail(kafka, follow=follow))


@dlq.command("list")
def list_dead_letters(
    service: Annotated[str | None, typer.Argument(help="A service; every one when left out.")] = None,
    as_json: Json = False,
) -> None:
    """The newest messages that were set aside, with the reason."""
    services = [service] if service else CONTROL_OWNERS
    _show(lambda client: [row for name in services for row in _dead_letters(client, name)], as_json)


@dlq.command("replay")
def replay(service: str, letter: str) -> None:
    """Handle a dead letter again; it stays where it is when that fails."""
    with Client() as client:
        client.post(service, f"/v1/dead-letters/{letter}/replay", {})
    console.print(f"{letter} is handled.")


def _decide(client: Client, name: str, version: int, word: str, reason: str) -> None:
    """Say a person's word about a version, bound to the artifact that it has now."""
    path = f"/v1/models/{quote(name, safe='')}/versions/{version}"
    artifact = client.get("registry", path)["artifact"]
    client.post("registry", f"{path}/{word}", {"artifact": artifact, "reason": reason})


def _dead_letters(client: Client, service: str) -> list[dict[str, Any]]:
    return [{"service": service, **letter} for letter in client.get(service, "/v1/dead-letters")]


async def _tail(kafka: str, *, follow: bool) -> None:
    topics = [control_topic(owner) for owner in CONTROL_OWNERS]
    consumer = AIOKafkaConsumer(
        *topics, bootstrap_servers=kafka, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        ends = await consumer.end_offsets(consumer.assignment())
        left = {partition for partition, end in ends.items() if end > 0}
        while left or follow:
            for partition, records in (await consumer.getmany(timeout_ms=500)).items():
                for record in records:
                    headers = {name: value.decode() for name, value in record.headers if name.startswith("ce_")}
                    typer.echo(json.dumps(headers | {"data": json.loads(record.value)}))
                if records[-1].offset + 1 >= ends[partition]:
                    left.discard(partition)
    finally:
        await consumer.stop()


def _show(ask: Callable[[Client], Sequence[dict[str, Any]]], as_json: bool) -> None:
    with Client() as client:
        rows = ask(client)
    show(rows, as_json=as_json)
