"""What is watched, as PostgreSQL has it; and taking it up when it changes."""

import asyncio
from collections import defaultdict
from importlib.metadata import version

import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.definitions import ModelDefinition, SourceDefinition
from pelton.contracts.monitor import ReferencePinned
from pelton.contracts.topics import PREDICTIONS, data_topic
from pelton.contracts.values import Evaluation
from pelton.eventkit.failures import is_transient
from pelton.eventkit.reader import PartitionReader, Records
from pelton.eventkit.unit import Units
from pelton.monitor import findings, store
from pelton.monitor.labels import join_of
from pelton.monitor.plan import Pinned, Plan

log = structlog.get_logger(__name__)

CODE_VERSION = f"pelton-monitor {version('pelton-monitor')}"
LOOK_EVERY_SECONDS = 0.5


async def load_plans(connection: AsyncConnection) -> list[Plan]:
    """The plan of every model that is watched: one with a pinned version and a known label source."""
    pinned: dict[str, dict[int, Pinned]] = defaultdict(dict)
    for row in await store.pins(connection):
        fact = ReferencePinned.model_validate(row["reference"]) if row["reference"] else None
        pinned[row["model"]][row["version"]] = Pinned(
            version=row["version"],
            threshold=row["threshold"],
            evaluation=Evaluation.model_validate(row["evaluation"]),
            reference=findings.reference_of(fact) if fact else None,
            reference_id=row["event_id"] or "",
        )
    plans = []
    for row in await store.watched(connection):
        definition = ModelDefinition.model_validate(row["definition"])
        source = SourceDefinition.model_validate(row["source"])
        plans.append(
            Plan(
                model=definition.name,
                monitor=definition.monitor,
                labels=join_of(definition.label, source),
                drift_until=row["drift_until"],
                settled_until=row["settled_until"],
                pinned=pinned[definition.name],
            )
        )
    return plans


class Watch:
    """Lets the reader begin anew when what is watched has changed: by a handler, a job or another replica."""

    def __init__(self, units: Units, reader: PartitionReader[Records]) -> None:
        self._units = units
        self._reader = reader
        self._taken_up = -1

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                await self.look()
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("configuration cannot be read", reason=str(error))
            await asyncio.sleep(LOOK_EVERY_SECONDS)

    async def look(self) -> None:
        """Take up a change, if there is one."""
        async with self._units.begin() as unit:
            revision = await store.revision(unit.connection)
            if revision == self._taken_up:
                return
            watched = await store.watched(unit.connection)
        if watched:
            sources = {row["definition"]["label"]["source"] for row in watched}
            self._reader.read([PREDICTIONS, *map(data_topic, sorted(sources))])
            self._reader.restart()
        self._taken_up = revision
