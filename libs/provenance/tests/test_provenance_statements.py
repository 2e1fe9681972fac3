import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1.statement_pb2 import Statement as StatementMessage
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from pelton.contracts.canonical import sha256
from pelton.provenance import InvalidSignatureError, SigningKey
from pelton.provenance.envelopes import seal
from pelton.provenance.statements import Provenance, sign_provenance, verify_provenance

ARTIFACT, DATASET = sha256(b"model"), sha256(b"dataset")
PROVENANCE = Provenance(
    name="late v1",
    artifact=ARTIFACT,
    build_type="urn:pelton:training:v1",
    builder="urn:pelton:trainer",
    invocation="late-1",
    by="service:registry",
    finished_at=datetime(2013, 3, 1, tzinfo=UTC),
    given={"seed": 2**60, "parameters": {"leaves": 7, "rate": 0.1}},
    internal={"python": "3.11.9"},
    resolved={"dataset": DATASET, "code": sha256(b"code")},
)


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return SigningKey.load_or_create(tmp_path / "signing.key")


def test_a_statement_says_what_went_into_the_artifact_and_to_the_last_digit(key: SigningKey) -> None:
    predicate = verify_provenance(sign_provenance(PROVENANCE, key), ARTIFACT, (key.public,))
    build = predicate["buildDefinition"]
    assert build["externalParameters"] == {"seed": 2**60, "parameters": {"leaves": 7, "rate": 0.1}}
    assert build["resolvedDependencies"] == [
        {"name": "code", "digest": {"sha256": sha256(b"code")[7:]}},
        {"name": "dataset", "digest": {"sha256": DATASET[7:]}},
    ]
    assert predicate["runDetails"]["metadata"]["finishedOn"] == "2013-03-01T00:00:00+00:00"


def test_the_reference_implementations_read_the_envelope_and_the_statement(key: SigningKey) -> None:
    envelope = Envelope.from_dict(json.loads(sign_provenance(PROVENANCE, key)))
    public = SSlibKey.from_crypto(load_pem_public_key(key.public.pem), keyid=key.public.id)
    assert list(envelope.verify([public], 1)) == [key.public.id]
    statement = Statement.copy_from_pb(json_format.Parse(envelope.payload, StatementMessage()))
    statement.validate()
    assert statement.pb.predicate_type == "https://slsa.dev/provenance/v1"


def test_a_statement_about_another_artifact_is_refused(key: SigningKey) -> None:
    with pytest.raises(InvalidSignatureError, match="not about the artifact"):
        verify_provenance(sign_provenance(PROVENANCE, key), DATASET, (key.public,))


def test_a_statement_by_another_key_is_refused(key: SigningKey, tmp_path: Path) -> None:
    other = SigningKey.load_or_create(tmp_path / "other.key")
    with pytest.raises(InvalidSignatureError, match=key.public.id):
        verify_provenance(sign_provenance(PROVENANCE, other), ARTIFACT, (key.public,))


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"_type": "https://in-toto.io/Statement/v1"}', b"\xff"])
def test_what_is_signed_and_no_provenance_is_refused(key: SigningKey, payload: bytes) -> None:
    with pytest.raises(InvalidSignatureError):
        verify_provenance(seal(payload, key), ARTIFACT, (key.public,))


def test_a_signature_of_one_kind_of_statement_is_not_one_of_the_other(key: SigningKey) -> None:
    about_files = {
        "_type": "https://in-toto.io/Statement/v1",
        "predicateType": "https://model_signing/signature/v1.0",
        "subject": [{"digest": {"sha256": ARTIFACT[7:]}}],
        "predicate": {},
    }
    with pytest.raises(InvalidSignatureError, match="instead of"):
        verify_provenance(seal(json.dumps(about_files).encode(), key), ARTIFACT, (key.public,))
