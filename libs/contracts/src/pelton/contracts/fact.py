"""The base of every fact, and the catalogue that turns a type on the wire into its class."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, Unpack

from pydantic import BaseModel, ConfigDict

from pelton.contracts.canonical import canonical_json

Upcaster = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes a payload of one version, as it stands on the wire, a payload of the next."""

_WORD = re.compile(r"(?<!^)(?=[A-Z])")
_catalogue: dict[str, type["Fact"]] = {}
_past: dict[str, "PastFact"] = {}


def unchanged(payload: dict[str, Any]) -> dict[str, Any]:
    """The upcaster of a version whose payloads say the same in the next.

    A version can need a next one though all it said stands: the next says more than readers of this one could read.
    """
    return payload


class UnknownFactError(LookupError):
    """A type on the wire that no contract here describes."""


class Value(BaseModel):
    """An immutable part of a fact. Readers ignore fields they do not know here too, so that an owner can add some."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants", allow_inf_nan=False)


class Fact(BaseModel):
    """Something that happened, published by its owner alone.

    A subclass names its owner and version: `class ModelPromoted(Fact, owner="registry")`.
    Readers ignore fields they do not know, so that an owner can add some. A change that they cannot read is a new
    version, which says how each before it becomes the next: `version=2, upcasters={1: _with_a_reason}`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False)

    fact_owner: ClassVar[str]
    fact_type: ClassVar[str]
    fact_types: ClassVar[tuple[str, ...]]
    """The type on the wire of each version that can be read, the newest last."""

    def __init_subclass__(
        cls,
        *,
        owner: str,
        version: int = 1,
        upcasters: Mapping[int, Upcaster] | None = None,
        **kwargs: Unpack[ConfigDict],
    ) -> None:
        """Enter the class into the catalogue under its type on the wire, and the versions before it under theirs.

        Raises:
            TypeError: a version before this one has no upcaster.
        """
        super().__init_subclass__(**kwargs)
        steps = dict(upcasters or {})
        if sorted(steps) != list(range(1, version)):
            raise TypeError(
                f"{cls.__name__} has version {version} and upcasters from {sorted(steps) or 'none'}: "
                "each version before must say how it becomes the next"
            )
        name = f"pelton.{owner}.{_WORD.sub('_', cls.__name__).lower()}"
        cls.fact_owner = owner
        cls.fact_type = f"{name}.v{version}"
        cls.fact_types = tuple(f"{name}.v{each}" for each in range(1, version + 1))
        _catalogue[cls.fact_type] = cls
        for before in range(1, version):
            _past[f"{name}.v{before}"] = PastFact(cls, tuple(steps[each] for each in range(before, version)))

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


@dataclass(frozen=True, slots=True)
class PastFact:
    """A former version of a fact: its payloads are read as the present one."""

    present: type[Fact]
    upcasters: tuple[Upcaster, ...]

    def from_bytes(self, data: bytes) -> Fact:
        """Read a payload of this version.

        Raises:
            pydantic.ValidationError: what the upcasters make of it does not have the shape of the fact.
        """
        payload = json.loads(data)
        for upcast in self.upcasters:
            payload = upcast(payload)
        return self.present.from_bytes(canonical_json(payload))


def fact_class(type_: str) -> type[Fact] | PastFact:
    """What reads a type on the wire, e.g. `pelton.registry.model_promoted.v1`: its class, or a former version of one.

    Raises:
        UnknownFactError: no contract has this type.
    """
    found = _catalogue.get(type_) or _past.get(type_)
    if found is None:
        raise UnknownFactError(
            f"no contract describes {type_!r}; this process may be older than the one that published it"
        )
    return found


def catalogue() -> Mapping[str, type[Fact]]:
    """Every fact by its type, for documents and schema checks."""
    return dict(_catalogue)
