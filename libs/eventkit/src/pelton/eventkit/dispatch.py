"""From a message to the handlers that care for it: once in effect, retried or set aside."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from time import perf_counter
from uuid import UUID

import structlog
from pydantic import ValidationError

from pelton.contracts.fact import Fact, UnknownFactError, fact_class
from pelton.eventkit import dead_letters, store
from pelton.eventkit.dead_letters import Message
from pelton.eventkit.envelope import Envelope, InvalidEnvelopeError, Received
from pelton.eventkit.failures import PermanentError, is_transient
from pelton.eventkit.handlers import Handler
from pelton.eventkit.publisher import Publisher
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import consume_span
from pelton.eventkit.unit import Units

log = structlog.get_logger(__name__)

UNREADABLE = "unreadable"
FIRST_PAUSE = 0.05
LONGEST_PAUSE = 5.0


class Dispatcher:
    """Gives each message to the handlers of its type, each in a unit of its own.

    A permanent failure goes to the dead letters and the partition goes on; a transient one is tried again until it
    passes, and what comes after it waits.
    """

    def __init__(
        self, service: str, handlers: Iterable[Handler], units: Units, publisher: Publisher, metrics: Metrics
    ) -> None:
        self._service = service
        self._units = units
        self._publisher = publisher
        self._metrics = metrics
        self._stopping = asyncio.Event()
        self._by_type: dict[str, list[Handler]] = defaultdict(list)
        self._by_id = {handler.id: handler for handler in handlers}
        for handler in self._by_id.values():
            for type_ in handler.fact.fact_types:
                self._by_type[type_].append(handler)

    @property
    def owners(self) -> set[str]:
        """The services whose facts some handler waits for."""
        return {handler.fact.fact_owner for handler in self._by_id.values()}

    def stop_repeating(self) -> None:
        """From now on a transient failure is raised, so that a stop does not wait for the failure to pass."""
        self._stopping.set()

    async def dispatch(self, message: Message) -> None:
        """Handle one message; returns when its effects are committed or it is among the dead letters.

        Raises:
            Exception: a transient failure, and only while stopping: the message must not be acknowledged.
        """
        try:
            envelope = Envelope.from_headers(message.headers)
        except InvalidEnvelopeError as error:
            reason = str(error)
            await self._until_it_passes(UNREADABLE, lambda: self._bury(UNREADABLE, message, reason, None))
            return
        handlers = self._by_type.get(envelope.type, ())
        for handler in handlers:
            await self._handle(handler, envelope, message)

    def note_lag(self, topic: str, partition: int, records: int) -> None:
        """Say how many records of a partition have not been taken yet."""
        self._metrics.consumer_lag.labels(topic, str(partition)).set(records)

    async def replay(self, letter_id: UUID) -> None:
        """Handle a dead letter again, now; the inbox is not asked.

        Raises:
            LookupError: there is no such letter, or its handler is gone.
            AlreadyReplayedError: it was replayed before.
            Exception: whatever the handler raises; the letter stays.
        """
        async with self._units.begin() as unit:
            found = await dead_letters.get(unit.connection, letter_id)
        if found is None:
            raise LookupError(f"no dead letter {letter_id}")
        handler_id, message = found
        handler = self._by_id.get(handler_id)
        if handler is None:
            raise LookupError(f"the letter's handler {handler_id!r} does not exist in this version of {self._service}")
        received = _read(Envelope.from_headers(message.headers), message)
        async with self._units.begin(cause=received.cause) as unit:
            await dead_letters.mark_replayed(unit.connection, letter_id, self._units.clock())
            await handler.call(received, unit)

    async def _handle(self, handler: Handler, envelope: Envelope, message: Message) -> None:
        with (
            structlog.contextvars.bound_contextvars(
                event_id=str(envelope.id), causation_id=envelope.causation_id, correlation_id=envelope.correlation_id
            ),
            consume_span(handler.id, message.topic, message.partition, message.offset, envelope.traceparent),
        ):
            started = perf_counter()
            try:
                outcome = await self._until_it_passes(handler.id, lambda: self._once(handler, envelope, message))
            except Exception as error:
                if is_transient(error):
                    raise
                reason = f"{type(error).__name__}: {error}"
                if not isinstance(error, PermanentError | ValidationError | UnknownFactError):
                    log.exception("handler failed", handler=handler.id)
                log.warning("message set aside", handler=handler.id, reason=reason)
                await self._until_it_passes(
                    handler.id, lambda: self._bury(handler.id, message, reason, envelope.position)
                )
                outcome = "dead_letter"
            self._metrics.handled.labels(handler.id, outcome).inc()
            self._metrics.handle_seconds.labels(handler.id).observe(perf_counter() - started)

    async def _once(self, handler: Handler, envelope: Envelope, message: Message) -> str:
        async with self._units.begin(cause=envelope.as_cause()) as unit:
            first = await store.claim(unit.connection, handler.id, message.topic, message.partition, envelope.position)
            if not first:
                return "duplicate"
            await handler.call(_read(envelope, message), unit)
            return "handled"

    async def _bury(self, handler_id: str, message: Message, reason: str, position: int | None) -> str:
        """Publish first, then record and claim: a crash in between repeats the letter, and loses none."""
        await self._publisher.publish([dead_letters.outgoing(self._service, handler_id, message, reason)])
        async with self._units.begin() as unit:
            await dead_letters.record(
                unit.connection, self._units.new_id(), handler_id, message, reason, self._units.clock()
            )
            if position is not None:
                await store.claim(unit.connection, handler_id, message.topic, message.partition, position)
        self._metrics.dead_letters.labels(handler_id).inc()
        return "dead_letter"

    async def _until_it_passes(self, handler_id: str, attempt: Callable[[], Awaitable[str]]) -> str:
        pause = FIRST_PAUSE
        while True:
            try:
                return await attempt()
            except Exception as error:
                if not is_transient(error) or self._stopping.is_set():
                    raise
                self._metrics.retries.labels(handler_id).inc()
                log.warning("will try again", handler=handler_id, reason=str(error) or type(error).__name__)
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), pause)
                pause = min(pause * 2, LONGEST_PAUSE)


def _read(envelope: Envelope, message: Message) -> Received[Fact]:
    return Received(envelope, fact_class(envelope.type).from_bytes(message.value))
