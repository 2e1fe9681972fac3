"""`pelton up -d` to all ready, on a fresh home and again on the same one, and what the processes hold in memory.

There is no peer; the goals are 12 s and 2 GB. Caches are warm: `make` has fetched the servers before.
"""

import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import psutil
from _platform import Platform
from _results import Row, save, spread

ROUNDS = 3
MIB = 2**20
SERVERS = ("kafka", "postgres")  # which the services wait for
FRESH, AGAIN = "a fresh home", "a second start"


def main() -> None:
    """Start and stop, three times each way."""
    seconds: dict[str, list[float]] = defaultdict(list)
    memory: dict[str, list[float]] = defaultdict(list)
    for _ in range(ROUNDS):
        with tempfile.TemporaryDirectory(prefix="pelton-bench-start-") as folder:
            platform = Platform(Path(folder))
            for how in (FRESH, AGAIN):
                try:
                    began = time.perf_counter()
                    platform.pelton("up", "--detach")
                    took = time.perf_counter() - began
                    _note(how, took, platform.status(), seconds, memory)
                finally:
                    platform.down()
    rows = [Row(case, "none", "s", spread(values)) for case, values in seconds.items()]
    rows += [Row(case, "none", "MiB", spread(values)) for case, values in memory.items()]
    save("start", rows, {})


def _note(
    how: str, took: float, status: dict[str, Any], seconds: dict[str, list[float]], memory: dict[str, list[float]]
) -> None:
    """What `pelton status` says of each part, and of the rest what it does not say."""
    parts = {part["name"]: part["seconds_to_ready"] for part in status["parts"]}
    servers = max(parts[name] for name in SERVERS)
    services = max(spent for name, spent in parts.items() if name not in SERVERS)
    seconds[f"{how}, all ready"].append(took)
    seconds[f"{how}, command line and supervisor"].append(took - servers - services)
    for name, spent in parts.items():
        seconds[f"{how}, {name} from its own start"].append(spent)
    held = {part["name"]: part["memory_bytes"] for part in status["parts"]}
    held["supervisor"] = psutil.Process(status["supervisor_pid"]).memory_full_info().pss
    for name, size in held.items():
        memory[f"memory of {name}"].append(size / MIB)
    memory["memory of all processes"].append(sum(held.values()) / MIB)


if __name__ == "__main__":
    main()
