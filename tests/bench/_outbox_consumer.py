"""The other service of the outbox benchmark: notes when the effects of each fact are committed."""

import asyncio
import json
import signal
import sys
import time
from array import array
from pathlib import Path

import uvloop
from _outbox_fact import Measured
from sqlalchemy import text

from pelton.eventkit.consumer import ControlConsumer
from pelton.eventkit.database import create_engine, migrate
from pelton.eventkit.dead_letters import Message
from pelton.eventkit.dispatch import Dispatcher
from pelton.eventkit.envelope import Received
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.publisher import KafkaPublisher
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.telemetry.tracing import configure_tracing
from pelton.eventkit.unit import UnitOfWork, Units

STATE = text("""
    INSERT INTO state (key, amount) VALUES (:key, :amount)
    ON CONFLICT (key) DO UPDATE SET amount = state.amount + EXCLUDED.amount
""")


@subscribe(Measured, id="bench.add")
async def on_measured(event: Received[Measured], unit: UnitOfWork) -> None:
    """Change one row of state."""
    await unit.connection.execute(STATE, {"key": event.envelope.subject, "amount": 1})


class NotingDispatcher(Dispatcher):
    """Notes the fact's number and the time at which its handler's transaction was committed."""

    def __init__(self, units: Units, publisher: KafkaPublisher) -> None:
        super().__init__("reader", [on_measured], units, publisher, Metrics())
        self.numbers = array("q")
        self.times = array("q")

    async def dispatch(self, message: Message) -> None:
        """Handle, then note."""
        await super().dispatch(message)
        self.times.append(time.time_ns())
        self.numbers.append(json.loads(message.value)["number"])


async def main(kafka: str, dsn: str, ready: Path, result: Path) -> None:
    """Consume until SIGTERM, then leave the notes in `result`."""
    configure_tracing("bench")
    engine = create_engine(dsn)
    await migrate(engine, [])
    async with engine.begin() as connection:
        await connection.execute(text("CREATE TABLE state (key text PRIMARY KEY, amount bigint NOT NULL)"))
    publisher = KafkaPublisher(kafka, "reader")
    dispatcher = NotingDispatcher(Units(engine, "reader"), publisher)
    consumer = ControlConsumer(kafka, "reader", dispatcher)
    await consumer.start()
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    ready.touch()
    await stop.wait()
    result.write_text(json.dumps({"numbers": dispatcher.numbers.tolist(), "times": dispatcher.times.tolist()}))
    await consumer.stop()
    await publisher.stop()
    await engine.dispose()


uvloop.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4])))
