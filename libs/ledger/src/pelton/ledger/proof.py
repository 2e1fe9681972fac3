"""Offline proofs in C2SP's text form `c2sp.org/tlog-proof@v1`: this entry is in the log that signed this checkpoint."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from pelton.ledger import checkpoint as checkpoints
from pelton.ledger import note as notes
from pelton.ledger.checkpoint import Checkpoint, SealedCheckpoint
from pelton.ledger.encoding import from_base64, from_decimal, to_base64
from pelton.ledger.errors import ProofError
from pelton.ledger.keys import VerifierKey
from pelton.ledger.merkle import HASH_BYTES, Tree, hash_leaf
from pelton.ledger.verification import verify_inclusion

_HEAD: Final = "c2sp.org/tlog-proof@v1"
_EXTRA: Final = "extra "
_INDEX: Final = "index "
_MAX_PATH: Final = 63


@dataclass(frozen=True, slots=True)
class OfflineProof:
    """An entry's index, its audit path (leaf's sibling first), and the signed checkpoint it leads to, verbatim.

    `extra` travels along but is not proven. Pelton puts the entry itself there, which the proof then vouches for.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: str
    extra: bytes = b""

    @property
    def text(self) -> str:
        """The proof as a text file, `.tlog-proof`."""
        extra = [_EXTRA + to_base64(self.extra)] if self.extra else []
        lines = [_HEAD, *extra, f"{_INDEX}{self.index}", *map(to_base64, self.path)]
        return "".join(f"{line}\n" for line in lines) + "\n" + self.checkpoint

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a proof's text; nothing of it is verified yet.

        Raises:
            ProofError: it breaks the format, naming the line.
        """
        head, blank, checkpoint = text.partition("\n\n")
        lines = head.split("\n")
        if not blank or lines.pop(0) != _HEAD:
            raise ProofError(f"A proof starts with the line {_HEAD}, and has an empty line before its checkpoint.")
        try:
            extra = from_base64(lines.pop(0).removeprefix(_EXTRA)) if lines and lines[0].startswith(_EXTRA) else None
            if extra == b"" or not lines or not lines[0].startswith(_INDEX):
                raise ProofError(f"A proof's first lines are {_HEAD}, `extra` if there is any, and `index`.")
            index = from_decimal(lines.pop(0).removeprefix(_INDEX))
            path = tuple(from_base64(line) for line in lines)
        except ValueError as error:
            raise ProofError(f"The proof cannot be read: {error}.") from error
        if len(path) > _MAX_PATH or any(len(step) != HASH_BYTES for step in path):
            raise ProofError(f"A proof's path has {_MAX_PATH} lines at most, each the base64 of {HASH_BYTES} bytes.")
        return cls(index, path, checkpoint, extra or b"")


def prove(tree: Tree, index: int, note: str, extra: bytes = b"") -> OfflineProof:
    """Make the proof of the entry at an index under a signed checkpoint of the tree's own log.

    Raises:
        ProofError: the entry is not under the checkpoint, or the checkpoint is not of this tree.
        NoteError, CheckpointError: the note is no checkpoint.
    """
    checkpoint = Checkpoint.parse(notes.split(note).text)
    calculated = tree.root(checkpoint.size)
    if calculated != checkpoint.root:
        raise ProofError(
            f"The checkpoint of {checkpoint.size} entries has root {checkpoint.root.hex()}, "
            f"but the log has {calculated.hex()}: one of them was changed."
        )
    return OfflineProof(index, tree.inclusion(index, checkpoint.size), note, extra)


def verify(
    proof: OfflineProof, entry: bytes, log: VerifierKey, witnesses: Sequence[VerifierKey] = ()
) -> SealedCheckpoint:
    """Check that an entry is in the log a key belongs to, at the proof's index, with nothing else at hand.

    Raises:
        ProofError: the entry is not what stands there.
        NoteError, CheckpointError: the checkpoint is not the log's.
    """
    sealed = checkpoints.verify(proof.checkpoint, log, witnesses)
    verify_inclusion(hash_leaf(entry), proof.index, sealed.checkpoint.size, proof.path, sealed.checkpoint.root)
    return sealed
