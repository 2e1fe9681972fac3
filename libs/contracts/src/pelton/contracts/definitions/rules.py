"""Rules that a source's events must keep: of each event by itself, of events beside others, of the source as a whole.

A rule of values passes over null, as a CHECK of SQL does; `NotNull` is the one that does not. What breaks a rule of the
severity `quarantine` is set aside, whole; of the severity `warn` it is taken in and counted.
"""

from typing import Annotated, Final, Literal

from pydantic import Field, StrictStr, StringConstraints, model_validator

from pelton.contracts.definitions.base import Definition, Duration, ExpressionText, FieldName, repeated, seconds
from pelton.contracts.values import Name

RuleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Severity = Literal["quarantine", "warn"]
ValueType = Literal["number", "integer", "boolean", "text", "time"]
RegularExpression = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0)]
_DAY: Final = seconds("1d")


class _Rule(Definition):
    name: RuleName
    description: str = ""


class _EventRule(_Rule):
    severity: Severity = "quarantine"


class NotNull(_EventRule):
    """The field has a value."""

    kind: Literal["not_null"] = "not_null"
    field: FieldName


class ValueOf(_EventRule):
    """The field's values are of a type that its schema does not tell: a text that is a number, a number that is whole.

    A `boolean` is true, false, 1 or 0; a `time` is of RFC 3339 with its zone.
    """

    kind: Literal["type"] = "type"
    field: FieldName
    type: ValueType


class Range(_EventRule):
    """The number lies within bounds: `ge <= value <= le`, `gt < value < lt`, of which each may be left out."""

    kind: Literal["range"] = "range"
    field: FieldName
    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> "Range":
        if (self.ge, self.gt, self.le, self.lt) == (None,) * 4:
            raise ValueError(f"rule {self.name!r} has no bound: give it `ge`, `gt`, `le` or `lt`")
        return self


class OneOf(_EventRule):
    """The value is among the `allowed` ones, or is none of the `forbidden`: all numbers, or all texts."""

    kind: Literal["set"] = "set"
    field: FieldName
    allowed: tuple[StrictStr | float, ...] = ()
    forbidden: tuple[StrictStr | float, ...] = ()

    @model_validator(mode="after")
    def _has_one_set(self) -> "OneOf":
        if bool(self.allowed) == bool(self.forbidden):
            raise ValueError(f"rule {self.name!r} needs either `allowed` or `forbidden` values")
        if len({type(one) for one in self.allowed + self.forbidden}) > 1:
            raise ValueError(f"rule {self.name!r} has numbers and texts; a field has the one or the other")
        return self


class Pattern(_EventRule):
    """The text has a part that matches a regular expression; anchor it with `^` and `$` to mean all of it.

    It is of the syntax of Rust's `regex`, which takes time in proportion to the text: no look-around, no references.
    """

    kind: Literal["pattern"] = "pattern"
    field: FieldName
    regex: RegularExpression


class Length(_EventRule):
    """The text has so many characters."""

    kind: Literal["length"] = "length"
    field: FieldName
    at_least: Count | None = None
    at_most: Count | None = None

    @model_validator(mode="after")
    def _has_a_bound(self) -> "Length":
        if self.at_least is None and self.at_most is None:
            raise ValueError(f"rule {self.name!r} has no bound: give it `at_least` or `at_most`")
        return self


class Holds(_EventRule):
    """The expression over the event's fields is true, or null."""

    kind: Literal["expression"] = "expression"
    value: ExpressionText


class Unique(_EventRule):
    """No other event, of another id, has the same values in `fields` at an event time less than `within` away."""

    kind: Literal["unique"] = "unique"
    fields: Annotated[tuple[FieldName, ...], Field(min_length=1)]
    within: Duration


class Reference(_EventRule):
    """The field's value is the key of an event of another source that has been taken in."""

    kind: Literal["reference"] = "reference"
    field: FieldName
    source: Name


class Freshness(_Rule):
    """An event arrives at least every so often."""

    kind: Literal["freshness"] = "freshness"
    within: Duration


class Volume(_Rule):
    """So many events belong to each span of event time: spans begin at midnight UTC, 1970, and follow one another.

    Either between bounds, or beside the same span of the `days` before: at least and at most these shares of their
    median. A span is judged when the newest event time is past its end by the source's lateness.
    """

    kind: Literal["volume"] = "volume"
    per: Duration
    at_least: Count | None = None
    at_most: Count | None = None
    days: Annotated[int, Field(ge=1, le=28)] | None = None
    least_share: Share | None = None
    most_share: Share | None = None

    @model_validator(mode="after")
    def _can_be_judged(self) -> "Volume":
        shares = self.least_share is not None or self.most_share is not None
        if self.at_least is None and self.at_most is None and not shares:
            raise ValueError(
                f"rule {self.name!r} has no bound: give it `at_least`, `at_most` or shares of `days` before"
            )
        if shares != (self.days is not None):
            raise ValueError(f"rule {self.name!r}: `days` and a share (`least_share`, `most_share`) need each other")
        if self.days is not None and _DAY % seconds(self.per):
            raise ValueError(f"rule {self.name!r}: a day is no multiple of {self.per}, so no span has its like")
        return self


ValueRule = NotNull | ValueOf | Range | OneOf | Pattern | Length | Holds
SourceRule = Freshness | Volume
Rule = Annotated[ValueRule | Unique | Reference | SourceRule, Field(discriminator="kind")]


def differ(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules, if each has a name of its own.

    Raises:
        ValueError: two have the same name.
    """
    twice = repeated(rule.name for rule in rules)
    if twice:
        raise ValueError(f"two rules have the same name: {', '.join(twice)}")
    return rules
