"""The registry's process brings its facts to a webhook: the same that are on its topic, also after it was killed."""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from webhook_receiver import receiving

from pelton import local
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.local import ports
from pelton.testkit import eventually
from pelton.testkit.peers import Program
from pelton.testkit.servers import KafkaInstance, PostgresInstance


@pytest.mark.slow
async def test_a_webhook_hears_what_is_on_the_topic_and_goes_on_after_a_crash(
    kafka_private: KafkaInstance, postgres_private: PostgresInstance, tmp_path: Path
) -> None:
    port_base = ports.free_block(8)
    database = postgres_private.database("registry").replace("+asyncpg", "")
    environment = os.environ | {
        "PELTON_HOME": str(tmp_path),
        "PELTON_KAFKA": kafka_private.bootstrap,
        "PELTON_POSTGRES": database.rpartition("/")[0],
        "PELTON_PORT_BASE": str(port_base),
        "PELTON_WEBHOOK_ALLOW": "10.0.0.0/8, 127.0.0.0/8",
    }
    url = f"http://127.0.0.1:{port_base + 1}"
    program = Program(
        "registry", [port_base + 1], [sys.executable, "-m", "pelton.registry"], environment, [f"{url}/readyz"]
    )
    key = load_or_create_key(tmp_path / "secrets" / "token.key")
    token = mint(key, "ann", Role.ADMIN, datetime.now(UTC), timedelta(hours=1))
    headers = {"authorization": f"Bearer {token}"}
    reader = AIOKafkaConsumer(bootstrap_servers=kafka_private.bootstrap, auto_offset_reset="earliest")
    async with receiving() as receiver, httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as client:
        running = local.start(program, tmp_path / "registry.log", timeout=60)
        try:
            hook = {"name": "hook", "url": receiver.url, "events": ["RegisteredModel*"]}
            secret = (await client.post("/v1/webhooks", json=hook)).json()["secret"]
            for name in ("first", "second"):
                if name == "second":
                    running.kill()
                    running = local.start(program, tmp_path / "registry.log", timeout=60)
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
            running.stop()
            await reader.stop()
    for got in receiver.got:
        assert got.signatures(secret)
        assert httpx.Response(200, content=on_topic[got.headers["webhook-id"]]).json() == got.json["data"]
