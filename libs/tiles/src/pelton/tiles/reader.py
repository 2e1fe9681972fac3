"""Reading features online, from any process that reaches the store, and without ever writing."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.tiles import latest
from pelton.tiles.addresses import (
    code_name,
    entity_name,
    latest_of,
    partition_of,
    partitions_of,
    scope_of,
    texts_at,
)
from pelton.tiles.features import Features
from pelton.tiles.few import FewRows
from pelton.tiles.finishing import Column, finish
from pelton.tiles.judging import NEVER_MS
from pelton.tiles.lmdb_records import LmdbRecordStore
from pelton.tiles.many import ManyRows
from pelton.tiles.measuring import Ints
from pelton.tiles.plan import Plan, plan_of
from pelton.tiles.records import RecordStore

FEW: Final = 8
"""Up to so many rows are faster without arrays."""


class TileReader:
    """Reads what is kept of entities. The store may come into being later than the reader."""

    def __init__(self, records: RecordStore | Path) -> None:
        """Over a store, or over that in a folder that another process writes."""
        self.records = LmdbRecordStore(records, readonly=True) if isinstance(records, Path) else records
        self._scopes: dict[tuple[bytes, bytes], bytes] = {}

    @classmethod
    def over(cls, records: RecordStore) -> "TileReader":
        """A reader in the writer's own process, which may not open the file a second time."""
        return cls(records)

    def features(self, view: FeatureViewDefinition, keys: Sequence[str], at_ms: Ints) -> Features:
        """Every feature of the view for each (entity, moment).

        Raises:
            TilesError: the store cannot be read.
        """
        plan = plan_of(view)
        scopes = self._scopes_of(plan)
        names = [entity_name(key) for key in keys]
        columns: dict[str, Column] = {}
        known = np.zeros(len(keys), np.bool_)
        newest_ms = None
        if plan.features:
            columns, known = self._windowed(plan, scopes, names, at_ms // plan.grain_ms * plan.grain_ms)
        if plan.latest:
            newest = latest.Newest(plan, at_ms.tolist())
            for scope in scopes:
                bucket = latest_of(scope)
                read = self.records.get([(bucket, name) for name in names])
                for row, record in enumerate(read):
                    if record is not None:
                        newest.see(row, record)
            picked, times = newest.columns()
            columns |= picked
            known = times != NEVER_MS
            newest_ms = np.where(known, times, -1)
        return Features(columns, known, newest_ms)

    def _scopes_of(self, plan: Plan) -> list[bytes]:
        found = []
        for name, _ in self.records.scan(partitions_of(plan.view.source)):
            key = (plan.prefix, name)
            if key not in self._scopes:
                self._scopes[key] = scope_of(plan, partition_of(name))
            found.append(self._scopes[key])
        return found

    def _windowed(
        self, plan: Plan, scopes: Sequence[bytes], names: Sequence[bytes], ends: Ints
    ) -> tuple[dict[str, Column], NDArray[np.bool_]]:
        rows: FewRows | ManyRows
        if len(names) <= FEW and not plan.slots:
            rows = FewRows(plan, names, ends.tolist())
        else:
            rows = ManyRows(plan, names, ends)
        for scope in scopes:
            rows.read(self.records, scope)

        def texts(codes: Iterable[int]) -> Mapping[int, str]:
            return self._texts(plan, scopes, ends, codes)

        found: dict[str, Column] = {}
        known = np.zeros(len(names), np.bool_)
        for window in plan.windows:
            totals, some = rows.totals(window)
            found |= finish(plan, window, totals, texts)
            known |= some
        return {feature.name: found[feature.name] for feature in plan.features}, known

    def _texts(self, plan: Plan, scopes: Sequence[bytes], ends: Ints, codes: Iterable[int]) -> Mapping[int, str]:
        """The texts that codes stand for: they are beside the nodes that the windows reach into."""
        size = plan.sizes[0]
        starts = {
            start for end in set(ends.tolist()) for start in range((end - plan.longest_ms) // size * size, end, size)
        }
        wanted = [
            (code, (texts_at(scope, start), code_name(code))) for code in codes for scope in scopes for start in starts
        ]
        read = self.records.get([address for _, address in wanted])
        return {code: text.decode() for (code, _), text in zip(wanted, read, strict=True) if text is not None}
