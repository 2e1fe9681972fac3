"""What cannot be handled is set aside with all it came with; what cannot be handled yet holds its partition."""

import time
from collections.abc import Sequence
from uuid import UUID

import pytest
from counting import Amount, add, handled, total, write
from counting import counted as counted_of
from in_process import consuming, records_of, relaying
from sqlalchemy import text
from starting import MakeOwner, MakeUnits

from pelton.contracts.fact import Fact
from pelton.eventkit import dead_letters
from pelton.eventkit.clock import utc_now, uuid7
from pelton.eventkit.dead_letters import AlreadyReplayedError
from pelton.eventkit.envelope import Envelope, Received
from pelton.eventkit.failures import PermanentError, TransientError
from pelton.eventkit.handlers import Handler, subscribe
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.testkit import KafkaInstance, eventually

POISON = 13


def adding(
    fact: type[Fact], broken: list[int], error: type[Exception] = PermanentError, handler_id: str = "tests.add"
) -> Handler:
    """Adds each amount, and then finds that those in `broken` cannot be handled."""

    @subscribe(fact, id=handler_id)
    async def on_counted(event: Received[Amount], unit: UnitOfWork) -> None:
        await add(event, unit)
        if event.data.amount in broken:
            raise error(f"{event.data.amount} cannot be counted")

    return on_counted


async def letters(units: Units) -> list[dict[str, object]]:
    async with units.begin() as unit:
        return await dead_letters.recent(unit.connection, 10)


async def amounts(units: Units) -> list[int]:
    return [effect.amount for effect in await handled(units.engine)]


async def has(units: Units, expected: Sequence[int]) -> bool:
    assert await amounts(units) == list(expected)
    return True


async def test_poison_reaches_the_dead_letters_and_its_partition_goes_on(
    broker: KafkaInstance, owner: str, make_units: MakeUnits
) -> None:
    ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
    fact = counted_of(owner)
    broken = [POISON]
    async with (
        relaying(broker.bootstrap, ours),
        consuming(broker.bootstrap, theirs, adding(fact, broken)) as dispatcher,
    ):
        await write(ours, fact, [1, POISON, 2])
        await eventually(lambda: has(theirs, [1, 2]), timeout=20)

        (letter,) = await letters(theirs)
        assert letter["reason"] == f"PermanentError: {POISON} cannot be counted"
        assert (letter["handler"], letter["topic"]) == ("tests.add", f"pelton.{owner}")
        (record,) = await records_of(broker.bootstrap, f"pelton.{theirs.service}.dlq")
        (original,) = [
            each for each in await records_of(broker.bootstrap, f"pelton.{owner}") if each.value == record.value
        ]
        assert record.headers[: len(original.headers)] == original.headers
        assert dict(record.headers[len(original.headers) :]) == {
            "pelton_dlq_reason": str(letter["reason"]).encode(),
            "pelton_dlq_handler": b"tests.add",
            "pelton_dlq_topic": original.topic.encode(),
            "pelton_dlq_partition": str(original.partition).encode(),
            "pelton_dlq_offset": str(original.offset).encode(),
        }
        assert (letter["partition"], letter["offset"]) == (original.partition, original.offset)

        letter_id = UUID(str(letter["id"]))
        with pytest.raises(PermanentError):
            await dispatcher.replay(letter_id)
        assert (await letters(theirs))[0]["replayed_at"] is None
        broken.clear()
        await dispatcher.replay(letter_id)
        assert await amounts(theirs) == [1, 2, POISON]
        with pytest.raises(AlreadyReplayedError, match=str(letter_id)):
            await dispatcher.replay(letter_id)
        assert await total(theirs.engine) == 1 + 2 + POISON


async def test_a_value_that_the_database_refuses_is_poison_too(
    broker: KafkaInstance, owner: str, make_units: MakeUnits
) -> None:
    ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
    fact = counted_of(owner)

    @subscribe(fact, id="tests.refused")
    async def on_counted(event: Received[Amount], unit: UnitOfWork) -> None:
        query = text("INSERT INTO handled (amount, version) VALUES (:amount, :version)")
        await unit.connection.execute(query, {"amount": event.data.amount, "version": event.data.amount})

    async with relaying(broker.bootstrap, ours), consuming(broker.bootstrap, theirs, on_counted):
        await write(ours, fact, [1, 2**31, 2])
        await eventually(lambda: has(theirs, [1, 2]), timeout=20)
        (letter,) = await letters(theirs)
        assert "out of int32 range" in str(letter["reason"])


async def test_a_record_that_is_no_fact_is_set_aside_as_unreadable(
    broker: KafkaInstance, owner: str, make_units: MakeUnits
) -> None:
    ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
    fact = counted_of(owner)
    stray = KafkaPublisher(broker.bootstrap, "stray")
    await stray.publish([Outgoing(f"pelton.{owner}", b"accounts/one", [("ce_id", b"none")], b"\xff\x00")])
    await stray.stop()
    async with relaying(broker.bootstrap, ours), consuming(broker.bootstrap, theirs, adding(fact, [])):
        await write(ours, fact, [1])
        await eventually(lambda: has(theirs, [1]), timeout=20)
        (letter,) = await letters(theirs)
        assert letter["handler"] == "unreadable"
        async with theirs.begin() as unit:
            found = await dead_letters.get(unit.connection, UUID(str(letter["id"])))
        assert found is not None
        assert (found[1].value, found[1].headers) == (b"\xff\x00", (("ce_id", b"none"),))


async def test_a_transient_failure_holds_its_partition_in_order_and_then_passes(
    broker: KafkaInstance, make_owner: MakeOwner, make_units: MakeUnits
) -> None:
    owner, neighbour = await make_owner(), await make_owner()
    ours, others, theirs = await make_units(owner), await make_units(neighbour), await make_units(f"{owner}-reader")
    fact, other_fact = counted_of(owner), counted_of(neighbour)
    broken = [2]
    handlers = (adding(fact, broken, TransientError), adding(other_fact, [], handler_id="tests.add_other"))
    async with (
        relaying(broker.bootstrap, ours),
        relaying(broker.bootstrap, others),
        consuming(broker.bootstrap, theirs, *handlers),
    ):
        await write(ours, fact, [1, 2, 3])
        await eventually(lambda: has(theirs, [1]), timeout=20)
        await write(others, other_fact, [10])
        await eventually(lambda: has(theirs, [1, 10]), timeout=20)
        broken.clear()
        await eventually(lambda: has(theirs, [1, 10, 2, 3]), timeout=20)
        assert await letters(theirs) == []


async def test_a_stop_does_not_wait_for_a_failure_to_pass_and_loses_nothing(
    broker: KafkaInstance, owner: str, make_units: MakeUnits
) -> None:
    ours, theirs = await make_units(owner), await make_units(f"{owner}-reader")
    fact = counted_of(owner)
    async with relaying(broker.bootstrap, ours):
        await write(ours, fact, [1, 2, 3])
        async with consuming(broker.bootstrap, theirs, adding(fact, [2], TransientError)):
            await eventually(lambda: has(theirs, [1]), timeout=20)
            began = time.monotonic()
        assert time.monotonic() - began < 10
        async with consuming(broker.bootstrap, theirs, adding(fact, [])):
            await eventually(lambda: has(theirs, [1, 2, 3]), timeout=20)
    assert await letters(theirs) == []


async def test_a_fact_of_a_former_version_reaches_the_handler_of_the_present_one(
    broker: KafkaInstance, owner: str, make_units: MakeUnits
) -> None:
    class Counted(Amount, owner=owner, version=2, upcasters={1: lambda old: {"amount": old["thousands"] * 1000}}):
        """An amount, which was once counted in thousands."""

    envelope = Envelope(
        id=uuid7(),
        owner=owner,
        type=Counted.fact_types[0],
        subject="accounts/one",
        time=utc_now(),
        correlation_id="one",
        causation_id=None,
        actor="tests",
        stream_version=1,
        position=1,
        traceparent=None,
    )
    theirs = await make_units(f"{owner}-reader")
    publisher = KafkaPublisher(broker.bootstrap, owner)
    await publisher.publish([Outgoing(f"pelton.{owner}", b"one", envelope.headers(), b'{"thousands": 7}')])
    await publisher.stop()
    async with consuming(broker.bootstrap, theirs, adding(Counted, [])):
        await eventually(lambda: has(theirs, [7000]), timeout=30)
