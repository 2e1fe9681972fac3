"""Provenance: an in-toto statement v1 with a SLSA predicate v1 of how a version of a model came about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from google.protobuf import json_format
from in_toto_attestation.v1.statement import STATEMENT_TYPE_URI, Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage

from pelton.contracts.canonical import canonical_json
from pelton.contracts.values import Digest
from pelton.provenance.envelopes import InvalidSignatureError, open_envelope, seal
from pelton.provenance.keys import PublicKey, SigningKey

PREDICATE_TYPE: Final = "https://slsa.dev/provenance/v1"


@dataclass(frozen=True, slots=True)
class Provenance:
    """How a version came about.

    `given` is what somebody outside decided, `resolved` what it was made from by content, `by` who recorded it, and
    `invocation` the training or run. `build_type` says how the others are to be read.
    """

    name: str
    artifact: Digest
    build_type: str
    builder: str
    invocation: str
    by: str
    finished_at: datetime
    given: Mapping[str, Any]
    internal: Mapping[str, Any] = field(default_factory=dict)
    resolved: Mapping[str, Digest] = field(default_factory=dict)


def sign_provenance(provenance: Provenance, key: SigningKey) -> bytes:
    """The statement in a DSSE envelope, as JSON."""
    document = _document(provenance)
    Statement.copy_from_pb(json_format.ParseDict(document, StatementMessage())).validate()
    return seal(canonical_json(document), key)


def verify_provenance(envelope: bytes, artifact: Digest, keys: Sequence[PublicKey]) -> Mapping[str, Any]:
    """The predicate of a statement about this artifact that one of these keys signed.

    Raises:
        InvalidSignatureError: none of the keys signed this, or it is about something else.
    """
    statement = open_envelope(envelope, keys)
    try:
        if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE_URI, PREDICATE_TYPE):
            raise InvalidSignatureError(f"it says {statement['predicateType']!r} instead of {PREDICATE_TYPE!r}")
        if _hex(artifact) not in [one["digest"]["sha256"] for one in statement["subject"]]:
            raise InvalidSignatureError(f"it is not about the artifact {artifact}")
        predicate: Mapping[str, Any] = statement["predicate"]
    except (KeyError, TypeError) as error:
        raise InvalidSignatureError("it is signed, but it is no statement of provenance") from error
    return predicate


def _document(one: Provenance) -> dict[str, Any]:
    return {
        "_type": STATEMENT_TYPE_URI,
        "subject": [{"name": one.name, "digest": {"sha256": _hex(one.artifact)}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": one.build_type,
                "externalParameters": dict(one.given),
                "internalParameters": dict(one.internal),
                "resolvedDependencies": [
                    {"name": name, "digest": {"sha256": _hex(digest)}} for name, digest in sorted(one.resolved.items())
                ],
            },
            "runDetails": {
                "builder": {"id": one.builder},
                "metadata": {"invocationId": one.invocation, "finishedOn": one.finished_at.isoformat()},
                "byproducts": [{"name": "recorded by", "annotations": {"actor": one.by}}],
            },
        },
    }


def _hex(digest: Digest) -> str:
    return digest.partition(":")[2]
