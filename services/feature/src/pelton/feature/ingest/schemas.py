"""A source's JSON Schema as a type that msgspec decodes and checks in one pass, where the type says no less."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, Union

import msgspec

from pelton.contracts.definitions import SourceDefinition

# Keywords that refuse nothing; `format` is such an annotation in the validator's way of reading schemas.
_SILENT: Final = frozenset(
    {"title", "description", "default", "examples", "$comment", "deprecated", "readOnly", "writeOnly", "format"}
)
_AT_THE_TOP: Final = frozenset({"$schema", "$id", "type", "properties", "required", "additionalProperties"})
_DRAFTS: Final = ("2020-12", "2019-09", "draft-07")
_BOUNDS: Final[Mapping[str, str]] = {
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
}
_LENGTHS: Final[Mapping[str, str]] = {"minLength": "min_length", "maxLength": "max_length"}
# Up to here a double tells whole numbers apart, so that a bound means the same for both.
_EXACT: Final = 2**53


class _BeyondTypes(Exception):  # noqa: N818 - it is no error
    """A schema that says more than a type can."""


def decoder_of(definition: SourceDefinition) -> "msgspec.json.Decoder[Any] | None":
    """A decoder into a struct with the fields `f0`, `f1` … of the schema's properties in their order.

    What it decodes is what the schema lets in; what it refuses, the schema may let in all the same: an event with a
    field beside the properties, for instance, which is not looked at here. None where the schema says more than a type
    can, such as patterns or conditions. A field that an event does not have is None.
    """
    try:
        return msgspec.json.Decoder(_struct(definition))
    except _BeyondTypes:
        return None


def _struct(definition: SourceDefinition) -> type[msgspec.Struct]:
    schema = definition.json_schema
    properties: Mapping[str, Any] = schema["properties"]
    required = set(schema.get("required", ()))
    if schema.keys() - _SILENT - _AT_THE_TOP or required - properties.keys():
        raise _BeyondTypes
    if not any(draft in schema.get("$schema", _DRAFTS[0]) for draft in _DRAFTS):
        raise _BeyondTypes
    fields: list[tuple[str, Any, Any]] = []
    for place, (name, declared) in enumerate(properties.items()):
        # Neither may be null, whatever the schema says; a time is a text, whatever else it lets in.
        if name == definition.event_time:
            type_ = _type(declared | {"type": "string"})
        else:
            type_ = _type(declared, nullable=name != definition.key)
        fields.append((f"f{place}", type_, msgspec.NODEFAULT if name in required else None))
    return msgspec.defstruct(
        "Row",
        fields,
        rename={f"f{place}": name for place, name in enumerate(properties)},
        forbid_unknown_fields=True,
        kw_only=True,
        gc=False,
    )


def _type(declared: Any, *, nullable: bool = True) -> Any:  # noqa: ANN401 - a schema, and a type's form
    if declared is True or declared == {}:
        return Any
    if not isinstance(declared, dict):
        raise _BeyondTypes
    said = {name: value for name, value in declared.items() if name not in _SILENT}
    types = said.pop("type", None)
    names = {types} if isinstance(types, str) else set(types or ())
    if "number" in names:
        names.discard("integer")
    if not names - {"null"}:
        raise _BeyondTypes
    parts = [_part(name, said) for name in sorted(names - {"null"})]
    if said:
        raise _BeyondTypes
    if "null" in names and nullable and None in declared.get("enum", [None]):
        parts.append(None)
    return Union[tuple(parts)]  # noqa: UP007 - of as many as there are


def _part(name: str, said: dict[str, Any]) -> Any:  # noqa: ANN401 - a type's form
    """The type of one of a schema's types; the keywords that it took care of leave `said`."""
    match name:
        case "number":
            return _bounded(float, _taken(said, _BOUNDS))
        case "integer":
            return _bounded(int, _taken(said, _BOUNDS))
        case "boolean":
            return bool
        case "string" if "enum" in said:
            texts = [one for one in said.pop("enum") if one is not None]
            if not texts or not all(isinstance(one, str) for one in texts):
                raise _BeyondTypes
            return Literal[tuple(texts)]
        case "string":
            return _bounded(str, _taken(said, _LENGTHS))
        case "array":
            return list[_type(said.pop("items", True))]  # type: ignore[misc]
        case "object":
            return dict[str, Any]
    raise _BeyondTypes


def _taken(said: dict[str, Any], keywords: Mapping[str, str]) -> dict[str, Any]:
    return {keywords[name]: said.pop(name) for name in keywords if name in said}


def _bounded(type_: type, bounds: Mapping[str, Any]) -> Any:  # noqa: ANN401 - a type's form
    for bound in bounds.values():
        if isinstance(bound, bool) or not isinstance(bound, int if type_ is not float else int | float):
            raise _BeyondTypes
        if abs(bound) >= _EXACT:
            raise _BeyondTypes
    if {"ge", "gt"} <= bounds.keys() or {"le", "lt"} <= bounds.keys():
        raise _BeyondTypes
    return Annotated[type_, msgspec.Meta(**bounds)] if bounds else type_
