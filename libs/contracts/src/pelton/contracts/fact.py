"""The base of every fact, and the catalogue that turns a type on the wire into its class."""

import re
from collections.abc import Mapping
from typing import ClassVar, Self, Unpack

from pydantic import BaseModel, ConfigDict

from pelton.contracts.canonical import canonical_json

_WORD = re.compile(r"(?<!^)(?=[A-Z])")
_catalogue: dict[str, type["Fact"]] = {}


class UnknownFactError(LookupError):
    """A type on the wire that no contract here describes."""


class Value(BaseModel):
    """An immutable part of a fact. Readers ignore fields they do not know here too, so that an owner can add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants", allow_inf_nan=False)


class Fact(BaseModel):
    """Something that happened, published by its owner alone.

    A subclass names its owner and version: `class ModelPromoted(Fact, owner="registry")`.
    Readers ignore fields they do not know, so that an owner can add some.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    fact_owner: ClassVar[str]
    fact_type: ClassVar[str]

    def __init_subclass__(cls, *, owner: str, version: int = 1, **kwargs: Unpack[ConfigDict]) -> None:
        """Enter the class into the catalogue under its type on the wire."""
        super().__init_subclass__(**kwargs)
        cls.fact_owner = owner
        cls.fact_type = f"pelton.{owner}.{_WORD.sub('_', cls.__name__).lower()}.v{version}"
        _catalogue[cls.fact_type] = cls

    def to_bytes(self) -> bytes:
        """The payload as it stands on Kafka and in the event store."""
        return canonical_json(self)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Read a payload.

        Raises:
            pydantic.ValidationError: it does not have the shape of this fact.
        """
        return cls.model_validate_json(data)


def fact_class(type_: str) -> type[Fact]:
    """The class of a type on the wire, e.g. `pelton.registry.model_promoted.v1`.

    Raises:
        UnknownFactError: no contract has this type.
    """
    try:
        return _catalogue[type_]
    except KeyError:
        raise UnknownFactError(
            f"no contract describes {type_!r}; this process may be older than the one that published it"
        ) from None


def catalogue() -> Mapping[str, type[Fact]]:
    """Every fact by its type, for documents and schema checks."""
    return dict(_catalogue)
