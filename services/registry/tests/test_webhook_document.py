"""What the guide to webhooks and events tells a reader to write works."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from registry_door import envelope

from pelton.contracts.registry import ModelDescribed, ModelPromoted
from pelton.eventkit.envelope import Headers
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.registry.webhooks.messages import Told, cloudevent
from pelton.registry.webhooks.signature import secret_of, standard_headers
from pelton.testkit.servers import KafkaInstance
from pelton.testkit.topics import create_topics

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "webhooks-and-events.md"
NOW = int(datetime(2013, 3, 1, tzinfo=UTC).timestamp())


def written(function: str) -> Any:  # noqa: ANN401 - a function of the guide's
    (block,) = (body for body in re.findall(r"```python\n(.*?)```", GUIDE.read_text(), re.DOTALL) if function in body)
    names: dict[str, Any] = {}
    exec(block, names)  # noqa: S102 - that it can be run is what is tested
    return names[function]


def test_the_guides_verification_knows_a_message_from_a_forged_an_old_and_a_rotated_one() -> None:
    is_genuine = written("is_genuine")
    secret, former, foreign = (secret_of(bytes([number]) * 32) for number in range(3))
    body = b'{"a": "\xc3\xa4"}'
    headers = standard_headers([secret, former], "m1", NOW, body)
    for known, said, at, genuine in (
        (secret, body, NOW, True),
        (former, body, NOW + 299, True),
        (foreign, body, NOW, False),
        (secret, body + b" ", NOW, False),
        (secret, body, NOW + 301, False),
    ):
        assert is_genuine(known, headers, said, at) is genuine
    assert not is_genuine(secret, {**headers, "webhook-id": "m2"}, body, NOW)


def test_the_guides_example_has_the_attributes_that_messages_have() -> None:
    (example,) = re.findall(r"```json\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    fact = ModelPromoted(model="fraud-eu", version=3, previous=2, details=None)
    message = cloudevent(Told(envelope(fact, 1), fact.to_bytes()))
    keys = set(re.findall(r'"(\w+)":', message.body.decode())) | {"causationid"}
    assert keys == set(re.findall(r'"(\w+)":', example))
    assert fact.fact_type in example


async def test_the_guides_reader_of_the_topic_sees_each_fact_once(kafka: KafkaInstance, unique: str) -> None:
    await create_topics(kafka.bootstrap, {unique: 1})
    publisher = KafkaPublisher(kafka.bootstrap, "tests")
    await publisher.start()
    described = [ModelDescribed(model="late", description=str(number)) for number in range(3)]
    records: list[tuple[Headers, bytes]] = [
        (envelope(described[number], number + 1).headers(), described[number].to_bytes()) for number in (0, 0, 1, 0, 2)
    ]
    await publisher.publish([Outgoing(unique, b"models/late", headers, value) for headers, value in records])
    await publisher.stop()
    seen: list[tuple[Mapping[str, str], bytes]] = []
    reading = written("facts")(kafka.bootstrap, unique)
    async for attributes, data in reading:
        seen.append((attributes, data))
        if len(seen) == len(described):
            break
    await reading.aclose()
    assert [data for _, data in seen] == [fact.to_bytes() for fact in described]
    assert {attributes["ce_type"] for attributes, _ in seen} == {ModelDescribed.fact_type}
