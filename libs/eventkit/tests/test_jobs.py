"""A job whose worker is killed is another's at once; one that is finished stays finished."""

from counting import dsn_of, handled
from sqlalchemy import text
from starting import MakeUnits, Start

from pelton.eventkit.unit import Units
from pelton.testkit import eventually


async def attempts(units: Units) -> list[tuple[str, int]]:
    return [(effect.stream, effect.version) for effect in await handled(units.engine)]


async def finished(units: Units) -> int:
    async with units.engine.connect() as connection:
        query = text("SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL AND error IS NULL")
        return int((await connection.execute(query)).scalar_one())


async def test_a_killed_workers_job_is_run_by_another_and_no_finished_one_again(
    make_units: MakeUnits, start: Start
) -> None:
    units = await make_units("worker")
    async with units.begin() as unit:
        await unit.enqueue("count", "one", {})
        await unit.enqueue("count", "one", {})
    first = start("worker", dsn=dsn_of(units), stays=True)

    async def is_at(*expected: tuple[str, int]) -> bool:
        assert await attempts(units) == list(expected)
        return True

    await eventually(lambda: is_at(("count/one", 1)), timeout=30)
    second = start("worker", dsn=dsn_of(units))
    await eventually(lambda: second.says("looking for jobs"), timeout=30)
    assert await attempts(units) == [("count/one", 1)]
    first.kill()
    await eventually(lambda: is_at(("count/one", 1), ("count/one", 2)), timeout=5)
    await eventually(lambda: finished(units), timeout=5)

    # A further job after it: by then the finished one was looked at again, and left alone.
    async with units.begin() as unit:
        await unit.enqueue("count", "one", {})
        await unit.enqueue("count", "two", {})
    await eventually(lambda: is_at(("count/one", 1), ("count/one", 2), ("count/two", 1)), timeout=5)
