"""The service's own process, the deployer's side of the bus, and clients that never stop asking."""

import asyncio
import os
import signal
import sys
import uuid
from asyncio.subprocess import Process
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from aiokafka import AIOKafkaConsumer

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.fact import Fact
from pelton.contracts.records import PredictionBatch, UsageBatch, decode_predictions, decode_usage
from pelton.contracts.registry import ModelVersionSigned
from pelton.contracts.topics import PREDICTIONS, USAGE
from pelton.contracts.values import Artifact, ModelVersion
from pelton.eventkit.envelope import Envelope
from pelton.eventkit.identity import Role, load_or_create_key, mint
from pelton.eventkit.publisher import KafkaPublisher, Outgoing
from pelton.local import ports
from pelton.objects import Objects
from pelton.provenance import SigningKey
from pelton.provenance.signatures import sign_files
from pelton.testkit import eventually


class Inference:
    """One replica, and all it needs around it but Kafka."""

    def __init__(self, home: Path, bootstrap: str) -> None:
        port_base = ports.free_block(8)
        key = load_or_create_key(home / "secrets" / "token.key")
        token = mint(key, "ann", Role.VIEWER, datetime.now(UTC), timedelta(hours=1))
        self.bootstrap = bootstrap
        self.url = f"http://127.0.0.1:{port_base + 6}"
        self.client = httpx.AsyncClient(
            base_url=self.url, headers={"authorization": f"Bearer {token}"}, trust_env=False, timeout=20
        )
        self.objects = Objects((home.resolve() / "objects").as_uri())
        self.key = SigningKey.load_or_create(home / "secrets" / "signing.key")
        self.process: Process | None = None
        self._position = 0
        self._publisher = KafkaPublisher(bootstrap, "test")
        self._environment = os.environ | {
            "PELTON_HOME": str(home),
            "PELTON_KAFKA": bootstrap,
            "PELTON_PORT_BASE": str(port_base),
            "PELTON_LOG_LEVEL": "WARNING",
        }

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "pelton.inference", env=self._environment, stdout=asyncio.subprocess.DEVNULL
        )
        await eventually(self.answers, timeout=60)

    async def answers(self) -> bool:
        assert self.process is not None
        if self.process.returncode is not None:
            raise RuntimeError(f"the service ended with {self.process.returncode}")
        with suppress(httpx.TransportError):
            return (await self.client.get("/readyz")).status_code == 200
        return False

    async def end(self, by: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(by)
        return await asyncio.wait_for(self.process.wait(), 30)

    async def close(self) -> None:
        if self.process is not None:
            await self.end(signal.SIGKILL)
        await self._publisher.stop()
        await self.client.aclose()

    async def shift(self, *facts: TrafficShifted) -> None:
        """Publish routes as the deployer's relay would."""
        await self.hears(*facts)

    async def sign(self, version: ModelVersion, key: SigningKey | None = None) -> None:
        """Sign a version and say so as the registry would."""
        await self.hears(await signed(self.objects, version, key or self.key))

    async def hears(self, *facts: Fact) -> None:
        """Publish facts about the model as their owner's relay would."""
        records = []
        for fact in facts:
            self._position += 1
            envelope = Envelope(
                id=uuid.uuid4(),
                owner=fact.fact_owner,
                type=fact.fact_type,
                subject="models/late",
                time=datetime.now(UTC),
                correlation_id="story",
                causation_id=None,
                actor="ann",
                stream_version=self._position,
                position=self._position,
                traceparent=None,
            )
            records.append(Outgoing(envelope.topic, b"late", envelope.headers(), fact.to_bytes()))
        await self._publisher.publish(records)

    async def swaps(self) -> int:
        text = (await self.client.get("/metrics")).text
        return round(
            float(next(line for line in text.splitlines() if line.startswith("pelton_route_swaps ")).split()[1])
        )

    async def infer(self, name: str, rows: int = 2, path: str = "/v2/models/late/infer") -> httpx.Response:
        return await self.client.post(path, json=request(name, rows))


def request(name: str, rows: int) -> dict[str, Any]:
    data = [(row * 7 + column) % 5 - 2 for row in range(rows) for column in range(3)]
    return {"id": name, "inputs": [{"name": "m", "shape": [rows, 3], "datatype": "FP64", "data": data}]}


async def put(inference: Inference, version: ModelVersion, artifact: bytes) -> ModelVersion:
    """Store and sign a version's artifact."""
    assert await inference.objects.put(artifact) == version.artifact.digest
    await inference.sign(version)
    return version


async def signed(objects: Objects, version: ModelVersion, key: SigningKey) -> ModelVersionSigned:
    artifact = version.artifact
    signature = await asyncio.to_thread(sign_files, version.model, {f"model.{artifact.format}": artifact.digest}, key)
    kept = Artifact(digest=await objects.put(signature), size=len(signature), format="model-signature")
    return ModelVersionSigned(
        model=version.model,
        version=version.version,
        artifact=artifact.digest,
        signature=kept,
        provenance=kept,
        key_id=key.public.id,
    )


async def used(bootstrap: str) -> UsageBatch:
    """The newest record of usage, once there is one."""
    consumer = AIOKafkaConsumer(USAGE, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:
        record = await asyncio.wait_for(consumer.getone(), 15)
        return decode_usage(record.value)
    finally:
        await consumer.stop()


async def logged(bootstrap: str, names: Sequence[str]) -> dict[str, PredictionBatch]:
    """The predictions of these requests, read from Kafka until all are there."""
    found: dict[str, PredictionBatch] = {}
    consumer = AIOKafkaConsumer(PREDICTIONS, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    try:

        async def there() -> bool:
            for records in (await consumer.getmany(timeout_ms=100)).values():
                for record in records:
                    batch = decode_predictions(record.value)
                    found[batch.id] = batch
            return set(names) <= set(found)

        await eventually(there, timeout=15)
    finally:
        await consumer.stop()
    return found
