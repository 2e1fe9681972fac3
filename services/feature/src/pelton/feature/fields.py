"""Which fields of a source's events are kept as columns, and as what."""

from typing import Final, Literal

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.tiles.expressions import Expression

Kind = Literal["number", "text"]

_NUMBERS: Final = {"number", "integer", "boolean"}


def kinds(definition: SourceDefinition) -> dict[str, Kind]:
    """The columns of a source: numbers (truth values among them) and texts; a field of any other type is none."""
    found: dict[str, Kind] = {}
    for name, schema in definition.json_schema.get("properties", {}).items():
        declared = schema.get("type", ()) if isinstance(schema, dict) else ()
        types = {declared} if isinstance(declared, str) else set(declared)
        types.discard("null")
        if types and types <= _NUMBERS:
            found[name] = "number"
        elif types == {"string"}:
            found[name] = "text"
    return found


def expressions_of(view: FeatureViewDefinition) -> list[str]:
    """Every expression of a view over the events of its source."""
    measured = [text for one in view.aggregates for text in (one.value, one.where) if text is not None]
    return [*measured, *(one.value for one in view.latest)]


def fields_read(view: FeatureViewDefinition) -> frozenset[str]:
    """The fields that a view reads of its source.

    Raises:
        ExpressionError: an expression of the view is not of the language.
    """
    return frozenset(view.join_keys).union(*(Expression.parse(text).fields for text in expressions_of(view)))
