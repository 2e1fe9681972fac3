"""The wire format of Protocol Buffers, as much of it as reading a registry takes.

See https://protobuf.dev/programming-guides/encoding/: a message is fields, each a number with a wire type and a value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_WIDTHS: Final = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT: Final = 10


class WireError(ValueError):
    """Bytes that are no message."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message by its fields' numbers. A field that is not there is empty, as the format wants it."""

    _fields: Mapping[int, list[int | bytes]] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> "Message":
        """Read a message.

        Raises:
            WireError: it is none.
        """
        fields: dict[int, list[int | bytes]] = {}
        for number, value in _values(data):
            fields.setdefault(number, []).append(value)
        return cls(fields)

    def number(self, field_number: int) -> int:
        """An integer, an enumeration's value or a truth value."""
        value = self._fields.get(field_number, [0])[-1]
        if not isinstance(value, int):
            raise WireError(f"field {field_number} is no number")
        return value

    def text(self, field_number: int) -> str:
        """A text."""
        return next(reversed(self.texts(field_number)), "")

    def texts(self, field_number: int) -> list[str]:
        """A repeated text."""
        try:
            return [value.decode() for value in self._bytes(field_number)]
        except UnicodeDecodeError as error:
            raise WireError(f"field {field_number} is no text: {error}") from error

    def message(self, field_number: int) -> "Message":
        """A message inside."""
        return next(reversed(self.messages(field_number)), Message())

    def messages(self, field_number: int) -> list["Message"]:
        """A repeated message."""
        return [Message.parse(value) for value in self._bytes(field_number)]

    def mapping(self, field_number: int) -> dict[str, str]:
        """A map from text to text."""
        return {entry.text(1): entry.text(2) for entry in self.messages(field_number)}

    def __contains__(self, field_number: int) -> bool:
        return field_number in self._fields

    def _bytes(self, field_number: int) -> list[bytes]:
        values = self._fields.get(field_number, [])
        found = [value for value in values if isinstance(value, bytes)]
        if len(found) != len(values):
            raise WireError(f"field {field_number} is a number where a text or a message belongs")
        return found


def _values(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    place = 0
    while place < len(data):
        tag, place = _varint(data, place)
        number, kind = tag >> 3, tag & 7
        if number == 0:
            raise WireError(f"there is no field before byte {place}")
        if kind == _VARINT:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == _BYTES:
            width, place = _varint(data, place)
        elif kind in _WIDTHS:
            width = _WIDTHS[kind]
        else:
            raise WireError(f"field {number} before byte {place} has the wire type {kind}, which is not used any more")
        if place + width > len(data):
            raise WireError(f"field {number} should end at byte {place + width}, and there are {len(data)}")
        yield number, data[place : place + width]
        place += width


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for count in range(_LONGEST_VARINT):
        if place + count >= len(data):
            break
        byte = data[place + count]
        value |= (byte & 0x7F) << (7 * count)
        if byte < 0x80:  # noqa: PLR2004 - the bit that says that more follow
            return value, place + count + 1
    raise WireError(f"the number at byte {place} does not end")
