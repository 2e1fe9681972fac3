from hashlib import sha256

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pelton.ledger.entry import MAX_ENTRY_BYTES, Record, RecordDigest, decode, encode
from pelton.ledger.errors import EntryError

TEXT = st.text(max_size=6)
BYTES = st.none() | st.binary(max_size=6)
HEADERS = st.lists(st.tuples(TEXT, BYTES), max_size=5).map(tuple)
RECORDS = st.builds(Record, topic=TEXT, key=BYTES, headers=HEADERS, value=BYTES)


def ordered(record: Record) -> Record:
    headers = sorted(record.headers, key=lambda header: (header[0].encode(), header[1] is not None, header[1] or b""))
    return Record(record.topic, record.key, tuple(headers), record.value)


def test_the_bytes_of_a_record_are_these() -> None:
    record = Record("t", b"k", (("b", None), ("a", b"1"), ("b", b"")), None)
    assert encode(record) == (
        b"\x01"
        b"\x00\x00\x00\x01t"
        b"\x00\x00\x00\x01k"
        b"\x00\x00\x00\x03"
        b"\x00\x00\x00\x01a\x00\x00\x00\x011"
        b"\x00\x00\x00\x01b\xff\xff\xff\xff"
        b"\x00\x00\x00\x01b\x00\x00\x00\x00"
        b"\xff\xff\xff\xff"
    )


@given(RECORDS)
def test_a_record_comes_back_from_its_entry_with_its_headers_ordered(record: Record) -> None:
    assert decode(encode(record)) == ordered(record)


@given(RECORDS, st.randoms(use_true_random=False))
def test_the_order_in_which_headers_came_does_not_matter(record: Record, random) -> None:  # noqa: ANN001
    headers = list(record.headers)
    random.shuffle(headers)
    assert encode(Record(record.topic, record.key, tuple(headers), record.value)) == encode(record)


@given(RECORDS, RECORDS)
@example(Record("a", b"b", (), b"c"), Record("ab", b"", (), b"c"))
@example(Record("a", None, (), b""), Record("a", b"", (), None))
@example(Record("a", b"", (("x", b"y"),), b""), Record("a", b"", (("xy", b""),), b""))
def test_different_records_have_different_entries(one: Record, other: Record) -> None:
    assert (encode(one) == encode(other)) == (ordered(one) == ordered(other))


@given(RECORDS, st.integers(0, 2_000))
def test_an_entry_with_any_bit_flipped_is_another_record_or_none(record: Record, bit: int) -> None:
    entry = bytearray(encode(record))
    entry[bit // 8 % len(entry)] ^= 1 << bit % 8
    try:
        read = decode(bytes(entry))
    except EntryError:
        return
    assert read != ordered(record)
    assert encode(read) == bytes(entry) if isinstance(read, Record) else len(entry) == 41


@given(st.binary(max_size=80).map(lambda data: b"\x01" + data) | st.binary(max_size=80))
def test_whatever_is_decoded_is_encoded_to_the_same_bytes(entry: bytes) -> None:
    try:
        read = decode(entry)
    except EntryError:
        return
    assert isinstance(read, RecordDigest) or encode(read) == entry


@given(RECORDS, st.data())
def test_an_entry_cut_or_continued_is_refused(record: Record, data: st.DataObject) -> None:
    entry = encode(record)
    with pytest.raises(EntryError):
        decode(entry[: data.draw(st.integers(0, len(entry) - 1))])
    with pytest.raises(EntryError, match="more follow"):
        decode(entry + data.draw(st.binary(min_size=1, max_size=3)))


def test_headers_out_of_order_are_refused() -> None:
    entry = encode(Record("t", None, (("a", None), ("b", None)), None))
    swapped = entry.replace(b"\x01a", b"\x01?").replace(b"\x01b", b"\x01a").replace(b"\x01?", b"\x01b")
    with pytest.raises(EntryError, match="out of order"):
        decode(swapped)


def test_the_largest_record_that_fits_is_whole_and_one_byte_more_is_a_digest() -> None:
    overhead = len(encode(Record("t", b"k", (), b"")))
    fits = Record("t", b"k", (), bytes(MAX_ENTRY_BYTES - overhead))
    assert decode(encode(fits)) == fits
    too_long = Record("t", b"k", (), bytes(MAX_ENTRY_BYTES - overhead + 1))
    whole = encode(fits)[: overhead - 4] + (MAX_ENTRY_BYTES - overhead + 1).to_bytes(4, "big") + (too_long.value or b"")
    assert decode(encode(too_long)) == RecordDigest(MAX_ENTRY_BYTES + 1, sha256(whole).digest())


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (b"", "starts with 01 or 02"),
        (b"\x03abc", "starts with 01 or 02"),
        (b"\x02" + bytes(41), "41 bytes"),
        (b"\x02" + (MAX_ENTRY_BYTES).to_bytes(8, "big") + bytes(32), "stands for more"),
        (b"\x01\xff\xff\xff\xff", "null"),
        (b"\x01\x00\x00\x00\x01\xff", "not UTF-8"),
        (b"\x01" + bytes(MAX_ENTRY_BYTES), "at most"),
    ],
)
def test_what_is_no_entry_is_refused_with_the_reason(entry: bytes, reason: str) -> None:
    with pytest.raises(EntryError, match=reason):
        decode(entry)


def test_a_name_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(EntryError, match="not Unicode"):
        encode(Record("\ud800", None, (), None))
