"""Rules of sources, written in Python, or carried over from a Pandera schema.

from pelton.sdk.rules import Freshness, NotNull, Range, Unique, rules_from_pandera
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from pelton.contracts.definitions import (
    Freshness,
    Holds,
    Length,
    NotNull,
    OneOf,
    Pattern,
    Range,
    Reference,
    Rule,
    Unique,
    ValueOf,
    Volume,
)
from pelton.sdk.errors import PeltonError

__all__ = [
    "Freshness",
    "Holds",
    "Length",
    "NotCarriedOverError",
    "NotNull",
    "OneOf",
    "Pattern",
    "Range",
    "Reference",
    "Rule",
    "Unique",
    "ValueOf",
    "Volume",
    "rules_from_pandera",
]

_NAME: Final = re.compile(r"[^a-z0-9_]+")
_FLAGS: Final = {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL, "x": re.VERBOSE}
# The families of Pandera's types, of whatever backend, by the names of their classes.
_FAMILIES: Final = {
    "Bool": "boolean",
    "Int": "integer",
    "UInt": "integer",
    "Float": "number",
    "String": "text",
    "DateTime": "time",
}
Statistics = Mapping[str, Any]


class NotCarriedOverError(PeltonError):
    """A Pandera schema says what rules cannot; `left` has what, one line each."""

    def __init__(self, left: Iterable[str]) -> None:
        self.left = tuple(left)
        said = "".join(f"\n  {one}" for one in self.left)
        super().__init__(
            f"the schema says what rules cannot say:{said}\nWrite it as an expression (`Holds`), or take it out of the "
            "schema, or pass `left` a list, which then has what was left out."
        )


def rules_from_pandera(
    schema: Any,  # noqa: ANN401 - Pandera's schemas of any backend, which is not imported here
    *,
    unique_within: str = "1d",
    left: list[str] | None = None,
) -> tuple[Rule, ...]:
    """The rules that say what a Pandera schema says: a `DataFrameSchema`, or a `DataFrameModel`, of pandas or polars.

    Columns that may not be null, their types, their checks, and what is unique: in a stream, among the events of so
    much event time as `unique_within`. What only warns in Pandera warns here. A column's name is a field's.

    Raises:
        NotCarriedOverError: the schema says what rules cannot; with a list in `left`, that is put there instead.
        PeltonError: it is no schema of Pandera's.
    """
    if hasattr(schema, "to_schema"):
        schema = schema.to_schema()
    if not (hasattr(schema, "columns") and hasattr(schema, "checks")):
        raise PeltonError(f"{schema!r} is no schema of Pandera's: pass a DataFrameSchema or a DataFrameModel")
    reading = _Reading(unique_within)
    for name, column in schema.columns.items():
        reading.column(str(name), column)
    reading.whole(schema)
    if reading.left and left is None:
        raise NotCarriedOverError(reading.left)
    if left is not None:
        left += reading.left
    return tuple(reading.rules)


class _Reading:
    """What a schema said so far."""

    def __init__(self, unique_within: str) -> None:
        self.rules: list[Rule] = []
        self.left: list[str] = []
        self._within = unique_within
        self._names: set[str] = set()

    def column(self, field: str, column: Any) -> None:  # noqa: ANN401 - Pandera's
        if getattr(column, "regex", False):
            self.left.append(f"column {field!r}: names by a pattern; a rule names its field")
            return
        if not column.nullable and column.required:
            self.rules.append(NotNull(name=self._name(field, "not_null"), field=field))
        elif not column.nullable:
            self.left.append(
                f"column {field!r}: null is not allowed in it, and yet it may be missing; in JSON both are null"
            )
        self._type(field, column.dtype)
        for check in column.checks:
            self._check(field, check)
        for parser in getattr(column, "parsers", ()):
            self.left.append(f"column {field!r}: the parser {parser}; events are taken as they are")
        if column.unique:
            self.rules.append(Unique(name=self._name(field, "unique"), fields=(field,), within=self._within))

    def whole(self, schema: Any) -> None:  # noqa: ANN401 - Pandera's
        if schema.unique:
            fields = (schema.unique,) if isinstance(schema.unique, str) else tuple(map(str, schema.unique))
            self.rules.append(Unique(name=self._name("_".join(fields), "unique"), fields=fields, within=self._within))
        for check in schema.checks:
            self.left.append(f"the check {_shown(check)} of whole frames")
        for parser in getattr(schema, "parsers", ()):
            self.left.append(f"the parser {parser} of whole frames; events are taken as they are")
        if schema.strict:
            self.left.append("`strict`: say `additionalProperties: false` in the source's JSON Schema")
        if schema.ordered:
            self.left.append("`ordered`: the fields of an event have no order")
        if getattr(schema, "index", None) is not None:
            self.left.append("the index: events have none; make its levels fields")

    def _type(self, field: str, dtype: Any) -> None:  # noqa: ANN401 - Pandera's
        if dtype is None:
            return
        kind = _kind(dtype)
        if kind is None:
            self.left.append(f"column {field!r}: the type {dtype}; say it in the source's JSON Schema")
        else:
            self.rules.append(ValueOf(name=self._name(field, "type"), field=field, type=kind))

    def _check(self, field: str, check: Any) -> None:  # noqa: ANN401 - Pandera's
        made = _CHECKS.get(str(check.name))
        # A check of one's own may have the name of another; those that come with Pandera say what they were made with.
        if made is None or not check.statistics or getattr(check, "groupby", None) is not None:
            self.left.append(f"column {field!r}: the check {_shown(check)}, a function of its own")
            return
        if not getattr(check, "ignore_na", True):
            self.left.append(f"column {field!r}: that {_shown(check)} does not pass over null; add `NotNull`")
        try:
            kind, said = made(check.statistics)
            severity = "warn" if getattr(check, "raise_warning", False) else "quarantine"
            name = self._name(field, str(check.name))
            self.rules.append(kind(name=name, field=field, severity=severity, **said))
        except (TypeError, ValueError) as error:
            self.left.append(f"column {field!r}: the check {_shown(check)}: {str(error).splitlines()[0]}")

    def _name(self, field: str, what: str) -> str:
        """A name that no other rule has."""
        start = _NAME.sub("_", f"{field}_{what}".lower()).strip("_")
        start = (start if start[:1].isalpha() else f"f_{start}")[:58]
        name, count = start, 1
        while name in self._names:
            count += 1
            name = f"{start}_{count}"
        self._names.add(name)
        return name


Made = tuple[Callable[..., Rule], dict[str, Any]]


def _in_range(said: Statistics) -> Made:
    low = "ge" if said.get("include_min", True) else "gt"
    high = "le" if said.get("include_max", True) else "lt"
    return Range, {low: said["min_value"], high: said["max_value"]}


def _length(said: Statistics) -> Made:
    exact = said.get("exact_value")
    least, most = (said.get("min_value"), said.get("max_value")) if exact is None else (exact, exact)
    return Length, {"at_least": least, "at_most": most}


def _pattern(before: str, said: Statistics) -> Made:
    text = said["pattern"]
    # One that was compiled can have flags, which Rust's syntax writes into the text.
    if isinstance(text, re.Pattern):
        flags = "".join(letter for letter, flag in _FLAGS.items() if text.flags & flag)
        text = f"(?{flags}:{text.pattern})" if flags else text.pattern
    return Pattern, {"regex": f"{before}(?:{text})" if before else text}


def _literally(said: Statistics) -> str:
    return re.escape(str(said["string"])).replace("\\ ", " ")


_CHECKS: Final[Mapping[str, Callable[[Statistics], Made]]] = {
    "equal_to": lambda said: (OneOf, {"allowed": [said["value"]]}),
    "not_equal_to": lambda said: (OneOf, {"forbidden": [said["value"]]}),
    "greater_than": lambda said: (Range, {"gt": said["min_value"]}),
    "greater_than_or_equal_to": lambda said: (Range, {"ge": said["min_value"]}),
    "less_than": lambda said: (Range, {"lt": said["max_value"]}),
    "less_than_or_equal_to": lambda said: (Range, {"le": said["max_value"]}),
    "in_range": _in_range,
    "isin": lambda said: (OneOf, {"allowed": _in_order(said["allowed_values"])}),
    "notin": lambda said: (OneOf, {"forbidden": _in_order(said["forbidden_values"])}),
    # Pandera's `matches` looks from the beginning of the text, as `re.match` does.
    "str_matches": lambda said: _pattern("^", said),
    "str_contains": lambda said: _pattern("", said),
    "str_startswith": lambda said: (Pattern, {"regex": f"^{_literally(said)}"}),
    "str_endswith": lambda said: (Pattern, {"regex": f"{_literally(said)}$"}),
    "str_length": _length,
}


def _in_order(values: Iterable[Any]) -> list[Any]:
    """Values of a set in an order that does not change from run to run: the rule's digest depends on it."""
    return sorted(values)


def _kind(dtype: Any) -> str | None:  # noqa: ANN401 - a data type of Pandera's, of any backend
    """The type that a rule gives it; None where rules have none for it."""
    named = (_FAMILIES.get(base.__name__) for base in type(dtype).__mro__)
    return next((kind for kind in named if kind is not None), None)


def _shown(check: Any) -> str:  # noqa: ANN401 - Pandera's
    return str(check.error or check.name or check)
