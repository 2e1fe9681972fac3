"""Events of orders for benchmarks of taking in: 300 bytes each, of 10,000 customers, one a hundredth of a second."""

import json
import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import islice

from pelton.contracts.definitions import FeatureViewDefinition, SourceDefinition
from pelton.contracts.topics import data_topic
from pelton.eventkit.publisher import KafkaPublisher, Outgoing

CUSTOMERS = 10_000
STEP = timedelta(milliseconds=10)
SIZE = 300
AT_ONCE = 20_000


def source(name: str) -> SourceDefinition:
    """Where orders come from."""
    text, number = {"type": "string"}, {"type": "number", "minimum": 0}
    properties = {
        "order": text,
        "at": {"type": "string", "format": "date-time"},
        "customer": text,
        "country": {"type": ["string", "null"]},
        "amount": number,
        "items": {"type": "integer", "minimum": 1},
        "paid": {"type": "boolean"},
        "note": text,
    }
    schema = {"type": "object", "required": ["order", "at", "customer", "amount"], "properties": properties}
    return SourceDefinition(name=name, json_schema=schema, event_time="at", key="order", lateness="5m")


def view(name: str, of: str) -> FeatureViewDefinition:
    """How many orders a customer made in an hour, of what worth, and the dearest."""
    aggregates = [
        {"name": "orders", "function": "count", "windows": ["1h"]},
        {"name": "spent", "function": "sum", "value": "amount", "windows": ["1h"]},
        {"name": "dearest", "function": "max", "value": "amount", "windows": ["1h"]},
    ]
    content = {"name": name, "source": of, "entity": "customer", "tile": "1h", "aggregates": aggregates}
    return FeatureViewDefinition.model_validate(content)


def order(topic: str, number: int, at: datetime, customer: str, chance: random.Random) -> Outgoing:
    """The record of one order, with the headers that the SDK sends."""
    event = {
        "order": f"o{number:09d}",
        "at": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "customer": customer,
        "country": chance.choice(("DE", "FR", "JP", "US")),
        "amount": round(chance.uniform(1, 500), 2),
        "items": chance.randrange(1, 9),
        "paid": True,
        "note": "",
    }
    event["note"] = "n" * (SIZE - len(json.dumps(event)))
    headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(event["order"]).encode()),
        ("ce_source", b"/bench"),
        ("ce_type", b"pelton.data.orders"),
        ("content-type", b"application/json"),
    ]
    return Outgoing(topic, customer.encode(), headers, json.dumps(event).encode())


def orders(source: str, count: int, start: datetime, seed: int = 1) -> Iterator[Outgoing]:
    """So many orders from a moment on."""
    chance = random.Random(seed)  # noqa: S311 - data, not secrets
    topic = data_topic(source)
    for number in range(count):
        customer = f"c{chance.randrange(CUSTOMERS):05d}"
        yield order(topic, number, start + number * STEP, customer, chance)


async def publish(bootstrap: str, records: Iterator[Outgoing]) -> None:
    """Publish them all."""
    publisher = KafkaPublisher(bootstrap, "bench")
    await publisher.start()
    while some := list(islice(records, AT_ONCE)):
        await publisher.publish(some)
    await publisher.stop()
