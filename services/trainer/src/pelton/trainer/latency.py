"""How long an artifact takes for one row, as serving asks it."""

from time import perf_counter_ns
from typing import Final

import numpy as np

from pelton.contracts.evidence import Latency
from pelton.trainer import export

ROWS: Final = 300
_WARMING_UP: Final = 50
_DIGITS: Final = 6


def measure(artifact: bytes, inputs: export.Matrix) -> Latency:
    """Score rows of a matrix [n, k] one at a time, over and over until there were `ROWS`.

    The first scores, in which the session lays out its memory, are not counted.
    """
    session = export.session(artifact)
    spent = np.empty(_WARMING_UP + ROWS)
    for turn in range(spent.size):
        row = turn % len(inputs)
        began = perf_counter_ns()
        export.run(session, inputs[row : row + 1])
        spent[turn] = perf_counter_ns() - began
    p50, p99 = np.percentile(spent[_WARMING_UP:], (50, 99)) / 1e6
    return Latency(rows=ROWS, p50_ms=float(f"{p50:.{_DIGITS}g}"), p99_ms=float(f"{p99:.{_DIGITS}g}"))
