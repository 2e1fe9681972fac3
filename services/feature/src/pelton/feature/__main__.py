"""The feature service: the one place that wires it together."""

from functools import partial
from pathlib import Path

from pelton.eventkit.announcements import Announcements
from pelton.eventkit.clock import utc_now
from pelton.eventkit.host import Service
from pelton.eventkit.settings import PlatformSettings
from pelton.feature.access import Access
from pelton.feature.access.store import CHANNEL as ACCESS_CHANNEL
from pelton.feature.api import datasets, router
from pelton.feature.api import history as historical
from pelton.feature.api.doors import Doors
from pelton.feature.catalogue import Catalogue
from pelton.feature.catalogue.commands import Definitions
from pelton.feature.catalogue.store import CHANNEL
from pelton.feature.datasets.materializer import Materializer
from pelton.feature.datasets.queries import HistoricalFeatures
from pelton.feature.events import EventDoor
from pelton.feature.feast.errors import PREFIXES, dialect
from pelton.feature.feast.front import FeastFront
from pelton.feature.feast.materialization import Materializations
from pelton.feature.handlers import HANDLERS, works
from pelton.feature.ingest import Ingestion
from pelton.feature.offline import OfflineStore
from pelton.feature.offline.reading import OfflineReader
from pelton.feature.offline.upkeep import Upkeep, retentions
from pelton.feature.online import OnlineFeatures
from pelton.feature.quality.freshness import FreshnessWatch
from pelton.feature.quality.gate import Gate
from pelton.feature.quality.keys import StoredKeys
from pelton.feature.quality.replays import Replays
from pelton.feature.watermarks import Watermarks
from pelton.objects import Objects
from pelton.objects.files import Files
from pelton.tiles.lmdb_records import LmdbRecordStore
from pelton.tiles.reader import TileReader
from pelton.tiles.writer import TileWriter

# Tables of rows, which are larger than other bodies.
ROWS = (historical.PATH, datasets.ROWS_PATH)
MAX_ROWS = 256 * 1024 * 1024


def main() -> None:
    """Run until told to stop."""
    settings = PlatformSettings()
    service = Service(
        "feature",
        settings,
        migrations=Path(__file__).parent / "migrations" / "versions",
        dialects=dict.fromkeys(PREFIXES, dialect),
        max_bodies=dict.fromkeys(ROWS, MAX_ROWS),
    )
    objects, watermarks, catalogue = Objects(settings.objects_url), Watermarks(), Catalogue()
    access = Access(service.units, catalogue)
    tiles = TileWriter(LmdbRecordStore(settings.home / "online"))
    files = Files(settings.objects_url, settings.home / "cache" / "offline")
    offline = OfflineStore(files, service.units)
    reading_offline = OfflineReader(files, service.units)
    keys = StoredKeys(offline, reading_offline, tiles.offsets)
    gate = Gate(lambda: catalogue.validators, service.units, service.metrics, keys)
    ingestion = Ingestion(catalogue, tiles, offline, service.units, watermarks, service.metrics, gate)
    materializer = Materializer(offline, reading_offline, objects, ingestion.behind)
    history = HistoricalFeatures(catalogue, materializer, objects)
    door = EventDoor(catalogue, tiles, service.publisher, service.units)

    async def load() -> None:
        await catalogue.load(service.units, reader)
        await access.refresh()
        for name in catalogue.validators:
            watermarks.set(name, tiles.watermark(name))

    reader = service.reads_columns("ingest", ingestion)
    service.starts_with(load)
    service.runs(Announcements(service.dsn, CHANNEL, catalogue.refresh).run)
    service.runs(Announcements(service.dsn, ACCESS_CHANNEL, access.refresh).run)
    upkeep = Upkeep(files, service.units, lambda: retentions(one.definition for one in catalogue.validators.values()))
    service.runs(ingestion.run)
    service.runs(offline.run)
    service.runs(partial(service.leads("offline").lead, upkeep.run))
    freshness = FreshnessWatch(lambda: catalogue.validators, service.units)
    service.runs(partial(service.leads("freshness").lead, freshness.run))
    service.handles(*HANDLERS)
    service.works(works(service.units, catalogue, materializer, history, watermarks, access))
    reading = TileReader.over(tiles.records)
    online = OnlineFeatures(catalogue, reading)
    materializations = Materializations(settings.kafka, tiles.offsets)
    doors = Doors(
        service.units,
        catalogue,
        door,
        reading,
        watermarks,
        settings.kafka,
        utc_now,
        online,
        materializations,
        service.missing,
        Definitions(service.units, catalogue),
        history,
        objects,
        Replays(service.units, door),
        access,
        reading_offline,
    )
    service.routes(router(doors))
    service.fronted_by(lambda app: FeastFront(app, online, access, utc_now))
    service.closes(materializations.close)
    service.run()


if __name__ == "__main__":
    main()
