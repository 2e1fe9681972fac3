"""The audit service's process."""

from pathlib import Path

from pelton.audit.api import router
from pelton.audit.archive import Archive
from pelton.audit.keys import load_or_generate
from pelton.audit.sealer import Sealer
from pelton.audit.sequencer import Sequencer
from pelton.audit.settings import AuditSettings
from pelton.audit.store import begin
from pelton.audit.tree import LogTree
from pelton.contracts.topics import CONTROL_OWNERS, control_topic
from pelton.eventkit.host import Service


def main() -> None:
    """Run until told to stop."""
    settings = AuditSettings()
    key = load_or_generate(settings.audit_key, settings.audit_vkey, settings.origin)
    service = Service("audit", settings, migrations=Path(__file__).parent / "migrations" / "versions")
    tree = LogTree()
    sealer = Sealer(service.units, key, Archive(settings.archive), tree)

    async def start() -> None:
        async with service.units.begin() as unit:
            await begin(unit.connection)

    service.starts_with(start)
    service.reads("sequencer", Sequencer(service.units)).read([control_topic(owner) for owner in CONTROL_OWNERS])
    service.runs(sealer.run)
    service.ready_when(lambda: sealer.forked)
    service.routes(router(service.units, key.verifier, tree, settings.kafka))
    service.run()


if __name__ == "__main__":
    main()
