"""A consumer that adds amounts, and can kill itself in the handler or between the commit and the acknowledgement."""

import asyncio

from counting import add, counted, die_once, options, prepared

from pelton.eventkit.consumer import ControlConsumer
from pelton.eventkit.dead_letters import Message
from pelton.eventkit.dispatch import Dispatcher
from pelton.eventkit.envelope import Received
from pelton.eventkit.handlers import subscribe
from pelton.eventkit.publisher import KafkaPublisher
from pelton.eventkit.telemetry.metrics import Metrics
from pelton.eventkit.unit import UnitOfWork

told = options()
Counted = counted(told["owner"])


@subscribe(Counted, id="tests.add")
async def on_counted(event: Received[Counted], unit: UnitOfWork) -> None:
    await add(event, unit)
    if event.data.amount == told.get("dies_in_handler_of"):
        die_once(told["marker"])


class DyingDispatcher(Dispatcher):
    """Kills the process when the effects of a message are committed and its offset is not."""

    handled = 0

    async def dispatch(self, message: Message) -> None:
        await super().dispatch(message)
        self.handled += 1
        if self.handled == told.get("dies_after_handling"):
            die_once(told["marker"])


async def main() -> None:
    units = await prepared(told["dsn"], told["service"])
    publisher = KafkaPublisher(told["kafka"], "consumer")
    dispatcher = DyingDispatcher(told["service"], [on_counted], units, publisher, Metrics())
    await ControlConsumer(told["kafka"], told["service"], dispatcher).start()
    await asyncio.Event().wait()


asyncio.run(main())
