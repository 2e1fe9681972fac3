"""The registry's process."""

from functools import partial
from pathlib import Path
from random import SystemRandom

from starlette.types import ASGIApp

from pelton.contracts.topics import USAGE
from pelton.eventkit.host import Service
from pelton.objects import Objects
from pelton.provenance import SigningKey
from pelton.registry import api
from pelton.registry.access.control import AccessControl
from pelton.registry.allowances import api as allowances
from pelton.registry.cards import publishing as cards
from pelton.registry.files import api as upkeep
from pelton.registry.files.collection import Collector
from pelton.registry.governance.expiry import Expiry
from pelton.registry.handlers import HANDLERS
from pelton.registry.lineage import handlers as lineage
from pelton.registry.mlflow import server
from pelton.registry.mlflow.artifacts import BODIES
from pelton.registry.mlflow.endpoints import ENDPOINTS
from pelton.registry.mlflow.front import PREFIXES, Front
from pelton.registry.mlflow.wire import Backend, dialect
from pelton.registry.settings import RegistrySettings
from pelton.registry.signing import api as signing
from pelton.registry.signing.signer import Signer
from pelton.registry.tracking.experiments import begin_with_default
from pelton.registry.tracking.pool import open_pool
from pelton.registry.tracking.times import milliseconds
from pelton.registry.usage import READER, UsageProcessor
from pelton.registry.webhooks.delivery import Deliveries
from pelton.registry.webhooks.sender import Sender


def main() -> None:
    """Run until told to stop."""
    settings = RegistrySettings()
    service = Service(
        "registry",
        settings,
        migrations=Path(__file__).parent / "migrations" / "versions",
        max_bodies={prefix + path: settings.max_file for prefix in PREFIXES for path in BODIES},
        dialects=dict.fromkeys(PREFIXES, dialect),
    )
    objects = Objects(settings.objects_url)
    service.handles(*HANDLERS, *lineage.HANDLERS, *cards.handlers(objects))
    access = AccessControl(service.engine)
    service.runs(partial(access.follow, service.dsn))
    sender = Sender(settings.webhook_allow)
    leadership = service.leads("webhooks")
    deliveries = Deliveries(service.units, access, sender, leadership, SystemRandom().random)
    service.runs(partial(leadership.lead, deliveries.run))
    service.needs_topics({USAGE: 1})
    service.reads(READER, UsageProcessor(service.units)).read([USAGE])
    signer = Signer(service.units, objects, SigningKey.load_or_create(settings.signing_key_file))
    service.runs(partial(service.leads("signing").lead, partial(signer.run, service.dsn)))
    collector = Collector(service.units, objects, settings.file_grace, settings.file_retention)
    service.runs(partial(service.leads("collection").lead, collector.run))
    service.routes(signing.router(service.units, signer.key.public, access), upkeep.router(collector))
    service.routes(allowances.router(service.units))
    deadlines = service.leads("approvals")
    service.runs(partial(deadlines.lead, Expiry(service.units, deadlines).run))
    service.routes(api.router(service.units, objects, access, sender), server.router)

    backends: list[Backend] = []

    async def open_backend() -> None:
        pool = await open_pool(service.dsn)
        service.closes(pool.close)
        await begin_with_default(pool, milliseconds(service.units.clock()))
        backends.append(Backend(service.units, pool, objects, access, sender))

    def front(app: ASGIApp) -> ASGIApp:
        return Front(app, lambda: backends[0], ENDPOINTS)

    service.starts_with(open_backend)
    service.fronted_by(front)
    service.run()


if __name__ == "__main__":
    main()
