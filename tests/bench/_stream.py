"""Publishes orders of now at a rate: `python _stream.py <bootstrap> <source> <rate>`, until it is ended.

It ends by itself, with what is wrong, when it falls a second behind.
"""

import asyncio
import itertools
import random
import sys
import time
from datetime import UTC, datetime
from typing import Final

import uvloop
from _orders import CUSTOMERS, order

from pelton.contracts.topics import data_topic
from pelton.eventkit.publisher import KafkaPublisher, Outgoing

TICK: Final = 0.01
BEHIND: Final = 1.0


async def main(bootstrap: str, source: str, rate: int) -> None:
    """Publish what is due each hundredth of a second, in one batch."""
    chance = random.Random(1)  # noqa: S311 - data, not secrets
    topic = data_topic(source)
    numbers = itertools.count()
    # Made beforehand but for what differs from order to order: the time and the numbers.
    samples = [
        order(topic, 0, datetime.now(UTC), f"c{number:05d}", chance) for number in range(0, CUSTOMERS, CUSTOMERS // 500)
    ]
    old = samples[0].value[samples[0].value.index(b'"at": "') + 7 :][:24]
    publisher = KafkaPublisher(bootstrap, "stream")
    await publisher.start()

    def now_from(sample: Outgoing, at: bytes) -> Outgoing:
        identity = b"o%09d" % next(numbers)
        value = sample.value.replace(b"o000000000", identity, 1).replace(old, at, 1)
        value = value.replace(sample.key, b"c%05d" % chance.randrange(CUSTOMERS), 1)
        headers = [(name, identity if name == "ce_id" else content) for name, content in sample.headers]
        return Outgoing(topic, sample.key, headers, value)

    began, sent = time.perf_counter(), 0
    while True:
        due = int((time.perf_counter() - began) * rate)
        if due - sent > BEHIND * rate:
            sys.exit(f"publishing fell behind {rate:,} events a second: this machine is too busy to measure")
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
        await publisher.publish([now_from(chance.choice(samples), at) for _ in range(due - sent)])
        sent = due
        await asyncio.sleep(TICK)


if __name__ == "__main__":
    uvloop.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
