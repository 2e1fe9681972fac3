"""What the documents tell a reader to type or to write works."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from pelton.cli.main import app
from pelton.contracts.definitions import ModelDefinition, StagePolicy
from pelton.sdk.project import load_project

ROOT = Path(__file__).parents[3]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(document: Path, language: str) -> list[str]:
    return [body for kind, body in BLOCK.findall(document.read_text()) if kind == language]


def typed() -> Iterator[tuple[str, list[str]]]:
    """Every `pelton` command in a shell block or in running text."""
    for document in DOCUMENTS:
        shell = "\n".join(blocks(document, "sh")).replace("\\\n", " ")
        inline = re.findall(r"`((?:PELTON_\w+=\S+ )?pelton [^`\n]+)`", document.read_text())
        for line in [*re.split(r"[\n;]", shell), *inline]:
            command = re.match(r"\s*(?:PELTON_\w+=\S+ )*pelton (.*)", line)
            if command:
                yield f"{document.name}: {line.strip()}", shlex.split(command[1], comments=True)


@pytest.mark.parametrize("words", [pytest.param(words, id=name) for name, words in typed()])
def test_a_command_in_a_document_exists_with_its_options(words: list[str]) -> None:
    command = typer.main.get_command(app)
    while isinstance(command, TyperGroup) and words and not words[0].startswith("-"):
        name, *words = words
        assert name in command.commands
        command = command.commands[name]
    known = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= known | {"--help"}


def test_the_model_of_the_guide_is_a_project_that_loads(tmp_path: Path) -> None:
    guide = ROOT / "docs" / "guides" / "first-model.md"
    (definition,) = blocks(guide, "yaml")
    features, pipeline = blocks(guide, "python")
    (tmp_path / "pelton.yaml").write_text(definition)
    (tmp_path / "features.py").write_text(features)
    (tmp_path / "pipeline.py").write_text(pipeline)
    project = load_project(tmp_path)
    assert project.model == ModelDefinition.model_validate(yaml.safe_load(definition))
    assert {view.name for view in project.views} == {"card_payments"}


def test_the_policy_of_the_guide_is_one_that_the_registry_takes() -> None:
    (policy,) = blocks(ROOT / "docs" / "guides" / "governance.md", "json")
    read = StagePolicy.model_validate_json(policy)
    assert read.approvals is not None
    assert read.gates.champion_test is not None


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = [
        (document, target)
        for document in DOCUMENTS
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text())
    ]
    assert links
    assert [f"{document.name}: {target}" for document, target in links if not (document.parent / target).exists()] == []
