"""The form of a benchmark's result file."""

import json
import platform
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import psutil

Spread = tuple[float, float, float]


@dataclass(frozen=True)
class Row:
    """One case; `ours` and `theirs` are minimum, median and maximum. A ratio over 1: Pelton is ahead by that factor."""

    case: str
    peer: str
    unit: str
    ours: Spread
    theirs: Spread | None = None
    ratio: float | None = None

    @classmethod
    def rate(cls, case: str, ours: Sequence[float], peer: str = "none", theirs: Sequence[float] = ()) -> "Row":
        """A rate per second, where more is better."""
        ratio = statistics.median(ours) / statistics.median(theirs) if theirs else None
        return cls(case, peer, "1/s", spread(ours), spread(theirs) if theirs else None, ratio)

    @classmethod
    def cost(
        cls, case: str, unit: str, ours: Sequence[float], peer: str = "none", theirs: Sequence[float] = ()
    ) -> "Row":
        """A time or a size, where less is better."""
        ratio = statistics.median(theirs) / statistics.median(ours) if theirs else None
        return cls(case, peer, unit, spread(ours), spread(theirs) if theirs else None, ratio)


def spread(values: Sequence[float]) -> Spread:
    """Minimum, median and maximum."""
    return min(values), statistics.median(values), max(values)


def save(name: str, rows: Sequence[Row], versions: Mapping[str, str]) -> None:
    """Write `bench-results/<name>.json` and print the rows."""
    machine = {"cores": psutil.cpu_count(), "platform": platform.platform()}
    known = {"python": platform.python_version(), **{each: version(each) for each in ("asyncpg", "aiokafka")}}
    report = {"machine": machine, "versions": known | dict(versions), "rows": [asdict(row) for row in rows]}
    target = Path("bench-results") / f"{name}.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(json.dumps(report, indent=2) + "\n")
    for row in rows:
        theirs = f"  {row.peer} {row.theirs[1]:,.2f}  ratio {row.ratio:.2f}" if row.theirs and row.ratio else ""
        print(f"{row.case:55} {row.ours[1]:12,.2f} {row.unit}  [{row.ours[0]:,.2f} .. {row.ours[2]:,.2f}]{theirs}")
    print(f"written to {target}")
