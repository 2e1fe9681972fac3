"""Why what a version's artifact holds may be trusted: who signed it, and who answers for it."""

from pelton.contracts.fact import Fact
from pelton.contracts.values import Artifact, Digest


class ModelVersionSigned(Fact, owner="registry"):
    """What a version is was signed by the registry's key, and so was what is known of how it came about.

    `signature` is an OpenSSF model signature over the files of `artifact`, `provenance` an in-toto statement in a DSSE
    envelope; both are in the object store.
    """

    model: str
    version: int
    artifact: Digest
    signature: Artifact
    provenance: Artifact
    key_id: str


class ArtifactAllowed(Fact, owner="registry"):
    """An administrator answers for an artifact that could run code in whoever loads it."""

    artifact: Digest
    by: str
    reason: str


class ArtifactAllowanceRevoked(Fact, owner="registry"):
    """Nobody answers for an artifact any more."""

    artifact: Digest
    by: str
    reason: str
