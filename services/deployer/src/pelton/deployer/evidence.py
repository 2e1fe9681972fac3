"""Reading outcomes and predictions into the tests of the steps under way."""

from collections.abc import Mapping, Sequence

import msgspec
import structlog
from aiokafka import ConsumerRecord
from prometheus_client import CollectorRegistry, Counter

from pelton.contracts.definitions import seconds
from pelton.contracts.records import decode_outcomes
from pelton.contracts.topics import OUTCOMES
from pelton.deployer import store
from pelton.deployer.domain.decisions import settle
from pelton.deployer.domain.rollout import Rollout
from pelton.deployer.recording import record
from pelton.deployer.sequential import UnfitObservationsError
from pelton.deployer.step import StepTest, answers_of
from pelton.eventkit.envelope import Cause
from pelton.eventkit.reader import Partition, Records
from pelton.eventkit.store import reader_offsets, save_reader_offsets
from pelton.eventkit.unit import UnitOfWork, Units

log = structlog.get_logger(__name__)

READER = "evidence"
# Bytes that are no text, and nesting without end, are none of msgspec's errors.
UNFIT = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, UnfitObservationsError)


class Served(msgspec.Struct):
    """What the tests need of a prediction record; its inputs and outputs are passed over unread."""

    model: str
    revision: int
    served: list[int]
    errors: dict[str, int]


_served = msgspec.json.Decoder(Served)


class EvidenceProcessor:
    """Counts records into the tests; state, offsets and what they decide commit together."""

    def __init__(self, units: Units, registry: CollectorRegistry) -> None:
        self._units = units
        self._records = Counter(
            "pelton_deployer_records",
            "Records read, by what became of them: counted into a test, of no test under way, or unfit",
            ("topic", "outcome"),
            registry=registry,
        )

    async def assigned(self, partitions: Sequence[Partition]) -> Mapping[Partition, int]:  # noqa: ARG002
        """Go on where the last commit ended."""
        async with self._units.begin() as unit:
            return await reader_offsets(unit.connection, READER)

    async def process(self, batch: Mapping[Partition, Records]) -> None:
        """Count a batch, and settle each step whose test changed.

        A replica that lost its partition without knowing finds, behind the lock on the tests, that its records were
        taken by another, and passes them over.
        """
        async with self._units.begin() as unit:
            before = await store.tests(unit.connection)
            taken = await reader_offsets(unit.connection, READER)
            under_way = dict(before)
            fresh = [item for place, records in batch.items() for item in records if item.offset >= taken.get(place, 0)]
            outcomes = [(item.topic, self._count(under_way, item)) for item in fresh]
            settled: list[dict[str, str | None]] = []
            for model, (test, correlation_id) in under_way.items():
                if test is not before[model][0]:
                    settled += await _settle(unit, model, test, correlation_id)
            ends = {partition: records[-1].offset + 1 for partition, records in batch.items()}
            offsets = {partition: end for partition, end in ends.items() if end > taken.get(partition, 0)}
            await save_reader_offsets(unit.connection, READER, offsets)
        for labels in outcomes:
            self._records.labels(*labels).inc()
        for said in settled:
            log.info("step settled", **said)

    def _count(self, under_way: dict[str, tuple[StepTest, str]], item: ConsumerRecord[bytes, bytes]) -> str:
        try:
            counted = count(under_way, item.topic, item.partition, item.offset, item.value or b"")
        except UNFIT as error:
            log.warning(
                "record passed over",
                topic=item.topic,
                partition=item.partition,
                offset=item.offset,
                reason=str(error) or type(error).__name__,
            )
            return "unfit"
        if counted is None or counted is under_way[counted.settings.model][0]:
            return "of no test"
        model = counted.settings.model
        under_way[model] = (counted, under_way[model][1])
        return "counted"


def count(
    under_way: Mapping[str, tuple[StepTest, str]], topic: str, partition: int, offset: int, value: bytes
) -> StepTest | None:
    """The test that a record belongs to, with the record counted; None when no test is under way for its model.

    Raises:
        msgspec.MsgspecError: the record does not have the shape that its topic promises.
        UnfitObservationsError: it holds what no test is valid for.
    """
    place = (topic, partition, offset)
    if topic == OUTCOMES:
        outcomes = decode_outcomes(value)
        found = under_way.get(outcomes.model)
        return found[0].with_outcomes(outcomes, place) if found else None
    served = _served.decode(value)
    found = under_way.get(served.model)
    if found is None:
        return None
    answers = answers_of(found[0].settings, served.revision, served.served, served.errors)
    return found[0].with_answers(answers, place)


async def _settle(unit: UnitOfWork, model: str, test: StepTest, correlation_id: str) -> list[dict[str, str | None]]:
    """Record what the test decides; returns what the log is to say of it."""
    rollout = await unit.load(Rollout, model)
    allowed = rollout.bake.plan.bake if rollout.bake else rollout.trial.plan.patience if rollout.trial else "1s"
    facts = settle(rollout, test.evidence(), out_of_time=test.out_of_time(seconds(allowed)))
    if not facts:
        await store.save_test(unit.connection, test)
        return []
    began = test.settings.began
    cause = Cause(began, correlation_id, await store.traceparent(unit.connection, began))
    before = len(unit.recorded)
    await record(unit, rollout, facts, cause=cause)
    return [
        {
            "model": model,
            "fact": event.fact.fact_type,
            "event_id": str(event.id),
            "causation_id": began,
            "correlation_id": correlation_id,
            "trace_id": cause.traceparent.split("-")[1] if cause.traceparent else None,
        }
        for event in unit.recorded[before:]
    ]
