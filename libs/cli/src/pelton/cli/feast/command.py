"""`pelton features import-feast`: a project of Feast's, as one of Pelton's."""

from pathlib import Path
from typing import Annotated

import typer

from pelton.cli.feast.code import render
from pelton.cli.feast.registry import FeastRegistryError, read_registry
from pelton.cli.feast.translation import translate
from pelton.cli.rows import console
from pelton.sdk.project import FEATURES_FILE

app = typer.Typer()


@app.command("import-feast")
def import_feast(
    registry: Annotated[Path, typer.Argument(help="A registry file, a feature_store.yaml, or the folder of one.")],
    folder: Annotated[Path, typer.Argument(help="Where features.py is written.")],
    project: Annotated[str | None, typer.Option(help="Which project, where the registry has several.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a features.py that is there.")] = False,
) -> None:
    """Write a features.py that declares what a registry of Feast's has, and say what was left out, and why."""
    found = read_registry(registry, project)
    translation = translate(found)
    target = folder / FEATURES_FILE
    if target.exists() and not force:
        raise FeastRegistryError(f"{target} is there already; give another folder, or --force to write over it")
    folder.mkdir(parents=True, exist_ok=True)
    target.write_text(render(translation, found.project), encoding="utf-8")
    counts = (
        f"{len(translation.entities)} entities, {len(translation.sources)} sources, {len(translation.views)} feature "
        f"views and {len(translation.services)} feature services"
    )
    console.print(f"{counts} of {found.project} are in {target}.", highlight=False, markup=False)
    for line in translation.left_out:
        console.print(f"left out: {line}", highlight=False, markup=False, soft_wrap=True)
