"""C2SP tlog-checkpoints: a log's origin, size and root, as a signed note."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from pelton.ledger import note as notes
from pelton.ledger.encoding import from_base64, from_decimal, to_base64
from pelton.ledger.errors import CheckpointError
from pelton.ledger.keys import Purpose, SigningKey, VerifierKey
from pelton.ledger.merkle import EMPTY_ROOT, HASH_BYTES, MAX_SIZE

_LINES: Final = 3


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The log called `origin` had `size` entries and this Merkle root (32 bytes).

    `extensions` are opaque lines that another log's checkpoint may carry; Pelton writes none.
    """

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.size <= MAX_SIZE:
            raise CheckpointError(f"A log's size lies in 0..{MAX_SIZE}; it cannot be {self.size}.")
        if len(self.root) != HASH_BYTES:
            raise CheckpointError(f"A root is {HASH_BYTES} bytes, this is {len(self.root)}.")
        if self.size == 0 and self.root != EMPTY_ROOT:
            raise CheckpointError(f"An empty log has root {EMPTY_ROOT.hex()}, not {self.root.hex()}.")
        if any(not line or "\n" in line for line in (self.origin, *self.extensions)):
            raise CheckpointError("The origin and extension lines of a checkpoint are single lines, and not empty.")

    @property
    def text(self) -> str:
        """The note's text: origin, size, base64 root and extensions, a line each."""
        lines = (self.origin, str(self.size), to_base64(self.root), *self.extensions)
        return "".join(f"{line}\n" for line in lines)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a note's text (without its signatures).

        Raises:
            CheckpointError: it is no checkpoint, naming the line.
        """
        if not text.endswith("\n"):
            raise CheckpointError("A checkpoint's text ends in a newline.")
        lines = text[:-1].split("\n")
        if len(lines) < _LINES:
            raise CheckpointError(f"A checkpoint has an origin, a size and a root, a line each; this has {len(lines)}.")
        origin, size, root, *extensions = lines
        try:
            return cls(origin, from_decimal(size), from_base64(root), tuple(extensions))
        except ValueError as error:
            raise CheckpointError(f"The size or root of the checkpoint of {origin!r} is malformed: {error}.") from error


@dataclass(frozen=True, slots=True)
class SealedCheckpoint:
    """A checkpoint whose log's signature was verified, and the witnesses (of those asked for) who cosigned it."""

    checkpoint: Checkpoint
    witnessed: tuple[notes.Endorsement, ...]


def sign(checkpoint: Checkpoint, key: SigningKey) -> str:
    """The signed note of a checkpoint.

    The log must have checked that it extends every checkpoint signed before: a signature cannot be taken back.

    Raises:
        CheckpointError: the key's name is not the checkpoint's origin.
    """
    if key.name != checkpoint.origin:
        raise CheckpointError(f"The key of {key.name} does not sign for the log {checkpoint.origin}.")
    return notes.sign(checkpoint.text, key)


def verify(note: str, log: VerifierKey, witnesses: Sequence[VerifierKey] = ()) -> SealedCheckpoint:
    """Read a signed checkpoint of the log that a key belongs to.

    How many witnesses are enough is the caller's policy: `witnessed` names each key once.

    Raises:
        NoteError: no signed note, or a signature that is not its key's.
        CheckpointError: no checkpoint, of another log, not signed by the log itself, or keys that cannot play these
            roles: a witness must have a cosignature key, and no key may stand under two names.
    """
    _require_roles(log, witnesses)
    parts = notes.split(note)
    endorsements = notes.verify(parts, [log, *witnesses])
    checkpoint = Checkpoint.parse(parts.text)
    if checkpoint.origin != log.name:
        raise CheckpointError(f"This is a checkpoint of {checkpoint.origin!r}, not of {log.name!r}.")
    if not any(endorsement.key == log for endorsement in endorsements):
        raise CheckpointError(f"The checkpoint of {log.name} is cosigned by witnesses, but not signed by the log.")
    witnessed = {endorsement.key: endorsement for endorsement in endorsements if endorsement.key != log}
    return SealedCheckpoint(checkpoint, tuple(witnessed.values()))


def _require_roles(log: VerifierKey, witnesses: Sequence[VerifierKey]) -> None:
    if log.purpose is not Purpose.LOG or any(witness.purpose is not Purpose.WITNESS for witness in witnesses):
        raise CheckpointError("A log's key has type 01 and a witness's type 04: check which vkey was given for what.")
    # A cosignature does not commit to the witness's name: one key under two names would count as two witnesses.
    if len({key.public for key in (log, *witnesses)}) <= len(witnesses):
        raise CheckpointError("A key is given twice among log and witnesses: each must have a key of its own.")
