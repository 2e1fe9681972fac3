"""`pelton model card | write-card`: a version's model card, and what people add to it."""

from pathlib import Path
from typing import Annotated
from urllib.parse import quote

import typer

from pelton.cli.rows import console
from pelton.sdk.client import Client

app = typer.Typer()


@app.command("card")
def show_card(
    name: str,
    version: int,
    html: Annotated[bool, typer.Option("--html", help="As a page instead of Markdown.")] = False,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Write it to this file.")] = None,
) -> None:
    """The model card of a version, written from what is known of it now."""
    asked = {"format": "html" if html else "markdown"}
    with Client() as client:
        card = client.send(
            "registry", "GET", f"/v1/models/{quote(name, safe='')}/versions/{version}/card", params=asked
        )
    if output is None:
        typer.echo(card.text)
        return
    output.write_bytes(card.content)
    console.print(f"The card of {name} version {version} is in {output}.", highlight=False, markup=False)


@app.command("write-card")
def write_card(
    name: str,
    section: Annotated[str, typer.Argument(help="intended-use, limits, ethics, maintenance, or a note's own name.")],
    file: Annotated[Path, typer.Argument(help="Markdown; an empty file takes the section out.", exists=True)],
) -> None:
    """Write a section of a model's cards; it stays in the cards of all versions, those to come too."""
    path = f"/v1/models/{quote(name, safe='')}/card/sections/{quote(section, safe='')}"
    with Client() as client:
        client.send("registry", "PUT", path, json={"text": file.read_text(encoding="utf-8")})
    console.print(f"The section {section} of {name} is written.", highlight=False, markup=False)
