"""`pelton up` with fake parts: its signals, its lock and its files are real. It starts in half a second.

`python fake_platform.py up`, with the names and kinds of the services in FAKE_SERVICES (`name:kind,name:kind`).
"""

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from fake_parts import fake

from pelton.cli import home, lifecycle
from pelton.cli.supervisor import supervisor
from pelton.cli.supervisor.part import Part
from pelton.local import LocalError


@dataclass(frozen=True)
class FakeLayout:
    home: Path
    port_base: int

    def parts(self) -> tuple[Part, ...]:
        services = [word.split(":") for word in os.environ.get("FAKE_SERVICES", "one:serve,two:serve").split(",")]
        return (
            fake(self.home, "base", port=self.port_base),
            *(
                fake(self.home, name, kind, after=("base",), port=self.port_base + place)
                for place, (name, kind) in enumerate(services, start=1)
            ),
        )


if __name__ == "__main__":
    # The small disks of the tests hold no Kafka either.
    home.MIN_FREE_BYTES = 0
    supervisor.FIRST_BACK_OFF = 0.1
    lifecycle.SUPERVISE = (sys.executable, __file__, "up")
    lifecycle.Layout = FakeLayout  # type: ignore[assignment,misc]
    try:
        lifecycle.app()
    except (home.HomeError, LocalError) as error:
        sys.exit(f"error: {error}")
