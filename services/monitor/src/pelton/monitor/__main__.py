"""The monitor: the one place that wires it together."""

from pathlib import Path

from pelton.contracts.topics import OUTCOMES, PREDICTIONS
from pelton.eventkit.host import Service
from pelton.eventkit.settings import PlatformSettings
from pelton.monitor.api import router
from pelton.monitor.configuration import Watch
from pelton.monitor.gateways import KafkaReach
from pelton.monitor.gauges import Gauges
from pelton.monitor.handlers import HANDLERS, PIN
from pelton.monitor.pinning import Pinning
from pelton.monitor.processor import WindowProcessor
from pelton.objects import Objects


def main() -> None:
    """Run until told to stop."""
    settings = PlatformSettings()
    service = Service("monitor", settings, migrations=Path(__file__).parent / "migrations" / "versions")
    gauges = Gauges(service.metrics.registry)
    leadership = service.leads("windows")
    processor = WindowProcessor(service.units, service.publisher, KafkaReach(settings.kafka), gauges, leadership)
    service.needs_topics({OUTCOMES: 1, PREDICTIONS: 1})
    service.handles(*HANDLERS)
    service.works({PIN: Pinning(service.units, Objects(settings.objects_url)).run})
    service.runs(Watch(service.units, service.reads("windows", processor, max_records=500, led_by=leadership)).run)
    service.routes(router(service.units, processor))
    service.run()


if __name__ == "__main__":
    main()
