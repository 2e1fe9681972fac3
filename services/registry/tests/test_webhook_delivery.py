import json
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_door import Door
from registry_facts import CODE, define, trained
from webhook_delivering import deliveries, delivering, number, publish, register
from webhook_receiver import receiving, status

from pelton.contracts.registry import ModelAliasSet, ModelDescribed, ModelTagged
from pelton.eventkit.identity import Role
from pelton.registry.commands import load
from pelton.registry.projections import record
from pelton.registry.webhooks import delivery as delivery_module
from pelton.registry.webhooks import domain
from pelton.registry.webhooks.domain import FIRST_PAUSE, LONGEST_PAUSE, TRIES, Outcome, State, judge
from pelton.registry.webhooks.store import told_after
from pelton.testkit import eventually

NOW = datetime(2013, 3, 1, tzinfo=UTC)


def described(text: str, model: str = "late") -> ModelDescribed:
    return ModelDescribed(model=model, description=text)


async def settled(door: Door, webhook: str, count: int) -> list[str]:
    """The states of the deliveries, once there are so many and none waits."""

    async def all_through() -> list[str]:
        states = [one["state"] for one in await deliveries(door, webhook)]
        assert len(states) == count
        assert "pending" not in states
        return states

    return list(await eventually(all_through))


async def test_what_a_webhook_wants_arrives_signed_in_order_and_as_the_topic_has_it(door: Door) -> None:
    await publish(door, "models/late", described("before anybody asked"))
    async with receiving() as receiver:
        hook = await register(door, receiver.url, events=["ModelDescribed", "ModelAlias*"])
        wanted = [described("one"), ModelAliasSet(model="late", alias="champion", version=1), described("two")]
        await publish(door, "models/late", wanted[0], ModelTagged(model="late", name="a", value="b"), *wanted[1:])
        await publish(door, "models/other", described("three", "other"))
        async with delivering(door):
            assert await settled(door, hook["webhook"], 3) == ["delivered"] * 3
    assert [got.json["data"] for got in receiver.got] == [fact.model_dump() for fact in wanted]
    async with door.units.engine.connect() as connection:
        told = {str(one.envelope.id): one for one in await told_after(connection, "registry", 0, 100)}
    for got in receiver.got:
        assert got.signatures(hook["secret"])
        assert got.headers["content-type"] == "application/cloudevents+json"
        one = told[got.headers["webhook-id"]]
        attributes = {f"ce_{name}": value for name, value in got.json.items() if name != "data"}
        topic = {name: value.decode() for name, value in one.envelope.headers() if name.startswith("ce_")}
        assert attributes == topic | {"ce_datacontenttype": "application/json"}
        assert json.dumps(got.json["data"], separators=(",", ":")).encode() == one.data


async def test_a_receiver_that_fails_gets_it_again_before_anything_else_and_holds_up_nobody(door: Door) -> None:
    async with receiving([status(500), status(429, body="later"), b""]) as failing, receiving() as other:
        hook = await register(door, failing.url)
        free = await register(door, other.url)
        await publish(door, "models/late", described("one"), described("two"))
        async with delivering(door):
            await settled(door, free["webhook"], 2)
            await settled(door, hook["webhook"], 2)
    ids = [got.headers["webhook-id"] for got in failing.got]
    assert [ids.index(one) for one in ids] == [0, 0, 0, 0, 4]
    assert [got.headers["webhook-id"] for got in other.got] == [ids[0], ids[4]]
    times = [int(got.headers["webhook-timestamp"]) for got in failing.got]
    pauses = [later - earlier for earlier, later in pairwise(times[:4])]
    assert [pause >= least for pause, least in zip(pauses, (2.5, 5, 10), strict=True)] == [True] * 3
    assert all(got.signatures(hook["secret"]) for got in failing.got)


async def test_after_its_last_try_a_delivery_is_dead_the_next_goes_on_and_it_can_be_sent_again(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(domain, "LONGEST_PAUSE", timedelta(seconds=2))
    async with receiving([status(500, body="no luck")] * TRIES) as receiver:
        hook = await register(door, receiver.url)
        await publish(door, "models/late", described("one"), described("two"))
        async with delivering(door):
            assert await settled(door, hook["webhook"], 2) == ["dead", "delivered"]
            (dead,) = await deliveries(door, hook["webhook"], state="dead")
            assert (dead["tries"], dead["status"], dead["response"]) == (TRIES, 500, "no luck")
            again = f"/webhooks/{hook['webhook']}/deliveries/{dead['event_id']}/redeliver"
            assert (await door.ask("POST", again)).status_code == 202
            assert await settled(door, hook["webhook"], 2) == ["delivered", "delivered"]
    assert receiver.got[-1].headers["webhook-id"] == dead["event_id"]


async def test_a_receiver_that_says_it_is_gone_is_not_asked_again(door: Door) -> None:
    async with receiving([status(410)]) as receiver:
        hook = await register(door, receiver.url)
        await publish(door, "models/late", described("one"))
        async with delivering(door):
            assert await settled(door, hook["webhook"], 1) == ["dead"]
    assert len(receiver.got) == 1


async def test_what_a_process_sent_and_did_not_record_is_sent_again_by_the_next(door: Door) -> None:
    async with receiving() as receiver:
        hook = await register(door, receiver.url)
        await publish(door, "models/late", described("one"))
        receiver.hold.clear()
        async with delivering(door):
            await eventually(lambda: receiver.got)
        receiver.hold.set()
        async with delivering(door):
            await settled(door, hook["webhook"], 1)
    first, second = receiver.got
    assert first.headers["webhook-id"] == second.headers["webhook-id"]


async def test_a_long_history_is_followed_page_by_page(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "PAGE", 3)
    async with receiving() as receiver:
        hook = await register(door, receiver.url)
        await publish(door, "models/late", *(described(str(count)) for count in range(8)))
        async with delivering(door):
            await settled(door, hook["webhook"], 8)
    assert [got.json["data"]["description"] for got in receiver.got] == [str(count) for count in range(8)]


async def test_a_paused_webhook_misses_what_is_recorded_and_keeps_what_waits(door: Door) -> None:
    async with receiving([status(500)]) as receiver:
        hook = await register(door, receiver.url)
        path = f"/webhooks/{hook['webhook']}"
        await publish(door, "models/late", described("kept"))
        async with delivering(door):
            await eventually(lambda: receiver.got)
            assert (await door.ask("PATCH", path, json={"active": False})).json()["active"] is False
            await publish(door, "models/late", described("missed"))

            async def passed() -> bool:
                async with door.units.engine.connect() as connection:
                    behind = await connection.exec_driver_sql(
                        "SELECT max(events.position) = max(webhook_cursor.position) FROM events, webhook_cursor"
                    )
                    return bool(behind.scalar())

            await eventually(passed)
            assert (await door.ask("PATCH", path, json={"active": True})).json()["active"] is True
            await settled(door, hook["webhook"], 1)
    assert {got.json["data"]["description"] for got in receiver.got} == {"kept"}


async def test_a_webhook_tells_nobody_what_they_may_not_read(door: Door) -> None:
    answer = await door.ask(
        "POST", "/models", json={"definition": define().model_dump(mode="json"), "code": CODE.digest}
    )
    assert answer.status_code == 201
    for version in (1, 2):
        await door.receive(trained(version))
    async with door.units.begin(actor="ann") as unit:
        model = await load(unit, "late")
        await record(unit, model, [ModelTagged(model="late", version=2, name="pii", value="yes")])
    secret = {
        "models": ["late"],
        "actions": ["read"],
        "users": ["bob"],
        "reason": "secret",
        "when": {"tags": {"pii": "yes"}},
    }
    assert (await door.ask("PUT", "/restrictions/hidden", json=secret)).status_code == 204
    async with receiving() as carls, receiving() as bobs:
        for who, receiver in (("carl", carls), ("bob", bobs)):
            body = {"name": "hook", "url": receiver.url, "events": ["ModelDescribed"], "models": "late"}
            assert (await door.ask("POST", "/webhooks", who, Role.CONTRIBUTOR, json=body)).status_code == 201
        versions = (1, 2, None)
        await publish(
            door, "models/late", *(described(str(one)).model_copy(update={"version": one}) for one in versions)
        )
        async with delivering(door):
            await eventually(lambda: len(bobs.got) == len(versions) and len(carls.got) == len(versions) - 1)
    assert [got.json["data"]["version"] for got in bobs.got] == [1, 2, None]
    assert [got.json["data"]["version"] for got in carls.got] == [1, None]


async def test_what_is_over_is_kept_for_thirty_days(door: Door) -> None:
    async with receiving() as receiver:
        hook = await register(door, receiver.url)
        await publish(door, "models/late", described("old"), described("new"))
        async with delivering(door):
            await settled(door, hook["webhook"], 2)
        async with door.units.begin() as unit:
            await unit.connection.exec_driver_sql(
                "UPDATE webhook_deliveries SET created_at = created_at - interval '31 days' "
                "WHERE position = (SELECT min(position) FROM webhook_deliveries)"
            )
        async with delivering(door):

            async def one_left() -> bool:
                return len(await deliveries(door, hook["webhook"])) == 1

            await eventually(one_left)


@given(st.integers(1, TRIES - 1), st.floats(0, 1))
def test_pauses_grow_between_half_and_the_whole_of_their_length(tries: int, draw: float) -> None:
    progress = judge(Outcome(status=500), tries, NOW, draw)
    assert progress.state is State.PENDING
    assert progress.next_at is not None
    whole = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    assert whole / 2 - timedelta(seconds=1) <= progress.next_at - NOW <= whole


@pytest.mark.parametrize(
    ("outcome", "tries", "state"),
    [
        (Outcome(status=200), 1, State.DELIVERED),
        (Outcome(status=299), TRIES, State.DELIVERED),
        (Outcome(status=300), 1, State.PENDING),
        (Outcome(status=404), 1, State.PENDING),
        (Outcome(error="no connection"), TRIES - 1, State.PENDING),
        (Outcome(error="no connection"), TRIES, State.DEAD),
        (Outcome(status=410), 1, State.DEAD),
    ],
)
def test_an_outcome_settles_a_delivery_or_not(outcome: Outcome, tries: int, state: State) -> None:
    assert judge(outcome, tries, NOW, 0.5).state is state


async def test_nothing_is_sent_that_the_relay_has_not_numbered(door: Door) -> None:
    async with receiving() as receiver:
        hook = await register(door, receiver.url)
        async with door.units.begin() as unit:
            await unit.append_to("models/late", [described("one")], expected=0)
        async with delivering(door):
            assert await deliveries(door, hook["webhook"]) == []
            await number(door)
            await settled(door, hook["webhook"], 1)
