"""The canonical bytes of a Kafka record as an entry of the log.

Whole form, all numbers big-endian, `sized` a 32-bit length and then so many bytes (0xFFFFFFFF alone for null):

    0x01 · sized topic (UTF-8) · sized key or null · 32-bit header count · headers · sized value or null
    header: sized name (UTF-8) · sized value or null

Headers are ordered by the bytes of their names, then by value (null first): Kafka clients may hand the same headers
over in any order, and the same record must be the same entry. Where a record stood (partition, offset) is not part
of it, so that a fact published twice has equal entries.

A record whose whole form exceeds 65,535 bytes does not fit a C2SP log tile. Its digest form is logged instead:

    0x02 · 64-bit length of the whole form · SHA-256 of the whole form
"""

import struct
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from pelton.ledger.errors import EntryError

MAX_ENTRY_BYTES: Final = 65_535

_WHOLE: Final = 1
_DIGEST: Final = 2
_NULL: Final = 0xFFFF_FFFF
_NULL_BYTES: Final = b"\xff\xff\xff\xff"
_U32: Final = struct.Struct(">I")
_DIGEST_FORM: Final = struct.Struct(">BQ32s")


@dataclass(frozen=True, slots=True)
class Record:
    """What a producer handed to Kafka; `headers` in any order, names may repeat."""

    topic: str
    key: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    value: bytes | None


@dataclass(frozen=True, slots=True)
class RecordDigest:
    """What stands in the log for a record over 65,535 bytes: length and SHA-256 of its whole form."""

    length: int
    sha256: bytes


def encode(record: Record) -> bytes:
    """The entry of a record, 65,535 bytes at most: its whole form, or its digest form where that is longer.

    The same record always gives the same entry, and different records never do. To check a record against an entry,
    encode it and compare.

    Raises:
        EntryError: a text is not valid Unicode, or a part does not fit its length field.
    """
    whole = _whole_form(record)
    if len(whole) <= MAX_ENTRY_BYTES:
        return whole
    return _DIGEST_FORM.pack(_DIGEST, len(whole), sha256(whole).digest())


def decode(entry: bytes) -> Record | RecordDigest:
    """Read an entry, the headers in canonical order. Only bytes that `encode` makes are accepted.

    Raises:
        EntryError: not an entry, of another version, or not canonical.
    """
    if len(entry) > MAX_ENTRY_BYTES:
        raise EntryError(f"An entry has {MAX_ENTRY_BYTES} bytes at most, this has {len(entry)}.")
    match entry[:1]:
        case b"\x01":
            return _Cursor(entry).record()
        case b"\x02":
            return _digest_form(entry)
        case version:
            raise EntryError(
                f"An entry starts with 01 or 02, not {version.hex() or 'nothing'!r}: a newer Pelton may write others."
            )


def _whole_form(record: Record) -> bytes:
    try:
        headers = sorted(
            ((name.encode(), value) for name, value in record.headers),
            key=lambda header: (header[0], header[1] is not None, header[1] or b""),
        )
        parts = [b"\x01", _sized(record.topic.encode()), _sized(record.key), _U32.pack(len(headers))]
    except UnicodeEncodeError as error:
        raise EntryError(f"A record of topic {record.topic!r} has a name that is not Unicode text: {error}.") from error
    for name, value in headers:
        parts += (_sized(name), _sized(value))
    parts.append(_sized(record.value))
    return b"".join(parts)


def _sized(data: bytes | None) -> bytes:
    if data is None:
        return _NULL_BYTES
    if len(data) >= _NULL:
        raise EntryError(f"A part of {len(data)} bytes is too large for an entry: at most {_NULL - 1} bytes fit.")
    return _U32.pack(len(data)) + data


def _digest_form(entry: bytes) -> RecordDigest:
    if len(entry) != _DIGEST_FORM.size:
        raise EntryError(f"A digest entry has {_DIGEST_FORM.size} bytes, this has {len(entry)}.")
    _, length, digest = _DIGEST_FORM.unpack(entry)
    if length <= MAX_ENTRY_BYTES:
        raise EntryError(f"A digest entry stands for more than {MAX_ENTRY_BYTES} bytes, this for {length}.")
    return RecordDigest(length, digest)


class _Cursor:
    """Reads a whole form from its second byte on."""

    def __init__(self, entry: bytes) -> None:
        self._entry = entry
        self._at = 1

    def record(self) -> Record:
        topic = self._text("topic")
        key = self._sized("key")
        headers = self._headers()
        value = self._sized("value")
        if self._at != len(self._entry):
            raise EntryError(f"An entry ends at byte {self._at}, but {len(self._entry) - self._at} more follow.")
        return Record(topic, key, headers, value)

    def _headers(self) -> tuple[tuple[str, bytes | None], ...]:
        headers: list[tuple[str, bytes | None]] = []
        previous: tuple[bytes, bool, bytes] | None = None
        for number in range(self._u32("header count")):
            name, value = self._text(f"name of header {number}"), self._sized(f"value of header {number}")
            rank = (name.encode(), value is not None, value or b"")
            if previous is not None and rank < previous:
                raise EntryError(f"Header {number} ({name!r}) is out of order: an entry's headers are sorted.")
            headers.append((name, value))
            previous = rank
        return tuple(headers)

    def _text(self, what: str) -> str:
        start, data = self._at, self._sized(what)
        if data is None:
            raise EntryError(f"The {what} at byte {start} is null: it must be text.")
        try:
            return data.decode()
        except UnicodeDecodeError as error:
            raise EntryError(f"The {what} at byte {start} is not UTF-8: {error}.") from error

    def _sized(self, what: str) -> bytes | None:
        length = self._u32(what)
        return None if length == _NULL else self._take(length, what)

    def _u32(self, what: str) -> int:
        return int.from_bytes(self._take(_U32.size, what), "big")

    def _take(self, length: int, what: str) -> bytes:
        start, end = self._at, self._at + length
        if end > len(self._entry):
            raise EntryError(f"The {what} at byte {start} needs {length} bytes, {len(self._entry) - start} are left.")
        self._at = end
        return self._entry[start:end]
