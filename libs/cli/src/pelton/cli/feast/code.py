"""Definitions as the Python that a person would write to declare them."""

import json
import keyword
from collections.abc import Iterable, Mapping
from typing import Any, Final

from pydantic import BaseModel

from pelton.cli.feast.translation import Translation
from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    Latest,
    SourceDefinition,
)

_CLASSES: Final[Mapping[type[BaseModel], str]] = {
    EntityDefinition: "Entity",
    SourceDefinition: "Source",
    FeatureViewDefinition: "FeatureView",
    FeatureServiceDefinition: "FeatureService",
    Latest: "Latest",
}
_SUFFIXES: Final[Mapping[type[BaseModel], str]] = {
    EntityDefinition: "entity",
    SourceDefinition: "source",
    FeatureViewDefinition: "view",
    FeatureServiceDefinition: "service",
}
_WIDTH: Final = 120
# Room for what stands before an expression on its line.
_LONGEST_NAME: Final = 40

Named = EntityDefinition | SourceDefinition | FeatureViewDefinition | FeatureServiceDefinition


def render(found: Translation, project: str) -> str:
    """A module that declares what was translated."""
    definitions: list[Named] = [*found.entities, *found.sources, *found.views, *found.services]
    used = sorted({_CLASSES[type(one)] for one in definitions} | ({"Latest"} if found.views else set()))
    taken: set[str] = set()
    parts = [f'"""Sources, entities and feature views that were Feast\'s project {json.dumps(project)[1:-1]}."""']
    parts.append(f"from pelton.sdk import {', '.join(used)}")
    parts += [f"{_variable(one, taken)} = {_expression(one, 0)}" for one in definitions]
    return "\n\n".join(parts) + "\n"


def _variable(one: Named, taken: set[str]) -> str:
    """A name for a definition: its own, with what it is where another has the same."""
    variable = "".join(letter if letter.isalnum() else "_" for letter in one.name)
    if variable[0].isdigit() or keyword.iskeyword(variable):
        variable = f"_{variable}"
    if variable in taken:
        variable = f"{variable}_{_SUFFIXES[type(one)]}"
    taken.add(variable)
    return variable


def _expression(value: object, indent: int) -> str:
    """An expression that makes the value: on one line if it fits, else one part a line."""
    flat = _flat(value)
    if len(flat) + indent + _LONGEST_NAME <= _WIDTH:
        return flat
    opening, parts, closing = _parts(value, indent + 4)
    if not parts:
        return flat
    space = " " * (indent + 4)
    return "\n".join([opening, *(f"{space}{part}," for part in parts), " " * indent + closing])


def _flat(value: object) -> str:
    match value:
        case BaseModel():
            inside = ", ".join(f"{name}={_flat(part)}" for name, part in _said(value))
            return f"{_CLASSES[type(value)]}({inside})"
        case dict():
            return "{" + ", ".join(f"{_text(name)}: {_flat(part)}" for name, part in value.items()) + "}"
        case tuple():
            return f"({', '.join(map(_flat, value))}{',' if len(value) == 1 else ''})"
        case list():
            return f"[{', '.join(map(_flat, value))}]"
        case str():
            return _text(value)
        case _:
            return repr(value)


def _parts(value: object, indent: int) -> tuple[str, list[str], str]:
    match value:
        case BaseModel():
            return (
                f"{_CLASSES[type(value)]}(",
                [f"{name}={_expression(part, indent)}" for name, part in _said(value)],
                ")",
            )
        case dict():
            return "{", [f"{_text(name)}: {_expression(part, indent)}" for name, part in value.items()], "}"
        case tuple() | list():
            opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
            return opening, [_expression(part, indent) for part in value], closing
        case _:
            return "", [], ""


def _said(value: BaseModel) -> Iterable[tuple[str, Any]]:
    """The fields that say something."""
    for name, about in type(value).model_fields.items():
        said = getattr(value, name)
        if about.is_required() or said != about.get_default(call_default_factory=True):
            yield name, said


def _text(value: str) -> str:
    """A text in double quotes; JSON's escapes are Python's too, but for characters beyond the first plane."""
    return json.dumps(value, ensure_ascii=False)
