import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from inference_models import onnx_bytes, shifted, version
from inference_process import signed

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.fact import Fact
from pelton.contracts.values import ModelVersion
from pelton.eventkit.clock import uuid7
from pelton.eventkit.envelope import Envelope, Received
from pelton.inference.routes import RouteTable
from pelton.inference.verification import PATIENCE, Signatures, SignedArtifacts, UnsignedArtifactError
from pelton.objects import CorruptObjectError, Objects
from pelton.provenance import SigningKey
from pelton.testkit import eventually

NOW = datetime(2013, 3, 1, tzinfo=UTC)
LONG_AGO = NOW - PATIENCE - timedelta(seconds=1)


class Side:
    """The table of routes with what it hears, without a broker."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.objects = Objects((folder / "objects").as_uri())
        self.key = SigningKey.load_or_create(folder / "signing.key")
        self.signatures = Signatures()
        self.caught_up = asyncio.Event()
        self.caught_up.set()
        self.artifacts = SignedArtifacts(
            self.objects, folder / "signing.pub", self.signatures, self.caught_up, lambda: NOW
        )
        self.table = RouteTable(self.artifacts)

    async def made(self, number: int) -> ModelVersion:
        artifact = onnx_bytes(3, number)
        await self.objects.put(artifact)
        return version(number, artifact)

    async def sign(self, one: ModelVersion, key: SigningKey | None = None) -> None:
        await self.signatures.see(received(await signed(self.objects, one, key or self.key)))

    async def shift(self, fact: TrafficShifted, time: datetime = LONG_AGO) -> None:
        await self.table.see(received(fact, time))

    def champion(self) -> int | None:
        route = self.table.routes.get("late")
        return None if route is None else route.champion.version.version


def received(fact: Fact, time: datetime = LONG_AGO) -> Received:  # type: ignore[type-arg] - any fact
    envelope = Envelope(
        id=uuid7(),
        owner=fact.fact_owner,
        type=fact.fact_type,
        subject="models/late",
        time=time,
        correlation_id="story",
        causation_id=None,
        actor="ann",
        stream_version=1,
        position=1,
        traceparent=None,
    )
    return Received(envelope, fact)


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    side = Side(tmp_path)
    looking = asyncio.create_task(side.table.look_again())
    yield side
    looking.cancel()


async def test_a_signed_champion_is_served(side: Side) -> None:
    one = await side.made(1)
    await side.sign(one)
    await side.shift(shifted(1, one))
    assert (side.champion(), side.table.missing()) == (1, None)


async def test_an_unsigned_champion_is_refused_and_the_former_one_stays_until_it_is_signed(side: Side) -> None:
    first, second = await side.made(1), await side.made(2)
    await side.sign(first)
    await side.shift(shifted(1, first))
    await side.shift(shifted(2, second))
    assert side.champion() == 1
    assert "was not signed by the registry" in str(side.table.missing())
    await side.sign(second)
    await eventually(lambda: side.champion() == 2)
    assert side.table.missing() is None


async def test_a_champion_that_somebody_else_signed_is_refused_until_the_key_is_believed(side: Side) -> None:
    other = SigningKey.load_or_create(side.folder / "other.key")
    one = await side.made(1)
    await side.sign(one, other)
    await side.shift(shifted(1, one))
    assert side.champion() is None
    assert f"by a key that is believed ({side.key.public.id})" in str(side.table.missing())
    with (side.folder / "signing.pub").open("ab") as keys:
        keys.write(other.public.pem)
    await side.shift(shifted(2, one))
    assert side.champion() == 1


async def test_without_a_key_nothing_is_served(side: Side) -> None:
    one = await side.made(1)
    await side.sign(one)
    (side.folder / "signing.pub").unlink()
    await side.shift(shifted(1, one))
    assert side.champion() is None
    assert "/v1/signing-key" in str(side.table.missing())


async def test_the_signature_of_another_version_is_none(side: Side) -> None:
    one, other = await side.made(1), await side.made(2)
    fact = (await signed(side.objects, one, side.key)).model_copy(update={"artifact": other.artifact.digest})
    await side.signatures.see(received(fact))
    with pytest.raises(UnsignedArtifactError, match=r"of 'model\.onnx' with the content"):
        await side.artifacts.get(other)


async def test_a_signed_artifact_that_was_changed_in_the_store_is_refused(side: Side) -> None:
    one = await side.made(1)
    await side.sign(one)
    (stored,) = (file for file in side.folder.rglob(one.artifact.digest[-10:].join("**")) if file.is_file())
    stored.write_bytes(stored.read_bytes() + b"x")
    with pytest.raises(CorruptObjectError):
        await side.artifacts.get(one)


async def test_an_unsigned_challenger_leaves_the_champion_answering(side: Side) -> None:
    first, second = await side.made(1), await side.made(2)
    await side.sign(first)
    await side.shift(shifted(1, first, second, 0.5))
    route = side.table.routes["late"]
    assert (route.challenger, "was not signed" in str(route.broken)) == (None, True)


async def test_a_new_route_waits_for_a_signature_that_is_on_its_way(side: Side) -> None:
    one = await side.made(1)
    waiting = asyncio.create_task(side.shift(shifted(1, one), NOW))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    await side.sign(one)
    await waiting
    assert side.champion() == 1


async def test_a_route_waits_until_all_older_facts_of_the_registry_were_seen(side: Side) -> None:
    side.caught_up.clear()
    one = await side.made(1)
    waiting = asyncio.create_task(side.shift(shifted(1, one)))
    for _ in range(10):
        await asyncio.sleep(0)
    assert not waiting.done()
    await side.sign(one)
    side.caught_up.set()
    await waiting
    assert side.champion() == 1
