"""The rules in memory: never older than an announcement takes, whoever changed them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from registry_door import Door
from sqlalchemy import event

from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.registry import projections
from pelton.registry.access.control import AccessControl, OnModel
from pelton.registry.access.domain import Action, Rules
from pelton.testkit import eventually

BOB = Actor("bob", Role.CONTRIBUTOR)
LATE = OnModel("late")
FREEZE = {"models": ["*"], "actions": ["write"], "reason": "frozen"}


@asynccontextmanager
async def replica(door: Door) -> AsyncIterator[AccessControl]:
    """Another replica's access control, which hears of what the door changes."""
    access = AccessControl(door.units.engine)
    dsn = door.units.engine.url.render_as_string(hide_password=False).replace("+asyncpg", "")
    following = asyncio.create_task(access.follow(dsn))
    try:
        yield access
    finally:
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following


async def may_write(access: AccessControl) -> bool:
    try:
        await access.on_model(BOB, Action.WRITE, LATE)
    except ProblemError:
        return False
    return True


async def held(access: AccessControl) -> Rules:
    """The rules, once they are kept in memory."""

    async def kept() -> bool:
        return await access.rules() is await access.rules()

    await eventually(kept)
    return await access.rules()


async def test_a_change_holds_at_once_where_it_was_made_and_soon_on_every_other_replica(door: Door) -> None:
    async with replica(door) as other:
        await held(other)
        assert await may_write(other)
        assert (await door.ask("PUT", "/restrictions/freeze", json=FREEZE)).status_code == 204
        assert not await may_write(door.access)

        async def refused() -> bool:
            return not await may_write(other)

        await eventually(refused)
        await held(other)
        await door.ask("DELETE", "/restrictions/freeze", params={"reason": "thawed"})
        await eventually(lambda: may_write(other))


async def test_while_it_hears_of_changes_a_decision_asks_the_database_nothing(door: Door) -> None:
    statements: list[str] = []
    async with replica(door) as access:
        await held(access)
        event.listen(
            door.units.engine.sync_engine, "before_cursor_execute", lambda *args: statements.append(str(args[2]))
        )
        for _ in range(3):
            assert await may_write(access)
        assert statements == []
        await door.access.rules()
        assert len(statements) == 1


async def test_who_no_longer_hears_of_changes_reads_the_rules_each_time(door: Door) -> None:
    async with replica(door) as access:
        await held(access)
        async with door.units.engine.connect() as connection:
            await connection.exec_driver_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'registry access'"
            )

        async def deaf() -> bool:
            return await access.rules() is not await access.rules()

        await eventually(deaf)
        await held(access)


async def test_rules_made_anew_from_their_facts_are_those_kept_live(door: Door) -> None:
    team = {"members": {"bob": "approver"}, "models": ["late"]}
    for path, body in (
        ("/teams/a", team),
        ("/teams/b", team),
        ("/restrictions/x", FREEZE),
        ("/restrictions/y", FREEZE),
    ):
        assert (await door.ask("PUT", path, json=body)).status_code == 204
    await door.ask("DELETE", "/teams/a")
    await door.ask("DELETE", "/restrictions/x", params={"reason": "over"})
    live = await door.access.rules(), await door.get("/teams"), await door.get("/restrictions")
    assert set(live[0].teams) == {"b"}
    assert set(live[0].restrictions) == {"y"}
    async with door.units.begin() as unit:
        await unit.connection.exec_driver_sql("UPDATE teams SET team = 'c', changed_by = 'nobody'")
        await unit.connection.exec_driver_sql("DELETE FROM restrictions")
    assert await door.access.rules() != live[0]
    async with door.units.begin() as unit:
        await projections.rebuild(unit.connection)
    assert (await door.access.rules(), await door.get("/teams"), await door.get("/restrictions")) == live
