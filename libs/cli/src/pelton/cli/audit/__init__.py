"""`pelton audit`: trust nobody, check everything."""

import typer

from pelton.cli.audit.prove import prove
from pelton.cli.audit.replay import replay
from pelton.cli.audit.verify import verify
from pelton.cli.audit.why import why

app = typer.Typer(help="Verify the log, explain and replay decisions.", no_args_is_help=True)
for command in (verify, why, replay, prove):
    app.command()(command)
