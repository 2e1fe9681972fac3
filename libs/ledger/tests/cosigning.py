"""A witness made from the words of C2SP tlog-cosignature: the library itself only verifies cosignatures."""

import base64
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pelton.ledger.keys import Purpose, VerifierKey


def witness(name: str, seed: bytes) -> VerifierKey:
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    return VerifierKey(name, public, Purpose.WITNESS)


def cosigned(note: str, name: str, seed: bytes, time: int) -> str:
    text = note.rpartition("\n\n")[0] + "\n"
    signature = Ed25519PrivateKey.from_private_bytes(seed).sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    blob = witness(name, seed).key_id + struct.pack(">Q", time) + signature
    return f"{note}— {name} {base64.b64encode(blob).decode()}\n"
