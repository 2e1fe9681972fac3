"""The `pelton` command."""

import sys

import typer
from rich.console import Console
from rich.markup import escape

from pelton.cli import (
    access,
    allowances,
    audit,
    cards,
    datasets,
    declare,
    demo,
    feature_access,
    features,
    governance,
    history,
    lifecycle,
    lineage,
    models,
    online,
    provenance,
    quarantine,
)
from pelton.cli.feast import command as feast
from pelton.cli.home import HomeError
from pelton.local.errors import LocalError
from pelton.sdk.errors import PeltonError

app = typer.Typer(
    name="pelton",
    help="Event-driven MLOps on Kafka: one loop from live data to a promoted model, replayable to the byte.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for commands in (
    lifecycle.app,
    declare.app,
    models.app,
    access.app,
    allowances.app,
    lineage.app,
    datasets.app,
    quarantine.app,
):
    app.registered_commands.extend(commands.registered_commands)
    app.registered_groups.extend(commands.registered_groups)
for commands in (cards.app, governance.app, provenance.app):
    models.model.registered_commands.extend(commands.registered_commands)
    models.model.registered_groups.extend(commands.registered_groups)
for commands in (features.app, feature_access.app, online.app, history.app, feast.app):
    models.features.registered_commands.extend(commands.registered_commands)
app.add_typer(audit.app, name="audit")
app.add_typer(demo.app, name="demo")


def main() -> None:
    """Run the command; what a user can mend is told in words, without a traceback."""
    try:
        app()
    except (HomeError, LocalError, PeltonError) as error:
        Console(stderr=True).print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
        sys.exit(1)
