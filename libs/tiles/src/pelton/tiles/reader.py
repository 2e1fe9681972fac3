"""Reading tiles, from any process of the machine that has the store, and without ever writing."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import lmdb

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles.errors import TilesError
from pelton.tiles.features import Features, of_tiles
from pelton.tiles.plan import plan_of
from pelton.tiles.store import MAP_SIZE, TILES, LmdbTileStore, tile_key
from pelton.tiles.tiles import Ints, Series, Tiles

_READERS: Final = 512


class TileReader:
    """Reads the tiles of entities. The store may come into being later than the reader."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._environment: lmdb.Environment | None = None
        self._tiles: lmdb._Database | None = None

    @classmethod
    def over(cls, store: LmdbTileStore) -> "TileReader":
        """A reader in the writer's own process, which may not open the file a second time."""
        reader = cls(Path(store.environment.path()))
        reader._environment = store.environment
        reader._tiles = store.environment.open_db(TILES)
        return reader

    def features(self, view: FeatureViewDefinition, keys: Sequence[str], at_ms: Ints) -> Features:
        """Every feature of the view for each (entity, moment).

        Raises:
            TilesError: the store cannot be read.
        """
        return of_tiles(view, self.read(view, sorted(set(keys))), keys, at_ms)

    def read(self, view: FeatureViewDefinition, keys: Sequence[str]) -> Tiles:
        """The tiles of those entities that have some; before the store's first commit, none.

        Raises:
            TilesError: the store cannot be read.
        """
        plan = plan_of(view)
        environment = self._open()
        if environment is None:
            return Tiles.empty(plan.width)
        found: dict[str, Series] = {}
        try:
            with environment.begin(db=self._tiles) as transaction:
                for key in keys:
                    record = transaction.get(tile_key(plan.prefix, key))
                    if record is not None:
                        found[key] = Series.from_bytes(record, plan)
        except lmdb.Error as error:
            raise TilesError(f"the online store {self._folder} cannot be read: {error}") from error
        return Tiles.joined(plan.width, found)

    def _open(self) -> lmdb.Environment | None:
        if self._environment is None:
            if not (self._folder / "data.mdb").is_file():
                return None
            try:
                environment = lmdb.open(
                    str(self._folder), readonly=True, map_size=MAP_SIZE, max_dbs=8, max_readers=_READERS
                )
                self._tiles = environment.open_db(TILES, create=False)
            except lmdb.NotFoundError:
                return None
            except lmdb.Error as error:
                raise TilesError(f"the online store {self._folder} cannot be opened: {error}") from error
            self._environment = environment
        return self._environment
