"""A job runner whose work writes down each attempt, and stays at it for good when told so."""

import asyncio

from counting import options, prepared
from sqlalchemy import text

from pelton.eventkit.jobs import Job, JobRunner

told = options()
NOTE = text("INSERT INTO handled (stream, version) VALUES (:job, :attempt)")


async def main() -> None:
    units = await prepared(told["dsn"], "worker")

    async def work(job: Job) -> None:
        async with units.begin() as unit:
            await unit.connection.execute(NOTE, {"job": job.id, "attempt": job.attempt})
        if told.get("stays"):
            await asyncio.Event().wait()

    print("looking for jobs", flush=True)  # noqa: T201 - the test waits for it
    await JobRunner(units.engine, {"count": work}).run()


asyncio.run(main())
