"""JSON Schemas of the facts: what they are now, and what they were when they were last released."""

import json
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from pelton.contracts.fact import Fact, catalogue
from pelton.contracts.topics import CONTROL_OWNERS

Schema = Mapping[str, Any]

RELEASED = Path(__file__).parent / "released"


def facts() -> Mapping[str, type[Fact]]:
    """Every fact of the platform by its type, in order."""
    for owner in CONTROL_OWNERS:
        import_module(f"pelton.contracts.{owner}")
    # Tests have facts of their own in the catalogue.
    here = f"{__package__}."
    return {type_: fact for type_, fact in sorted(catalogue().items()) if fact.__module__.startswith(here)}


def past_types() -> frozenset[str]:
    """The types of former versions that an upcaster reads."""
    return frozenset(type_ for fact in facts().values() for type_ in fact.fact_types[:-1])


def present() -> Mapping[str, Schema]:
    """The schema of each fact as the code has it."""
    return {type_: fact.model_json_schema() for type_, fact in facts().items()}


def released(folder: Path = RELEASED) -> Mapping[str, Schema]:
    """The schema of each fact as it was last released."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def write(schemas: Mapping[str, Schema], folder: Path = RELEASED) -> None:
    """Make these the released schemas; of facts that are not among them, the last one stays."""
    folder.mkdir(exist_ok=True)
    for type_, schema in schemas.items():
        (folder / f"{type_}.json").write_text(json.dumps(schema, indent=1, sort_keys=True) + "\n")
