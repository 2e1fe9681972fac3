"""What all definitions share: how durations and names are written, and that no unknown field is passed over."""

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field, StringConstraints

from pelton.contracts.canonical import json_object
from pelton.contracts.fact import Value

LONGEST: Final = "36500d"
# Columns that every dataset has besides the model's inputs.
RESERVED: Final = ("key", "event_time", "label")

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def seconds(duration: str) -> int:
    """How long a duration such as `90m` or `7d` is, in seconds."""
    return int(duration[:-1]) * _UNITS[duration[-1]]


def _not_too_long(duration: str) -> str:
    if seconds(duration) > seconds(LONGEST):
        raise ValueError(f"the duration {duration} is longer than {LONGEST}, a hundred years")
    return duration


def repeated(names: Iterable[str]) -> list[str]:
    """The names that occur more than once, in order."""
    return sorted(name for name, count in Counter(names).items() if count > 1)


Duration = Annotated[
    str, StringConstraints(pattern=r"^[1-9][0-9]*(s|m|h|d)$", max_length=12), AfterValidator(_not_too_long)
]
FeatureRef = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}:[a-z][a-z0-9_]*$")]
FieldName = Annotated[str, StringConstraints(min_length=1, max_length=255)]
ExpressionText = Annotated[str, StringConstraints(min_length=1, max_length=2000, strip_whitespace=True)]
JsonObject = Annotated[dict[str, Any], AfterValidator(json_object)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
"""Strictly between 0 and 1: at the ends a test would never decide, or always."""


class Definition(Value):
    """A part of what a user declares. Unknown fields are refused: passed over, they would change what is meant."""

    model_config = ConfigDict(extra="forbid")
