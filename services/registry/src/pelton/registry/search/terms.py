"""What a filter and an order consist of, once they were read."""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

INT64: Final = range(-(2**63), 2**63)
DIGITS: Final = re.compile("-?[0-9]{1,19}")


class Kind(StrEnum):
    """What a comparison looks at; the value is the prefix by which a filter names it."""

    ATTRIBUTE = "attribute"
    METRIC = "metric"
    PARAM = "param"
    TAG = "tag"
    DATASET = "dataset"


class Operator(StrEnum):
    """How a value is compared."""

    EQUAL = "="
    NOT_EQUAL = "!="
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="
    LIKE = "LIKE"
    ILIKE = "ILIKE"
    IN = "IN"
    NOT_IN = "NOT IN"
    IS_NULL = "IS NULL"
    IS_NOT_NULL = "IS NOT NULL"


Value = str | int | float | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """One condition of a filter; all of a filter's conditions hold together.

    `value` is text for what is text, `int` or `float` for numeric attributes, `float` for metrics, a tuple of text
    for IN and NOT IN, and None for IS NULL and IS NOT NULL.
    """

    kind: Kind
    key: str
    operator: Operator
    value: Value

    @property
    def of(self) -> tuple[Kind, str]:
        """What it looks at."""
        return self.kind, self.key


@dataclass(frozen=True, slots=True)
class OrderTerm:
    """One column of an order, the first counting most."""

    kind: Kind
    key: str
    ascending: bool = True

    @property
    def of(self) -> tuple[Kind, str]:
        """What it looks at."""
        return self.kind, self.key


class SearchSyntaxError(ValueError):
    """A filter or an order that cannot be read; the message says where and what."""


def whole_number(written: str) -> int | None:
    """A whole number of 64 bits; None for what is none."""
    return number if DIGITS.fullmatch(written) and (number := int(written)) in INT64 else None
