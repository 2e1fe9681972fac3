"""Feature views as they are written in a project: definitions that can be tried without a platform."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import PrivateAttr

from pelton.contracts.definitions import EntityDefinition, FeatureViewDefinition, SourceDefinition

if TYPE_CHECKING:
    from pelton.sdk.frames import Frame, FrameT


class FeatureView(FeatureViewDefinition):
    """Windowed aggregates and latest values of one source by one entity.

    `source` and `entity` may be given as what was declared, or by name; a declared entity says what the `keys` are.
    """

    _source: SourceDefinition | None = PrivateAttr(default=None)

    def __init__(self, **declared: Any) -> None:  # noqa: ANN401 - the fields of the definition
        source, entity = declared.get("source"), declared.get("entity")
        if isinstance(source, SourceDefinition):
            declared["source"] = source.name
        if isinstance(entity, EntityDefinition):
            declared["entity"] = entity.name
            if entity.keys != (entity.name,):
                declared.setdefault("keys", entity.keys)
        super().__init__(**declared)
        self._source = source if isinstance(source, SourceDefinition) else None

    def compute(
        self,
        events: "FrameT",
        at: "datetime | str | Frame",
        *,
        known_at: datetime | str | None = None,
        event_time: str | None = None,
        arrival: str = "arrival",
        event_id: str | None = None,
    ) -> "FrameT":
        """The view's features from a table of events, as training and serving compute them.

        `at` is a moment, for every entity of the events, or a table of entities with a column `event_time`: a row of
        the result for each of its rows. With `known_at`, a moment or a column of `at`, a row knows only events that
        had arrived by then, by the column `arrival`, and of a declared source none that came later than its lateness
        allows: what serving knew at that moment. `event_time` is the column of the events' times where the source is
        given by name alone; with an `event_id`, an event whose id was there before counts for nothing.

        Raises:
            FrameError: a table lacks a column, or has one of another type.
        """
        from pelton.sdk.computing import of_view  # noqa: PLC0415 - whoever only declares needs no polars

        return of_view(
            self,
            self._source,
            events,
            at=at,
            known_at=known_at,
            event_time=event_time,
            arrival=arrival,
            event_id=event_id,
        )
