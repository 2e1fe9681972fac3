"""Which keys a split has counted, in bounded memory. Pure."""

import zlib
from base64 import b64decode, b64encode
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

SLOT_BITS: Final = 20
_BYTES: Final = (1 << SLOT_BITS) // 8


@dataclass(frozen=True, slots=True)
class CountedKeys:
    """The keys counted so far, as a bitmap of 2**20 slots; a key has one slot, by its hash.

    A key whose slot is taken is passed over, be it the same key or another: what shares a slot has nothing to do with
    who answered and how well, so that the test stays valid, and needs 128 KiB for any number of keys. Among 100 000
    keys one in 20 is passed over, among a million one in three.
    """

    bitmap: bytes = b""

    def fresh(self, keys: Sequence[str]) -> NDArray[np.bool_]:
        """Which of these keys, each named once, were not counted before; the first of several in one slot."""
        slots = _slots(keys)
        _, first = np.unique(slots, return_index=True)
        fresh = np.zeros(len(keys), dtype=np.bool_)
        fresh[first] = True
        fresh &= (self._bytes()[slots >> 3] >> (slots & 7) & 1) == 0
        return fresh

    def with_keys(self, keys: Sequence[str]) -> Self:
        """The keys counted as well."""
        slots = _slots(keys)
        taken = self._bytes().copy()
        np.bitwise_or.at(taken, slots >> 3, (1 << (slots & 7)).astype(np.uint8))
        return replace(self, bitmap=taken.tobytes())

    def to_text(self) -> str:
        """The bitmap as JSON can say it; `from_text` gives the same back."""
        return b64encode(zlib.compress(self.bitmap)).decode()

    @classmethod
    def from_text(cls, text: str) -> Self:
        """What `to_text` wrote."""
        return cls(zlib.decompress(b64decode(text)))

    def _bytes(self) -> NDArray[np.uint8]:
        return np.frombuffer(self.bitmap or bytes(_BYTES), dtype=np.uint8)


def _slots(keys: Sequence[str]) -> NDArray[np.int64]:
    # Not the hash that draws the arms: those who share a slot would then share an arm.
    hashes = b"".join(blake2b(key.encode(), digest_size=8, person=b"pelton.counted").digest() for key in keys)
    return (np.frombuffer(hashes, dtype=">u8") >> np.uint64(64 - SLOT_BITS)).astype(np.int64)
