"""Which version answers a row: sticky by key, the same for everyone who knows the salt."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_WHOLE = float(2**64)


def fractions(keys: Sequence[str], salt: str) -> NDArray[np.float64]:
    """Where each key lies between 0 and 1, shape (n,).

    The first 8 bytes of BLAKE2b(salt, 0x00, key), read as a big-endian fraction of 2**64.
    """
    prefix = salt.encode() + b"\0"
    found = [int.from_bytes(blake2b(prefix + key.encode(), digest_size=8).digest(), "big") / _WHOLE for key in keys]
    return np.asarray(found, dtype=np.float64)


def to_challenger(keys: Sequence[str], salt: str, weight: float) -> NDArray[np.bool_]:
    """For each key whether the challenger answers it, shape (n,).

    It does when the key's fraction lies below `weight`: so a key that the challenger answers at some weight it answers
    at every higher one.
    """
    return fractions(keys, salt) < weight


def to_arm(keys: Sequence[str], salt: str, weights: Sequence[float]) -> NDArray[np.intp]:
    """For each key the place of the arm that answers it, shape (n,); `weights` are the arms' and add up to one.

    The arms have parts of the whole side by side, in their order. When weights change, the keys between the old and
    the new bounds of the parts change their arm, and no others: what one arm gives to its neighbour moves only that.
    """
    bounds = np.cumsum(weights)[:-1]  # the last arm has what is left, whatever the sum was rounded to
    return np.searchsorted(bounds, fractions(keys, salt), side="right")
