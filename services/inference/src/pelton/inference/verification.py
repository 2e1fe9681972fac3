"""What is served was signed: artifacts by the registry's word, which is believed by a key that is kept here."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelVersionSigned
from pelton.contracts.values import Digest, ModelVersion
from pelton.eventkit.clock import Clock, utc_now
from pelton.eventkit.envelope import Received
from pelton.inference.scorer import UnusableArtifactError
from pelton.objects import Objects
from pelton.provenance import InvalidSignatureError, SigningKeyError, load_public_keys
from pelton.provenance.signatures import verify_files

PATIENCE: Final = timedelta(seconds=30)
"""How long after a route was decided the signature of a version in it may still come."""


class UnsignedArtifactError(UnusableArtifactError):
    """An artifact that nobody signed who is believed; the message says why."""


@dataclass
class Signatures:
    """Which artifacts the registry said to have signed, and where their signatures are. `more` is set by each."""

    more: asyncio.Event = field(default_factory=asyncio.Event)
    _kept: dict[Digest, Digest] = field(default_factory=dict)
    _arrived: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def see(self, event: Received[Fact]) -> None:
        """Note what was signed; other facts of the registry change nothing."""
        if isinstance(event.data, ModelVersionSigned):
            self._kept[event.data.artifact] = event.data.signature.digest
            self.more.set()
            async with self._arrived:
                self._arrived.notify_all()

    def of(self, artifact: Digest) -> Digest | None:
        """The signature of an artifact, if it was signed."""
        return self._kept.get(artifact)

    async def settled(self, artifacts: AbstractSet[Digest], seconds: float) -> None:
        """Wait until all of these were signed, and no longer than this."""
        try:
            async with asyncio.timeout(seconds), self._arrived:
                await self._arrived.wait_for(lambda: artifacts <= self._kept.keys())
        except TimeoutError:
            return


@dataclass(frozen=True)
class SignedArtifacts:
    """Artifacts that the registry signed, checked against their digest and the keys of a file before they are given.

    The keys are read anew for each artifact, so that a key can be added or taken away while the service runs. That a
    version was signed comes as a fact, on another topic than the routes: so a route must be `settled` first, for which
    `caught_up` says that all older facts were seen.
    """

    objects: Objects
    public_keys: Path
    signatures: Signatures
    caught_up: asyncio.Event
    clock: Clock = utc_now

    async def settled(self, versions: Iterable[ModelVersion], decided_at: datetime) -> None:
        """Wait until these versions were signed, or their route is older than a signature may be late."""
        await self.caught_up.wait()
        left = decided_at + PATIENCE - self.clock()
        await self.signatures.settled({one.artifact.digest for one in versions}, max(left.total_seconds(), 0))

    async def get(self, version: ModelVersion) -> bytes:
        """A version's artifact.

        Raises:
            UnsignedArtifactError: it was not signed, or by nobody who is believed.
            ObjectNotFoundError, CorruptObjectError: as `Objects.get`.
        """
        artifact = version.artifact
        kept = self.signatures.of(artifact.digest)
        if kept is None:
            raise UnsignedArtifactError(f"the artifact {artifact.digest} was not signed by the registry")
        signature = await self.objects.get(kept)
        try:
            keys = await asyncio.to_thread(load_public_keys, self.public_keys)
            verify_files(signature, {f"model.{artifact.format}": artifact.digest}, keys)
        except (InvalidSignatureError, SigningKeyError) as error:
            raise UnsignedArtifactError(f"the signature of the artifact cannot be believed: {error}") from error
        return await self.objects.get(artifact.digest)


def both(*seers: Callable[[Received[Fact]], Awaitable[None]]) -> Callable[[Received[Fact]], Awaitable[None]]:
    """Show each fact to all of them."""

    async def see(event: Received[Fact]) -> None:
        for seer in seers:
            await seer(event)

    return see
