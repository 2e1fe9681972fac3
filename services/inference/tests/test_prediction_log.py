import asyncio
from collections.abc import Sequence

import pytest
from aiokafka import AIOKafkaConsumer

from pelton.contracts.records import PredictionBatch, decode_predictions, encode
from pelton.contracts.topics import PREDICTIONS
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.inference.prediction_log import LARGEST_RECORD, PredictionLog, halves
from pelton.testkit import KafkaInstance, create_topics, eventually


def batch(name: str, rows: int = 1) -> PredictionBatch:
    return PredictionBatch(
        id=name,
        model="late",
        revision=1,
        mode="champion",
        champion=1,
        challenger=2,
        weight=0.0,
        keys=[f"{name}/{row}" for row in range(rows)],
        event_times=list(range(rows)),
        inputs={"x": [row / 7 for row in range(rows)]},
        served=[1] * rows,
        outputs={"1": [0.5] * rows},
        errors={"2": rows},
        latency_us={"1": 1},
    )


class Broken:
    """A publisher of a program with a mistake in it."""

    async def publish(self, records: Sequence[Outgoing]) -> None:
        raise TypeError(f"{len(records)} records")


async def read(bootstrap: str, until: str) -> list[PredictionBatch]:
    found: list[PredictionBatch] = []
    consumer = AIOKafkaConsumer(PREDICTIONS, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:

        async def there() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                found.extend(decode_predictions(record.value) for record in records)
            return bool(found) and found[-1].id == until

        await eventually(there, timeout=30)
    finally:
        await consumer.stop()
    return found


async def test_while_kafka_is_away_predictions_wait_in_order_and_none_is_lost(kafka_private: KafkaInstance) -> None:
    await create_topics(kafka_private.bootstrap, {PREDICTIONS: 1})
    publisher = KafkaPublisher(kafka_private.bootstrap, "test")
    predictions = PredictionLog(publisher, capacity=40)
    running = asyncio.create_task(predictions.run())
    for number in range(5):
        predictions.add(batch(f"{number:03}"), None)
    await eventually(lambda: predictions.depth == 0)

    kafka_private.crash()
    number = 5
    while not predictions.full:
        predictions.add(batch(f"{number:03}"), None)
        number += 1
    assert predictions.depth == 40
    kafka_private.start()
    # What is drained is everything: the process may end now.
    await predictions.drain(30)
    assert predictions.depth == 0
    running.cancel()
    await publisher.stop()

    names = [one.id for one in await read(kafka_private.bootstrap, f"{number - 1:03}")]
    assert list(dict.fromkeys(names)) == [f"{each:03}" for each in range(number)]


async def test_a_request_too_large_for_one_record_goes_as_several(kafka_private: KafkaInstance) -> None:
    await create_topics(kafka_private.bootstrap, {PREDICTIONS: 1})
    publisher = KafkaPublisher(kafka_private.bootstrap, "test")
    predictions = PredictionLog(publisher)
    running = asyncio.create_task(predictions.run())
    large = batch("large", rows=30_000)
    predictions.add(large, None)
    predictions.add(batch("end"), None)
    await predictions.drain(30)
    running.cancel()
    await publisher.stop()
    parts = (await read(kafka_private.bootstrap, "end"))[:-1]
    assert len({part.id for part in parts}) == len(parts) > 1
    assert max(len(encode(part)) for part in parts) <= LARGEST_RECORD
    assert [key for part in parts for key in part.keys] == large.keys
    assert [value for part in parts for value in part.inputs["x"]] == large.inputs["x"]
    assert sum(part.errors["2"] for part in parts) == large.errors["2"]


def test_halves_of_an_odd_number_of_rows_are_the_whole() -> None:
    one, other = halves(batch("odd", rows=5))
    assert (len(one.keys), len(other.keys)) == (2, 3)
    assert one.errors["2"] + other.errors["2"] == 5


async def test_a_mistake_of_the_program_is_not_waited_out() -> None:
    predictions = PredictionLog(Broken())
    predictions.add(batch("one"), None)
    with pytest.raises(TypeError):
        await asyncio.wait_for(predictions.run(), 5)


async def test_a_drain_ends_when_its_time_is_up() -> None:
    predictions = PredictionLog(Broken())
    predictions.add(batch("one"), None)
    await predictions.drain(0.01)
    assert predictions.depth == 1
