"""Is an event what its source promised? Pure but for the compiled schema."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final

import jsonschema_rs
import msgspec

from pelton.contracts.definitions import SourceDefinition, seconds
from pelton.feature.fields import kinds
from pelton.feature.quality.rules import EventRules, RuleError

AHEAD: Final = timedelta(minutes=5)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MOST_FAULTS: Final = 20
LONGEST_DETAIL: Final = 400
# Whole numbers beyond a double's range: JSON has them, columns cannot.
LARGEST: Final = 1 << 1023
_decoder = msgspec.json.Decoder(dict[str, Any])


class InvalidSchemaError(ValueError):
    """A JSON Schema that is none or lacks what a source needs, or a rule that the schema's fields cannot be asked."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one field of an event, and what to do about it; `rule` is the source's rule that says so."""

    field: str
    detail: str
    fix: str
    rule: str = ""

    @property
    def reason(self) -> str:
        """What it counts as: its rule, or the field that is not as the schema says."""
        return self.rule or self.field or "body"

    def told(self) -> dict[str, str]:
        """As JSON."""
        said = {"field": self.field, "detail": self.detail, "fix": self.fix}
        return said | {"rule": self.rule} if self.rule else said


@dataclass(frozen=True, slots=True)
class Event:
    """An event that is what its source promised; `time_ms` is its event time since 1970."""

    data: Mapping[str, Any]
    time_ms: int
    key: str


class EventValidator:
    """Checks the events of one source."""

    def __init__(self, definition: SourceDefinition) -> None:
        self.definition = definition
        check_definition(definition)
        self.rules = EventRules(definition)
        self._schema = jsonschema_rs.validator_for(definition.json_schema)
        self._max_age = timedelta(seconds=seconds(definition.max_age)) if definition.max_age else None
        self._numbers = tuple(name for name, kind in kinds(definition).items() if kind == "number")

    def read(self, raw: bytes, now: datetime) -> Event | list[Fault]:
        """An event's bytes, parsed and checked; the faults when it is not valid."""
        try:
            data = _decoder.decode(raw)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            return _unreadable(raw, error)
        return self.check(data, now)

    def check(self, data: Mapping[str, Any], now: datetime) -> Event | list[Fault]:
        """A parsed event, checked; the faults when it is not valid. It holds nothing that JSON has not."""
        if not self._schema.is_valid(data):
            return [_fault(error) for error in islice(self._schema.iter_errors(data), MOST_FAULTS)]
        for name in self._numbers:
            number = data.get(name)
            if type(number) is int and not -LARGEST < number < LARGEST:
                return [Fault(name, "is a number beyond the range of a double", "send a smaller number, or null")]
        key = data[self.definition.key]
        if key is None:
            return [Fault(self.definition.key, "is null, and it is the event's key", "send what the event is about")]
        time = self._time(data[self.definition.event_time], now)
        return time if isinstance(time, list) else Event(data, time, str(key))

    def _time(self, raw: object, now: datetime) -> int | list[Fault]:
        """The event time in milliseconds."""
        field = self.definition.event_time
        try:
            moment = datetime.fromisoformat(raw)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            return [Fault(field, f"{_short(repr(raw))} is no RFC 3339 time", "such as 2013-03-01T12:00:00Z")]
        if moment.tzinfo is None:
            return [Fault(field, f"{raw!r} has no time zone", "end it with Z, or an offset")]
        if moment > now + AHEAD:
            return [Fault(field, f"{raw!r} is in the future", "check the sender's clock and zone")]
        if moment < EPOCH:
            return [Fault(field, f"{raw!r} is before 1970", "check the sender's clock")]
        if self._max_age is not None and moment < now - self._max_age:
            detail = f"{raw!r} is older than the source's max_age of {self.definition.max_age}"
            return [Fault(field, detail, "send it sooner, or register the source with a longer max_age")]
        return round(moment.timestamp() * 1000)


def check_definition(definition: SourceDefinition) -> None:
    """Check that a source's schema is a JSON Schema of which key and event time are required columns, and its rules.

    Raises:
        InvalidSchemaError: it is not; the message says what to change.
    """
    try:
        jsonschema_rs.meta.validate(definition.json_schema)
    except (jsonschema_rs.ValidationError, ValueError) as error:
        raise InvalidSchemaError(f"json_schema is no JSON Schema: {error}") from error
    properties = definition.json_schema.get("properties", {})
    required = set(definition.json_schema.get("required", ()))
    if definition.json_schema.get("type") != "object" or not properties:
        raise InvalidSchemaError("json_schema must have `type: object` and `properties`")
    columns = kinds(definition)
    for role, field in (("event_time", definition.event_time), ("key", definition.key)):
        if field not in required or field not in properties:
            raise InvalidSchemaError(f"{role} names {field!r}, which must be among the required properties")
        if field not in columns:
            raise InvalidSchemaError(f"{role} names {field!r}, which must have one `type`: string, integer or number")
    try:
        EventRules(definition)
    except RuleError as error:
        raise InvalidSchemaError(str(error)) from error


def foreign_values(data: object, path: str = "") -> Iterator[Fault]:
    """The fields that hold what Python's parser lets in and JSON has not: NaN, infinities and half characters."""
    match data:
        case dict():
            for name, value in data.items():
                yield from foreign_values(value, f"{path}.{printable(name)}" if path else printable(name))
        case list():
            for place, value in enumerate(data):
                yield from foreign_values(value, f"{path}[{place}]")
        case float() if not math.isfinite(data):
            yield Fault(path, f"{data} is no JSON number", "send a finite number, or null for a missing value")
        case str() if printable(data) != data:
            yield Fault(path, "half of a surrogate pair is no character", "send whole characters")


def printable(text: str) -> str:
    """A text that any store takes: without half characters and without the character 0."""
    return text.encode(errors="replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")


def _unreadable(raw: bytes, refusal: Exception) -> list[Fault]:
    """Why bytes are no event: the fields that hold what JSON has not, or where the text stops being JSON."""
    try:
        lenient = json.loads(raw)
        faults = list(islice(foreign_values(lenient), MOST_FAULTS)) if isinstance(lenient, dict) else []
    except (ValueError, RecursionError):
        faults = []
    return faults or [Fault("", _short(f"not a JSON object: {refusal}"), "send one JSON object, in UTF-8")]


def _fault(error: jsonschema_rs.ValidationError) -> Fault:
    parts = list(error.instance_path)
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        parts.append(error.kind.property)
    path = ""
    for part in parts:
        path += f"[{part}]" if isinstance(part, int) else f".{part}" if path else str(part)
    where = "/".join(map(str, error.schema_path))
    return Fault(_short(path), _short(error.message), f"see the source's schema at /{_short(where)}")


def _short(text: str) -> str:
    text = printable(text)
    return text if len(text) <= LONGEST_DETAIL else text[:LONGEST_DETAIL] + "…"
