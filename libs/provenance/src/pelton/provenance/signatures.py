"""OpenSSF model signatures: which files a model is, by content, in a Sigstore bundle as model-signing 1.x writes it.

Who has the files and the public key verifies them with `model_signing verify key`, too.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from pelton.contracts.values import Digest
from pelton.provenance.envelopes import InvalidSignatureError, statement_of
from pelton.provenance.keys import PublicKey, SigningKey

if TYPE_CHECKING:
    from model_signing.manifest import Manifest

MEDIA_TYPE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
STATEMENT_TYPE: Final = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE: Final = "https://model_signing/signature/v1.0"
ALGORITHM: Final = "sha256"


def sign_files(name: str, files: Mapping[str, Digest], key: SigningKey) -> bytes:
    """The signature of a model that is these files, by path in its folder. The files themselves are not looked at.

    It takes most of a second to import what signs, at the first call; who verifies does without. The library's own
    front door would write the signature to a file, and take longer to delete that than to sign.
    """
    from model_signing._signing.sign_ec_key import Signer  # noqa: PLC0415 - see above
    from model_signing._signing.signing import Payload  # noqa: PLC0415

    signature = Signer(key.path).sign(Payload(_manifest(name, files)))
    return str(signature.bundle.to_json()).encode()  # type: ignore[attr-defined]


def verify_files(signature: bytes, files: Mapping[str, Digest], keys: Sequence[PublicKey]) -> None:
    """Let files pass that were signed, all of them, and nothing else with them, by one of these keys.

    Raises:
        InvalidSignatureError: none of the keys signed this, or they signed other files; the message names them.
    """
    signed = _signed_files(signature, keys)
    for path in sorted(signed.keys() | files.keys()):
        if path not in files:
            raise InvalidSignatureError(f"it is of a file {path!r}, which is not there")
        if path not in signed:
            raise InvalidSignatureError(f"it is not of the file {path!r}, which is there")
        if signed[path] != files[path]:
            raise InvalidSignatureError(f"it is of {path!r} with the content {signed[path]}, which has {files[path]}")


def _signed_files(signature: bytes, keys: Sequence[PublicKey]) -> Mapping[str, Digest]:
    try:
        bundle: Any = json.loads(signature)
        if bundle["mediaType"] != MEDIA_TYPE:
            raise InvalidSignatureError(f"it is no Sigstore bundle of the type {MEDIA_TYPE}")
        envelope = bundle["dsseEnvelope"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidSignatureError("it is no Sigstore bundle") from error
    statement = statement_of(envelope, keys)
    try:
        if (statement["_type"], statement["predicateType"]) != (STATEMENT_TYPE, PREDICATE_TYPE):
            raise InvalidSignatureError(f"it says {statement['predicateType']!r} instead of {PREDICATE_TYPE!r}")
        resources = statement["predicate"]["resources"]
        if any(one["algorithm"] != ALGORITHM for one in resources):
            raise InvalidSignatureError(f"it names a file by another digest than {ALGORITHM}")
        root = hashlib.sha256(b"".join(bytes.fromhex(one["digest"]) for one in resources)).hexdigest()
        if [one["digest"] for one in statement["subject"]] != [{ALGORITHM: root}]:
            raise InvalidSignatureError("the digest of the model is not that of its files")
        return {one["name"]: f"{ALGORITHM}:{one['digest']}" for one in resources}
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidSignatureError("it is signed, but it is no model signature") from error


def _manifest(name: str, files: Mapping[str, Digest]) -> "Manifest":
    from model_signing import manifest  # noqa: PLC0415 - as above
    from model_signing._hashing.hashing import Digest as HashDigest  # noqa: PLC0415 - its only class of digests

    kind = manifest.SerializationType.from_args({"method": "files", "hash_type": ALGORITHM, "allow_symlinks": False})
    items = [
        kind.new_item(path, HashDigest(ALGORITHM, bytes.fromhex(digest.partition(":")[2])))
        for path, digest in files.items()
    ]
    return manifest.Manifest(name, items, kind)
