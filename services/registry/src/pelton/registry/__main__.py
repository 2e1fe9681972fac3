"""The registry's process."""

from pathlib import Path

from pelton.eventkit.host import Service
from pelton.eventkit.settings import PlatformSettings
from pelton.objects import Objects
from pelton.registry import api
from pelton.registry.handlers import HANDLERS


def main() -> None:
    """Run until told to stop."""
    settings = PlatformSettings()
    service = Service("registry", settings, migrations=Path(__file__).parent / "migrations" / "versions")
    service.handles(*HANDLERS)
    service.routes(api.router(service.units, Objects(settings.objects_url)))
    service.run()


if __name__ == "__main__":
    main()
