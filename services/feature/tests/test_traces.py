"""A batch is linked to every trace that its records are of."""

from collections.abc import Sequence

from aiokafka.record.default_records import DefaultRecordBatchBuilder

from pelton.eventkit.reader import RecordColumns
from pelton.eventkit.record_batches import decode
from pelton.feature.ingest.ingestion import TRACED, _traceparents


def records(traceparents: Sequence[str | None]) -> RecordColumns:
    builder = DefaultRecordBatchBuilder(2, 0, 0, -1, -1, 0, 10**9)
    for offset, one in enumerate(traceparents):
        headers = [("ce_id", b"1")] + ([] if one is None else [("traceparent", one.encode())])
        builder.append(offset, 0, None, b"{}", headers)
    return decode(bytes(builder.build()), 0)


def test_a_trace_behind_many_records_of_another_is_found_too() -> None:
    assert _traceparents({("pelton.data.late", 0): records([*["one"] * 200, None, "two"])}) == ["one", "two"]


def test_no_more_traces_are_linked_than_a_span_may_have() -> None:
    batch = {("pelton.data.late", place): records([f"{place}-{n}" for n in range(40)]) for place in range(2)}
    assert _traceparents(batch) == [f"0-{n}" for n in range(TRACED)]
