"""A batch is linked to every trace that its records are of."""

from aiokafka import ConsumerRecord

from pelton.feature.ingest.ingestion import TRACED, _traceparents


def record(offset: int, traceparent: str | None) -> ConsumerRecord[bytes, bytes]:
    headers = [("ce_id", b"1")] + ([] if traceparent is None else [("traceparent", traceparent.encode())])
    return ConsumerRecord("pelton.data.late", 0, offset, 0, 0, None, b"{}", None, 0, 2, tuple(headers))


def test_a_trace_behind_many_records_of_another_is_found_too() -> None:
    many = [record(offset, "one") for offset in range(500)]
    batch = {("pelton.data.late", 0): [*many, record(500, None), record(501, "two")]}
    assert _traceparents(batch) == ["one", "two"]


def test_no_more_traces_are_linked_than_a_span_may_have() -> None:
    batch = {("pelton.data.late", place): [record(n, f"{place}-{n}") for n in range(40)] for place in range(2)}
    assert _traceparents(batch) == [f"0-{n}" for n in range(TRACED)]
