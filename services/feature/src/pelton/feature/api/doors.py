"""What the feature service's routes work on, and what several of them answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends

from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import Units
from pelton.feature.access import Access
from pelton.feature.catalogue import Catalogue
from pelton.feature.catalogue.commands import Definitions
from pelton.feature.datasets.queries import HistoricalFeatures
from pelton.feature.events import EventDoor, Verdict
from pelton.feature.feast.materialization import Materializations
from pelton.feature.offline.reading import OfflineReader
from pelton.feature.online import OnlineFeatures
from pelton.feature.quality.replays import Replays
from pelton.feature.watermarks import Watermarks
from pelton.objects import Objects
from pelton.tiles.reader import TileReader

Viewer = Annotated[Actor, Depends(require(Role.VIEWER))]
Contributor = Annotated[Actor, Depends(require(Role.CONTRIBUTOR))]


@dataclass(frozen=True, slots=True)
class Doors:
    """What the routes work on."""

    units: Units
    catalogue: Catalogue
    events: EventDoor
    tiles: TileReader
    watermarks: Watermarks
    kafka: str
    clock: Callable[[], datetime]
    online: OnlineFeatures
    materializations: Materializations
    missing: Callable[[], Awaitable[list[str]]]
    definitions: Definitions
    history: HistoricalFeatures
    objects: Objects
    replays: Replays
    access: Access
    offline: OfflineReader

    def known_source(self, name: str) -> None:
        """Check that a source is registered.

        Raises:
            ProblemError: 404, it is not.
        """
        if name not in self.catalogue.validators:
            known = ", ".join(sorted(self.catalogue.validators)) or "none yet"
            raise ProblemError(
                404, "unknown-source", "No such source", f"{name!r} is not registered; registered are: {known}"
            )


def verdict_of(verdict: Verdict) -> dict[str, Any]:
    """What became of an event, as JSON."""
    answer: dict[str, Any] = {"id": verdict.id, "status": verdict.status}
    if verdict.errors:
        answer["errors"] = [fault.told() for fault in verdict.errors]
    return answer


def time_of(milliseconds: int) -> str:
    """A moment as an RFC 3339 text."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat()
