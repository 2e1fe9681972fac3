"""Decoded by columns, a stretch of the log has the records that aiokafka itself reads of it."""

import struct
from collections.abc import Sequence

import pytest
from aiokafka import codec
from aiokafka.errors import CorruptRecordException, UnsupportedCodecError
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.eventkit.record_batches import RecordColumns, decode

Record = tuple[int, bytes | None, bytes | None, list[tuple[str, bytes | None]]]
GZIP = 1
names = st.sampled_from(["id", "ie", "ids", "trace", ""]) | st.text(max_size=3)
headers = st.lists(st.tuples(names, st.none() | st.binary(max_size=200)), max_size=4)
texts = st.none() | st.binary(max_size=300)
records = st.tuples(st.integers(0, 2**41), texts, texts, headers)


def batch(base: int, content: Sequence[Record], compression: int = 0) -> bytes:
    """A batch as a broker stores it: its offsets begin at `base`."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, 0, 10**9)
    for offset, (timestamp, key, value, own) in enumerate(content):
        assert builder.append(offset, timestamp, key, value, own) is not None
    return struct.pack(">q", base) + bytes(builder.build())[8:]


def attributed(raw: bytes, attributes: int, newest_ms: int = 0) -> bytes:
    """The batch with other attributes, and the newest timestamp that goes with them."""
    changed = bytearray(raw)
    changed[21:23] = struct.pack(">h", attributes)
    changed[35:43] = struct.pack(">q", newest_ms)
    changed[17:21] = struct.pack(">I", calc_crc32c(bytes(changed[21:])))
    return bytes(changed)


def listed(columns: RecordColumns) -> list[tuple[int, int, bytes]]:
    return list(zip(columns.offsets.tolist(), columns.timestamps_ms.tolist(), columns.values(), strict=True))


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.lists(records, min_size=1, max_size=5), st.sampled_from([0, GZIP])), max_size=4), st.data()
)
def test_columns_hold_what_aiokafka_reads(batches: list[tuple[list[Record], int]], data: st.DataObject) -> None:
    raw, end = b"", 7
    for content, compression in batches:
        raw += batch(end, content, compression)
        end += len(content)
    start = data.draw(st.integers(7, end))
    torn = data.draw(st.integers(0, 60)) if batches else 0

    columns = decode(raw + (batch(end, batches[0][0])[:torn] if torn else b""), start)

    expected = []
    memory = MemoryRecords(raw)
    while memory.has_next():
        one = memory.next_batch()
        expected += [record for record in one if record.offset >= start]
    assert len(columns) == len(expected)
    assert columns.next_offset == end
    assert listed(columns) == [(one.offset, one.timestamp, one.value or b"") for one in expected]
    for name in ("id", "trace", "", "none"):
        firsts = [next((value for key, value in one.headers if key == name), None) for one in expected]
        assert columns.header(name) == firsts
    head = columns.head(2)
    assert listed(head) == listed(columns)[:2]
    assert head.next_offset == (expected[2].offset if len(expected) > 2 else end)


def test_records_that_the_broker_stamps_have_its_time() -> None:
    raw = attributed(batch(0, [(5, None, b"a", []), (9, None, b"b", [])]), 0x08, newest_ms=1234)
    assert decode(raw, 0).timestamps_ms.tolist() == [1234, 1234]


def test_marks_of_transactions_are_passed_over() -> None:
    raw = attributed(batch(0, [(5, b"mark", b"", [])]), 0x20) + batch(1, [(6, None, b"a", [])])
    assert listed(decode(raw, 0)) == [(1, 6, b"a")]
    alone = decode(raw[: len(raw) - len(batch(1, [(6, None, b"a", [])]))], 0)
    assert (len(alone), alone.next_offset) == (0, 1)


def test_what_is_damaged_is_refused() -> None:
    raw = batch(3, [(5, None, b"value", [])])
    with pytest.raises(CorruptRecordException, match="checksum of the record batch at offset 3"):
        decode(raw.replace(b"value", b"other"), 0)
    with pytest.raises(CorruptRecordException, match="format 1"):
        decode(raw[:16] + b"\1" + raw[17:], 0)
    shorter = bytearray(raw)
    shorter[57:61] = struct.pack(">i", 3)
    with pytest.raises(CorruptRecordException, match="middle of a record"):
        decode(attributed(bytes(shorter), 0), 0)


@pytest.mark.skipif(codec.has_zstd(), reason="zstd is installed")
def test_a_codec_that_is_not_installed_is_named() -> None:
    with pytest.raises(UnsupportedCodecError, match=r"zstd; install aiokafka\[zstd\]"):
        decode(attributed(batch(0, [(5, None, b"a", [])]), 4), 0)
    with pytest.raises(CorruptRecordException, match="codec 5"):
        decode(attributed(batch(0, [(5, None, b"a", [])]), 5), 0)
