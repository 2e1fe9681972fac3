"""The registry's process brings its facts to a webhook: the same that are on its topic, also after it was killed."""

from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from webhook_receiver import receiving

from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, eventually


@pytest.mark.slow
async def test_a_webhook_hears_what_is_on_the_topic_and_goes_on_after_a_crash(
    kafka_private: KafkaInstance, postgres_private: PostgresInstance, tmp_path: Path
) -> None:
    allowed = "10.0.0.0/8, 127.0.0.0/8"
    registry = ServiceInstance("registry", tmp_path, kafka_private, postgres_private, webhook_allow=allowed)
    reader = AIOKafkaConsumer(bootstrap_servers=kafka_private.bootstrap, auto_offset_reset="earliest")
    async with receiving() as receiver, registry.client() as client:
        registry.start()
        try:
            hook = {"name": "hook", "url": receiver.url, "events": ["RegisteredModel*"]}
            secret = (await client.post("/v1/webhooks", json=hook)).json()["secret"]
            for name in ("first", "second"):
                if name == "second":
                    registry.crash()
                    registry.start()
                made = await client.post("/api/2.0/mlflow/registered-models/create", json={"name": name})
                assert made.status_code == 200, made.text
                await eventually(
                    lambda name=name: name in [got.json["data"]["model"] for got in receiver.got], timeout=30
                )
            await reader.start()
            reader.assign([TopicPartition("pelton.registry", number) for number in range(2)])
            on_topic: dict[str, bytes] = {}

            async def both_there() -> bool:
                for records in (await reader.getmany(timeout_ms=100)).values():
                    on_topic.update({dict(one.headers)["ce_id"].decode(): one.value for one in records})
                return {got.headers["webhook-id"] for got in receiver.got} <= set(on_topic)

            await eventually(both_there, timeout=30)
        finally:
            registry.stop()
            await reader.stop()
    for got in receiver.got:
        assert got.signatures(secret)
        assert httpx.Response(200, content=on_topic[got.headers["webhook-id"]]).json() == got.json["data"]
