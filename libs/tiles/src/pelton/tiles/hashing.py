"""Hashes of texts and whole numbers that are the same in every process and version: they are stored, and break ties.

They are no defence against one who looks for collisions; who may publish events can write what they like anyway.
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

Hashes = NDArray[np.uint64]

_WORD: Final = 8
# The finaliser of splitmix64: Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014.
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_GOLDEN: Final = np.uint64(0x9E3779B97F4A7C15)


def mix(values: Hashes) -> Hashes:
    """A permutation of 64 bits in which each bit of the result depends on every bit of the value."""
    mixed: Hashes = (values ^ (values >> np.uint64(30))) * _FIRST
    mixed = (mixed ^ (mixed >> np.uint64(27))) * _SECOND
    return mixed ^ (mixed >> np.uint64(31))


def hash_texts(texts: pl.Series, seed: int = 0) -> Hashes:
    """A hash of 64 bits of each text's UTF-8, shape (n,); of null that of the empty text."""
    filled = texts.fill_null("")
    lengths = filled.str.len_bytes().to_numpy().astype(np.int64)
    state = mix(lengths.astype(np.uint64) * _GOLDEN + np.uint64(seed))
    if not texts.len():
        return state
    data = filled.str.join("").item().encode() + bytes(_WORD)
    starts = np.cumsum(lengths) - lengths
    # A word at each byte, whatever its alignment.
    words = np.ndarray((len(data) - _WORD + 1,), dtype="<u8", buffer=data, strides=(1,))
    for place in range(0, int(lengths.max()), _WORD):
        left = lengths - place
        rows: NDArray[np.int64] | slice = slice(None) if left.min() > 0 else np.flatnonzero(left > 0)
        unused = (_WORD - np.minimum(left[rows], _WORD)).astype(np.uint64) * np.uint64(8)
        word = words[starts[rows] + place] << unused
        state[rows] = mix((state[rows] ^ word) * _GOLDEN + _GOLDEN)
    return state


def hash_codes(codes: NDArray[np.int64], seed: int = 0) -> Hashes:
    """A hash of 64 bits of each whole number, shape (n,)."""
    return mix(codes.view(np.uint64) * _GOLDEN + np.uint64(seed))
