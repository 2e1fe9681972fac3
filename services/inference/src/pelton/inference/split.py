"""Which version answers a row: sticky by key, the same for everyone who knows the salt."""

from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

_WHOLE = float(2**64)


def to_challenger(keys: Sequence[str], salt: str, weight: float) -> NDArray[np.bool_]:
    """For each key whether the challenger answers it, shape (n,).

    A key goes to the challenger when the first 8 bytes of BLAKE2b(salt, 0x00, key), read as a big-endian fraction
    of 2**64, lie below `weight`: so a key that the challenger answers at some weight it answers at every higher one.
    """
    prefix = salt.encode() + b"\0"
    fractions = [int.from_bytes(blake2b(prefix + key.encode(), digest_size=8).digest(), "big") / _WHOLE for key in keys]
    return np.asarray(fractions, dtype=np.float64) < weight
