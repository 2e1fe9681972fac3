"""The service host: what every service's process is made of, so that its `__main__` only says what is its own."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop
from fastapi import APIRouter, FastAPI
from sqlalchemy import text
from starlette.types import ASGIApp

from pelton.contracts.topics import CONTROL_OWNERS, control_topic, dead_letter_topic
from pelton.eventkit import operations
from pelton.eventkit.asgi import Authentication, BodyLimit, Dialect, Observation
from pelton.eventkit.consumer import ControlConsumer
from pelton.eventkit.database import create_engine, ensure_database, migrate
from pelton.eventkit.dispatch import Dispatcher
from pelton.eventkit.failures import is_transient
from pelton.eventkit.handlers import Handler
from pelton.eventkit.identity import TokenVerifier, load_key
from pelton.eventkit.jobs import JobRunner, Work
from pelton.eventkit.leadership import Leadership
from pelton.eventkit.problems import install_problem_handlers
from pelton.eventkit.publisher import KafkaPublisher
from pelton.eventkit.reader import PartitionReader, Processor, RecordColumns, Records
from pelton.eventkit.relay import Relay
from pelton.eventkit.settings import PlatformSettings
from pelton.eventkit.tail import Tail
from pelton.eventkit.telemetry.logging import configure_logging
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import configure_tracing
from pelton.eventkit.topics import ensure_topics
from pelton.eventkit.unit import Units

log = structlog.get_logger(__name__)

MAX_BODY = 16 * 1024 * 1024


@dataclass
class Parts:
    """What a service gave the host to run, besides its handlers."""

    jobs: dict[str, Work] = field(default_factory=dict)
    readers: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    tails: list[Tail] = field(default_factory=list)
    background: list[Callable[[], Coroutine[Any, Any, None]]] = field(default_factory=list)
    topics: dict[str, int] = field(default_factory=dict)
    ready: list[Callable[[], str | None]] = field(default_factory=list)
    starting: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    closing: list[Callable[[], Awaitable[None]]] = field(default_factory=list)


class _Server(uvicorn.Server):
    """A server whose signals are the host's: it stops the consumers first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals alone."""
        yield


class Service:
    """One service: its database, its relay, its consumers and its HTTP door, started and stopped together.

    A composition root makes one, hands it handlers, routes, readers and jobs, and calls `run`. A `stateless` one has
    no database, and so no facts, handlers or jobs of its own. `max_bodies` and `dialects` are by the beginning of a
    path: limits in bytes other than `max_body`, and how problems are written there.
    """

    def __init__(
        self,
        name: str,
        settings: PlatformSettings,
        *,
        migrations: Path | None = None,
        stateless: bool = False,
        max_body: int = MAX_BODY,
        max_bodies: Mapping[str, int] | None = None,
        dialects: Mapping[str, Dialect] | None = None,
    ) -> None:
        self.name = name
        self.settings = settings
        self.stateless = stateless
        self.metrics = Metrics()
        self.dsn = settings.database(name)
        self.engine = create_engine(self.dsn)
        self.units = Units(self.engine, name)
        self.publisher = KafkaPublisher(settings.kafka, f"pelton-{name}")
        self.app = FastAPI(title=f"Pelton {name}", version=version(f"pelton-{name}"))
        install_problem_handlers(self.app)
        self._migrations = migrations
        self._max_body = max_body
        self._max_bodies = max_bodies
        self._dialects = dialects
        self._handlers: list[Handler] = []
        self._parts = Parts()
        self._front: Callable[[ASGIApp], ASGIApp] = lambda app: app
        self._relay_publisher = KafkaPublisher(settings.kafka, f"pelton-{name}-relay")
        self._relay = Relay(self.dsn, name, self._relay_publisher, self.metrics)
        self._job_runner: JobRunner | None = None
        self._stopping = asyncio.Event()

    def handles(self, *handlers: Handler) -> None:
        """React to facts of other services."""
        self._handlers.extend(handlers)

    def routes(self, *routers: APIRouter) -> None:
        """Answer under these routes."""
        for router in routers:
            self.app.include_router(router)

    def fronted_by(self, front: Callable[[ASGIApp], ASGIApp]) -> None:
        """Put a raw ASGI application before the routes: it answers its hot paths and passes the rest on."""
        self._front = front

    def works(self, jobs: Mapping[str, Work]) -> None:
        """Run the jobs of these kinds."""
        self._parts.jobs.update(jobs)

    def wake_jobs(self) -> None:
        """Look for jobs now: call it after a unit that enqueued some has committed."""
        if self._job_runner is not None:
            self._job_runner.wake()

    def needs_topics(self, partitions: Mapping[str, int]) -> None:
        """Create these topics, with so many partitions, before anything starts."""
        self._parts.topics.update(partitions)

    def leads(self, work: str) -> Leadership:
        """The leadership over work that one process of the service does at a time."""
        return Leadership(self.dsn, f"{self.name}.{work}", self.metrics)

    def reads(
        self, name: str, processor: Processor[Records], *, max_records: int = 2000, led_by: Leadership | None = None
    ) -> PartitionReader[Records]:
        """Read high-volume topics; `PartitionReader.read` says which, also while the service runs.

        With a leadership, the process that has it reads every partition, and the others none.
        """
        reader = PartitionReader.of_records(
            self.settings.kafka,
            f"pelton.{self.name}.{name}",
            processor,
            self.metrics,
            max_records=max_records,
            shared=led_by is None,
        )
        self._parts.readers.append(reader.run if led_by is None else partial(led_by.lead, reader.run))
        return reader

    def reads_columns(self, name: str, processor: Processor[RecordColumns]) -> PartitionReader[RecordColumns]:
        """Read topics of so many records that an object for each would cost too much, as `reads` does otherwise."""
        group = f"pelton.{self.name}.{name}"
        reader = PartitionReader.of_columns(self.settings.kafka, group, processor, self.metrics)
        self._parts.readers.append(reader.run)
        return reader

    def follows(self, tail: Tail) -> None:
        """Follow a control topic from its beginning; the service is ready once it has caught up."""
        self._parts.tails.append(tail)
        self._parts.ready.append(lambda: None if tail.caught_up.is_set() else "has not caught up with its tail")

    def runs(self, background: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Keep this running as long as the service does."""
        self._parts.background.append(background)

    def ready_when(self, check: Callable[[], str | None]) -> None:
        """A further condition of readiness: None when met, else what is missing."""
        self._parts.ready.append(check)

    def starts_with(self, start: Callable[[], Awaitable[None]]) -> None:
        """Call this once the database is there, before anything is read or answered."""
        self._parts.starting.append(start)

    def closes(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call this when the last request is answered and the last message handled, before the readers stop."""
        self._parts.closing.append(close)

    def run(self) -> None:
        """Run until SIGTERM or SIGINT: finish what is under way, commit, leave the groups."""
        configure_logging(self.name, self.settings.log_level)
        configure_tracing(self.name)
        uvloop.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stopping.set)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self.engine.dispose)
            await self._prepare()
            for start in self._parts.starting:
                await start()
            await self._serve(stack)
        log.info("stopped")

    async def _prepare(self) -> None:
        """Database, schema and topics; waits for parts of the platform that are still starting."""
        pause = 0.1
        while True:
            try:
                if not self.stateless:
                    await ensure_database(self.dsn)
                    await migrate(self.engine, [self._migrations] if self._migrations else [])
                partitions = dict.fromkeys(map(control_topic, CONTROL_OWNERS), self.settings.control_partitions)
                await ensure_topics(
                    self.settings.kafka, partitions | {dead_letter_topic(self.name): 1} | self._parts.topics
                )
            except Exception as error:
                if not is_transient(error) or self._stopping.is_set():
                    raise
                log.warning("waiting for the platform", reason=str(error) or type(error).__name__)
                await asyncio.sleep(pause)
                pause = min(pause * 2, 2.0)
            else:
                return

    async def _serve(self, stack: AsyncExitStack) -> None:
        await self.publisher.start()
        stack.push_async_callback(self.publisher.stop)
        stack.push_async_callback(self._relay_publisher.stop)
        dispatcher = Dispatcher(self.name, self._handlers, self.units, self.publisher, self.metrics)
        consumer = ControlConsumer(self.settings.kafka, self.name, dispatcher)
        self.app.include_router(operations.router(self, dispatcher))

        work: list[tuple[str, Coroutine[Any, Any, None]]] = []
        if not self.stateless:
            work.append(("relay", self._relay.run()))
        work += [("reader", read()) for read in self._parts.readers]
        work += [("tail", tail.run()) for tail in self._parts.tails]
        work += [("background", background()) for background in self._parts.background]
        if self._parts.jobs:
            self._job_runner = JobRunner(self.engine, self._parts.jobs)
            work.append(("jobs", self._job_runner.run()))
        tasks = [asyncio.create_task(coroutine, name=name) for name, coroutine in work]
        await consumer.start()
        server = self._http()
        tasks.append(asyncio.create_task(server.serve(), name="http"))
        log.info("started", port=self.settings.port(self.name))

        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({*tasks, stopping}, return_when=asyncio.FIRST_COMPLETED)
        log.info("stopping")
        await consumer.stop()
        server.should_exit = True
        await asyncio.wait([task for task in tasks if task.get_name() == "http"])
        for close in self._parts.closing:
            await close()
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        stopping.cancel()
        with suppress(asyncio.CancelledError):
            await stopping
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, asyncio.CancelledError):
                raise result

    def _http(self) -> uvicorn.Server:
        app: ASGIApp = self._front(self.app)
        app = Authentication(app, TokenVerifier(load_key(self.settings.key_file)))
        app = BodyLimit(app, self._max_body, self._max_bodies)
        app = Observation(app, self.metrics, self._dialects)
        config = uvicorn.Config(
            app,
            host=self.settings.host,
            port=self.settings.port(self.name),
            http="httptools",
            loop="none",
            log_config=None,
            access_log=False,
            lifespan="off",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=15,
        )
        return _Server(config)

    async def missing(self) -> list[str]:
        """What still keeps the service from being ready; empty when it is."""
        reasons = [reason for check in self._parts.ready if (reason := check()) is not None]
        if self.stateless:
            return reasons
        try:
            async with self.engine.connect() as connection:
                await connection.execute(text("SELECT 1"))
        except Exception as error:
            if not is_transient(error):
                raise
            reasons.append("PostgreSQL does not answer")
        return reasons
