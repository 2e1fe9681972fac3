"""`pelton demo`: the whole loop on real data."""

from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The whole loop on real data.")


@app.callback()
def demos() -> None:
    """The whole loop on real data."""


@app.command()
def flights(
    as_json: Annotated[bool, typer.Option("--json", help="Print the facts of the run for a script.")] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the platform up, to look around.")] = False,
    until: Annotated[str, typer.Option(help="Stop the stream at this day (YYYY-MM-DD).")] = "2014-01-02",
) -> None:
    """Stream the flights of 2013 through a platform of its own: drift, retraining, shadow, canary, promotion, proof.

    The demo has its own home, `demo` under PELTON_HOME, and begins with an empty one.
    """
    # Only here: no other command should wait for polars and ONNX Runtime.
    from pelton.cli.demo.flights.play import play  # noqa: PLC0415

    if play(as_json=as_json, keep=keep, until=until):
        raise typer.Exit(1)
