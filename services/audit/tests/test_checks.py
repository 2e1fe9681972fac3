"""What an audit concludes from the copies of a fact: pure, so that Kafka itself can be made to lie."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from aiokafka import ConsumerRecord
from hypothesis import given
from hypothesis import strategies as st

from pelton.cli.audit.checks import check_entries, check_kafka, check_positions, waiting_claims
from pelton.cli.audit.entries import LogEntry
from pelton.cli.audit.findings import Check, difference, payload_difference
from pelton.eventkit.envelope import Envelope
from pelton.ledger.entry import Record, encode
from pelton.ledger.merkle import hash_leaf

Item = ConsumerRecord[bytes, bytes]
TAKEN = {("pelton.trainer", 0): 3}


def envelope(position: int, owner: str = "trainer") -> Envelope:
    return Envelope(
        id=UUID(int=position),
        owner=owner,
        type=f"pelton.{owner}.thing_happened.v1",
        subject="things/one",
        time=datetime(2026, 1, 1, tzinfo=UTC),
        correlation_id="story",
        causation_id=None,
        actor="service:test",
        stream_version=position,
        position=position,
        traceparent=None,
    )


def item(offset: int, position: int, value: bytes = b'{"rows":1}', owner: str = "trainer") -> Item:
    headers = tuple(envelope(position, owner).headers())
    return ConsumerRecord("pelton.trainer", 0, offset, 0, 0, b"things/one", value, None, 10, len(value), headers)


def entry(index: int, position: int, **changes: Any) -> LogEntry:  # noqa: ANN401 - fields of different types
    about = envelope(position)
    content = encode(Record(about.topic, b"things/one", tuple(about.headers()), b'{"rows":1}'))
    row: dict[str, Any] = {
        "index": index,
        "entry": content,
        "leaf_hash": hash_leaf(content),
        "id": str(about.id),
        "type": about.type,
        "subject": about.subject,
        "source": about.source,
        "position": position,
        "causation_id": None,
        "correlation_id": "story",
        "time": about.time.isoformat(),
        "topic": about.topic,
        "partition": 0,
        "offset": index,
    }
    return LogEntry(**row | changes)


LOG = [entry(0, 1), entry(1, 2), entry(2, 3)]
TRUE = [item(0, 1), item(1, 2), item(2, 3)]


def problems(check: Check) -> list[str]:
    return [one.problem for one in check.findings]


def test_equal_copies_and_facts_that_wait_are_no_findings() -> None:
    items = [*TRUE, item(3, 2), item(4, 4)]
    assert problems(check_kafka(items, LOG, TAKEN)) == []
    assert waiting_claims(items, LOG) == {("/pelton/trainer", 4)}


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ([TRUE[0], item(1, 2, b'{"rows":2}'), TRUE[2]], "$.rows: 2 here, 1 there"),
        ([TRUE[0], TRUE[2]], "no longer on Kafka"),
        ([*TRUE, item(3, 2, b'{"rows":2}')], "claims the position of entry 1"),
        ([*TRUE, item(3, 1, owner="registry")], "no fact of this topic's owner"),
    ],
)
def test_what_kafka_says_otherwise_is_named(items: list[Item], said: str) -> None:
    (found,) = problems(check_kafka(items, LOG, TAKEN))
    assert said in found


def test_a_fact_that_was_cut_out_of_the_log_is_named() -> None:
    check = check_kafka(TRUE, [LOG[0], entry(1, 3, offset=2)], TAKEN)
    (finding,) = check.findings
    assert (finding.event_id, finding.offset) == (str(UUID(int=2)), 1)
    assert "cut out of the log" in finding.problem


def test_a_gap_in_the_positions_is_named() -> None:
    gapped = [LOG[0], entry(1, 3)]
    assert problems(check_positions(gapped, [])) == ["position 2 of /pelton/trainer is missing below 3"]
    assert problems(check_positions(gapped, [("/pelton/trainer", 2)])) == []


@pytest.mark.parametrize(
    ("log", "said"),
    [
        ([LOG[0], LOG[2]], "entry 1 is missing"),
        ([entry(0, 1, leaf_hash=b"\0" * 32)], "do not have the leaf hash"),
        ([entry(0, 1, type="pelton.trainer.other.v1")], "the index says type"),
        ([entry(0, 1, time="2026-01-02T00:00:00+00:00")], "the index says time"),
        ([entry(0, 1, entry=b"\x09", leaf_hash=hash_leaf(b"\x09"))], "are no entry"),
    ],
)
def test_a_log_that_contradicts_itself_is_named(log: list[LogEntry], said: str) -> None:
    (found,) = problems(check_entries(log))
    assert said in found


@given(st.data())
def test_any_changed_byte_of_an_entry_is_a_difference(data: st.DataObject) -> None:
    content = bytearray(LOG[0].entry)
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    assert difference(bytes(content), LOG[0].entry) not in {"", "nothing"}
    assert problems(check_entries([entry(0, 1, entry=bytes(content))]))


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        (b'{"a":[1,{"b":2}]}', b'{"a":[1,{"b":3}]}', "$.a[1].b: 2 here, 3 there"),
        (b'{"a":1}', b'{"a":1,"b":2}', "$.b is only there"),
        (b'{"a":[1]}', b'{"a":[1,2]}', "$.a has 1 elements here, 2 there"),
        (b'{"a":1}', b'{"a":1.0}', "$.a: 1 here, 1.0 there"),
        (b'{"a":1}', b'{"a": 1}', "byte 5"),
        (b"{}", b"{}", "nothing"),
    ],
)
def test_a_difference_is_told_by_its_path(here: bytes, there: bytes, said: str) -> None:
    assert payload_difference(here, there).startswith(said)
