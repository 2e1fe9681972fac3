"""The deployer: the one place that wires it together."""

from pathlib import Path

from pelton.contracts.topics import OUTCOMES, PREDICTIONS
from pelton.deployer.api import router
from pelton.deployer.evidence import EvidenceProcessor
from pelton.deployer.handlers import HANDLERS
from pelton.eventkit.host import Service
from pelton.eventkit.settings import PlatformSettings


def main() -> None:
    """Run until told to stop."""
    service = Service("deployer", PlatformSettings(), migrations=Path(__file__).parent / "migrations" / "versions")
    service.handles(*HANDLERS)
    service.routes(router(service.units))
    service.needs_topics({OUTCOMES: 1, PREDICTIONS: 1})
    service.reads("evidence", EvidenceProcessor(service.units, service.metrics.registry)).read([OUTCOMES, PREDICTIONS])
    service.run()


if __name__ == "__main__":
    main()
