"""Kafka's record batches, decoded by columns: what a consumer spends on an object a record is saved.

The format is version 2 of https://kafka.apache.org/documentation/#recordbatch, the only one that brokers write.
"""

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import starmap
from typing import Final

import numpy as np
from aiokafka import codec
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.util import calc_crc32c
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Bytes = NDArray[np.uint8]

# Base offset and length, which the length itself does not count.
_PREFIX: Final = struct.Struct(">qi")
# Leader epoch, magic, crc, attributes, last offset delta, base and max timestamp, producer, epoch, sequence, count.
_HEAD: Final = struct.Struct(">ibIhiqqqhii")
_CRC_FROM: Final = 9
_MAGIC: Final = 2
_CODEC, _LOG_APPEND_TIME, _CONTROL = 0x07, 0x08, 0x20
_CODECS: Final[Mapping[int, tuple[str, Callable[[], bool], Callable[[bytes], bytes]]]] = {
    1: ("gzip", codec.has_gzip, codec.gzip_decode),
    2: ("snappy", codec.has_snappy, codec.snappy_decode),
    3: ("lz4", codec.has_lz4, codec.lz4_decode),
    4: ("zstd", codec.has_zstd, codec.zstd_decode),
}
# A varint has seven bits a byte, the last byte's eighth bit is 0; ten bytes hold 64 bits.
_MORE, _BITS, _LONGEST_VARINT = 0x80, 0x7F, 70


@dataclass(frozen=True, slots=True)
class RecordColumns:
    """Records of one partition in order, n of them.

    `offsets` and `timestamps_ms` have shape (n,). Where the topic stamps its records, the timestamp is the moment that
    the broker took them in. `next_offset` is where to read on.
    """

    offsets: Ints
    timestamps_ms: Ints
    next_offset: int
    _data: bytes
    _values: tuple[Ints, Ints]
    _headers: Ints
    _header_counts: Ints

    def __len__(self) -> int:
        """How many records."""
        return self.offsets.size

    def values(self) -> list[bytes]:
        """The value of each record; of a null one the empty bytes."""
        return _slices(self._data, *self._values)

    def header(self, name: str) -> list[bytes | None]:
        """The first header of a name of each record; None where there is none, or a null one."""
        wanted = np.frombuffer(name.encode(), np.uint8)
        data = np.frombuffer(self._data, np.uint8)
        starts, ends = np.zeros((2, len(self)), np.int64)
        missing = np.ones(len(self), np.bool_)
        rows, at, left = np.arange(len(self)), self._headers, self._header_counts
        while (rest := np.flatnonzero(left)).size:
            rows, at, left = rows[rest], at[rest], left[rest] - 1
            size, at = _varints(data, at)
            found = size == wanted.size
            found[found] = (data[at[found][:, None] + np.arange(wanted.size)] == wanted).all(axis=1)
            value_size, value = _varints(data, at + size)
            at = value + np.maximum(value_size, 0)
            left[found] = 0
            found &= value_size >= 0
            chosen = rows[found]
            starts[chosen], ends[chosen], missing[chosen] = value[found], at[found], False
        slices = _slices(self._data, starts, ends)
        if not missing.any():
            return [*slices]
        return [None if absent else value for value, absent in zip(slices, missing.tolist(), strict=True)]

    def head(self, count: int) -> "RecordColumns":
        """The first records, at most so many."""
        first = slice(count)
        starts, ends = self._values
        return RecordColumns(
            self.offsets[first],
            self.timestamps_ms[first],
            int(self.offsets[count]) if count < len(self) else self.next_offset,
            self._data,
            (starts[first], ends[first]),
            self._headers[first],
            self._header_counts[first],
        )


def decode(raw: bytes, fetch_offset: int) -> RecordColumns:
    """The records of a fetched stretch of a partition's log from an offset on; a batch that is cut off is left out.

    Raises:
        CorruptRecordException: a checksum is wrong, or the bytes are no batches of the format.
        UnsupportedCodecError: the batches are compressed in a way that nothing installed reads.
    """
    heads: list[tuple[int, int, int, int]] = []
    parts: list[bytes | memoryview] = []
    whole = memoryview(raw)
    place, next_offset, compressed = 0, fetch_offset, False
    while place + _PREFIX.size <= len(raw):
        base_offset, length = _PREFIX.unpack_from(raw, place)
        start, place = place + _PREFIX.size, place + _PREFIX.size + length
        if place > len(raw):
            break
        _, magic, crc, attributes, last_delta, base_ms, newest_ms, _, _, _, count = _HEAD.unpack_from(raw, start)
        if magic != _MAGIC:
            raise CorruptRecordException(f"a record batch has format {magic}, and brokers since 0.11 write {_MAGIC}")
        if calc_crc32c(whole[start + _CRC_FROM : place]) != crc:
            raise CorruptRecordException(f"the checksum of the record batch at offset {base_offset} is wrong")
        next_offset = base_offset + last_delta + 1
        if attributes & _CONTROL or next_offset <= fetch_offset:
            continue
        body: bytes | memoryview = whole[start + _HEAD.size : place]
        if attributes & _CODEC:
            body, compressed = _decompressed(attributes & _CODEC, bytes(body)), True
        parts.append(body)
        heads.append((base_offset, newest_ms if attributes & _LOG_APPEND_TIME else base_ms, attributes, count))
    data = b"".join(parts) if compressed or len(parts) != 1 else bytes(parts[0])
    try:
        return _columns(data, heads, [len(part) for part in parts], fetch_offset, next_offset)
    except IndexError as error:
        raise CorruptRecordException("a record batch ends in the middle of a record") from error


def _columns(
    data: bytes, heads: list[tuple[int, int, int, int]], sizes: list[int], fetch_offset: int, next_offset: int
) -> RecordColumns:
    counts = [count for *_, count in heads]
    at = _starts(data, counts, np.cumsum([0, *sizes])[:-1].tolist())
    array = np.frombuffer(data, np.uint8)
    delta_ms, at = _varints(array, at + 1)  # past the attributes, of which records have none
    delta, at = _varints(array, at)
    key_size, at = _varints(array, at)
    value_size, values = _varints(array, at + np.maximum(key_size, 0))
    header_counts, headers = _varints(array, values + np.maximum(value_size, 0))
    bases = np.array([[offset, moment, attributes & _LOG_APPEND_TIME] for offset, moment, attributes, _ in heads])
    offset, moment, stamped = np.repeat(bases.reshape(-1, 3).astype(np.int64), counts, axis=0).T
    offsets = offset + delta
    moments = moment + np.where(stamped != 0, 0, delta_ms)
    # A batch is fetched whole, also for an offset in its middle.
    kept = slice(int(np.searchsorted(offsets, fetch_offset)), None)
    return RecordColumns(
        offsets[kept],
        moments[kept],
        next_offset,
        data,
        (values[kept], (values + np.maximum(value_size, 0))[kept]),
        headers[kept],
        header_counts[kept],
    )


def _starts(data: bytes, counts: list[int], bodies: list[int]) -> Ints:
    """Where each record begins, after its length: the one thing that is found record by record."""
    starts: list[int] = []
    for count, body in zip(counts, bodies, strict=True):
        place = body
        for _ in range(count):
            size = data[place]
            place += 1
            if size & _MORE:
                size &= _BITS
                shift = 7
                while (byte := data[place]) & _MORE:
                    size |= (byte & _BITS) << shift
                    shift += 7
                    place += 1
                size |= byte << shift
                place += 1
            starts.append(place)
            place += size >> 1
    return np.array(starts, np.int64)


def _varints(data: Bytes, at: Ints) -> tuple[Ints, Ints]:
    """The signed (zigzag) varints at some places, and the places after them."""
    byte = data[at].astype(np.int64)
    value, after = byte & _BITS, at + 1
    rows = np.flatnonzero(byte & _MORE)
    shift = 7
    while rows.size:
        if shift > _LONGEST_VARINT:
            raise CorruptRecordException("a record has a number of more than ten bytes")
        byte = data[after[rows]].astype(np.int64)
        value[rows] |= (byte & _BITS) << shift
        after[rows] += 1
        rows = rows[byte & _MORE != 0]
        shift += 7
    return (value >> 1) ^ -(value & 1), after


def _slices(data: bytes, starts: Ints, ends: Ints) -> list[bytes]:
    return list(map(data.__getitem__, starmap(slice, zip(starts.tolist(), ends.tolist(), strict=True))))


def _decompressed(number: int, body: bytes) -> bytes:
    if number not in _CODECS:
        raise CorruptRecordException(f"a record batch is compressed by codec {number}, which is none of Kafka's")
    name, known, decompress = _CODECS[number]
    if not known():
        raise UnsupportedCodecError(f"records are compressed with {name}; install aiokafka[{name}] to read them")
    return decompress(body)
