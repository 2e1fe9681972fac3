"""What facts refer to, fetched from where it is kept: other facts, and the records behind a decision."""

from base64 import b64decode
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pydantic import ValidationError

from pelton.cli.audit import bus
from pelton.cli.audit.checks import payload
from pelton.cli.audit.entries import LogEntry
from pelton.cli.audit.findings import Check, Finding
from pelton.contracts.values import OffsetRange
from pelton.eventkit.replay import Record
from pelton.sdk.client import Address, Client
from pelton.sdk.errors import RefusedError

NOT_FOUND = 404


class PlatformEvidence:
    """The `Evidence` of a running platform: facts from the log, records from Kafka by their offsets."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def fact(self, event_id: str) -> bytes:
        """See `Evidence.fact`."""
        try:
            return b64decode(self._client.get("audit", f"/v1/facts/{event_id}")["payload"])
        except RefusedError as error:
            if error.status == NOT_FOUND:
                raise LookupError(f"no fact {event_id} is in the log") from error
            raise

    async def records(self, ranges: Sequence[OffsetRange]) -> Iterable[Record]:
        """See `Evidence.records`."""
        items = await bus.ranges(self._client.address.kafka, ranges)
        return [Record(one.topic, one.partition, one.offset, tuple(one.headers), one.value or b"") for one in items]


async def check_evidence(address: Address, entries: Sequence[LogEntry]) -> Check:
    """Every range of records that a fact quotes is still on Kafka."""
    quoted = [(one, quote) for one in entries for quote in quotes(payload(one))]
    held = await bus.extents(address.kafka, {(quote.topic, quote.partition) for _, quote in quoted})
    findings: list[Finding] = []
    for one, quote in quoted:
        first, end = held[quote.topic, quote.partition]
        if quote.start < first or quote.end > end:
            wanted = f"{quote.topic}/{quote.partition} {quote.start} to {quote.end}"
            findings.append(one.finding("evidence", f"quotes {wanted}; only {first} to {end} is there"))
    return Check("evidence", "offset ranges that facts quote", len(quoted), tuple(findings))


def quotes(value: Any) -> Iterator[OffsetRange]:  # noqa: ANN401 - any JSON
    """Every offset range anywhere in a payload."""
    if isinstance(value, dict):
        try:
            yield OffsetRange.model_validate(value)
        except ValidationError:
            for part in value.values():
                yield from quotes(part)
    elif isinstance(value, list):
        for part in value:
            yield from quotes(part)
