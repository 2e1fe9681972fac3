"""C2SP signed notes: a text, a blank line, and lines `— name base64(key id ‖ signature)`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from pelton.ledger.encoding import from_base64, to_base64
from pelton.ledger.errors import NoteError, SigningKeyError
from pelton.ledger.keys import Purpose, SigningKey, VerifierKey, require_name

MAX_NOTE_CHARACTERS: Final = 1_000_000
MAX_SIGNATURES: Final = 100

_KEY_ID_BYTES: Final = 4
_TIME_BYTES: Final = 8
_DASH: Final = "\N{EM DASH} "
_FORBIDDEN: Final = re.compile(r"[\x00-\x09\x0b-\x1f\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Signature:
    """A signature line as it stands, unverified; `blob` is what follows the key id."""

    name: str
    key_id: bytes
    blob: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A signed note taken apart, nothing verified yet. `text` ends in a newline."""

    text: str
    signatures: tuple[Signature, ...]


@dataclass(frozen=True, slots=True)
class Endorsement:
    """A verified signature. `time` is a witness's, in seconds since the epoch; a log's signature has none."""

    key: VerifierKey
    time: int | None


def sign(text: str, key: SigningKey) -> str:
    """The signed note of a text.

    Raises:
        NoteError: the text does not end in a newline, or has control characters.
    """
    if not text.endswith("\n") or _FORBIDDEN.search(text):
        raise NoteError("A note's text ends in a newline, and has no other control character.")
    signature = to_base64(key.verifier.key_id + key.sign(text.encode()))
    return f"{text}\n{_DASH}{key.name} {signature}\n"


def split(note: str) -> Note:
    """Take a note apart without trusting it.

    Raises:
        NoteError: it breaks a rule of the format, naming which.
    """
    if len(note) > MAX_NOTE_CHARACTERS:
        raise NoteError(f"A note of {len(note)} characters is over the limit of {MAX_NOTE_CHARACTERS}.")
    if wrong := _FORBIDDEN.search(note):
        raise NoteError(
            f"A note is Unicode text with no control character but newline; {wrong.start()} is {wrong[0]!r}."
        )
    body, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise NoteError("A note is a text, an empty line, and signature lines, each ending in a newline.")
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise NoteError(f"A note with {len(lines)} signatures is over the limit of {MAX_SIGNATURES}.")
    return Note(body + "\n", tuple(_signature(line) for line in lines))


def verify(note: Note, keys: Sequence[VerifierKey]) -> tuple[Endorsement, ...]:
    """The signatures of known keys, all verified, in the order of the note. Unknown keys are ignored.

    Raises:
        NoteError: a known key's signature is not its own (the whole note is refused), or no known key has signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    endorsements = tuple(
        _endorsement(note.text, signature, key)
        for signature in note.signatures
        if (key := known.get((signature.name, signature.key_id))) is not None
    )
    if not endorsements:
        signers = ", ".join(f"{one.name} ({one.key_id.hex()})" for one in note.signatures)
        wanted = ", ".join(f"{key.name} ({key.key_id.hex()})" for key in keys)
        raise NoteError(f"The note is signed by {signers}, but by none of the keys to trust: {wanted}.")
    return endorsements


def _signature(line: str) -> Signature:
    parts = line.removeprefix(_DASH).split(" ")
    if not line.startswith(_DASH) or len(parts) != 2:  # noqa: PLR2004 - name and signature
        raise NoteError(f"A signature line is written `{_DASH}name base64`, not {line!r}.")
    name, encoded = parts
    try:
        require_name(name)
        data = from_base64(encoded)
    except (SigningKeyError, ValueError) as error:
        raise NoteError(f"The signature line {line!r} cannot be read: {error}") from error
    if len(data) <= _KEY_ID_BYTES:
        raise NoteError(f"The signature line of {name} has {len(data)} bytes: too short for a key id and a signature.")
    return Signature(name, data[:_KEY_ID_BYTES], data[_KEY_ID_BYTES:])


def _endorsement(text: str, signature: Signature, key: VerifierKey) -> Endorsement:
    time: int | None = None
    message, proper = text.encode(), signature.blob
    if key.purpose is Purpose.WITNESS:
        time, proper = int.from_bytes(proper[:_TIME_BYTES], "big"), proper[_TIME_BYTES:]
        if time >= 2**63:
            raise NoteError(f"The cosignature of {key.name} has time {time}, which is over 2⁶³-1.")
        message = f"cosignature/v1\ntime {time}\n".encode() + message
    if not key.accepts(message, proper):
        raise NoteError(
            f"The signature of {key.name} ({key.key_id.hex()}) is not its key's: the note was changed, or forged."
        )
    return Endorsement(key, time)
