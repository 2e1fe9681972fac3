"""What may ask for a training: how far the data has come, and what the monitor found."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pelton.contracts.definitions import ModelDefinition, seconds
from pelton.contracts.monitor import DataDriftDetected, PerformanceDegraded, moment
from pelton.contracts.trainer import Trigger
from pelton.trainer.domain.retraining import Retraining

_DAY = timedelta(days=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Advance:
    """How far a source has come, by the fact `event_id`."""

    watermark: datetime
    first_event: datetime
    event_id: str

    @property
    def midnight(self) -> datetime:
        """The midnight (UTC) that the watermark passed.

        Timers and datasets go by it: the watermark itself depends on how the records fell into batches.
        """
        return _EPOCH + (self.watermark - _EPOCH) // _DAY * _DAY


def due(
    policy: Retraining, definition: ModelDefinition, advance: Advance, *, champion: bool, archived: str | None
) -> Trigger | None:
    """The timer that the advance of the model's source sets off, if any.

    Without a champion, `first`: once `first_after` of history has arrived and had the time to be labelled; after an
    attempt that gave no champion, again each `cooldown`. An attempt whose version may still be promoted is waited for:
    `archived` is the training whose version was archived last. With a champion, `new_data` after so much event time
    since the last training, and `schedule` when a multiple of it (from 1970) was passed since then.
    """
    now, last, triggers = advance.midnight, policy.last_request, definition.triggers
    if not champion:
        ready = advance.first_event + _span(triggers.first_after) + _span(definition.label.delay)
        rested = last is None or now >= last + _span(triggers.cooldown)
        pending = policy.in_flight is not None or policy.candidate not in {None, archived}
        if not pending and now >= ready and rested:
            return _timer(
                "first", advance, f"{triggers.first_after} of labelled history since {advance.first_event.isoformat()}"
            )
        return None
    if triggers.new_data is not None and (last is None or now - last >= _span(triggers.new_data)):
        return _timer("new_data", advance, f"{triggers.new_data} of new data")
    every = triggers.schedule
    if every is not None and (last is None or _turn(now, every) > _turn(last, every)):
        return _timer("schedule", advance, f"every {every}")
    return None


def from_drift(definition: ModelDefinition, fact: DataDriftDetected, event_id: str) -> Trigger | None:
    """A drift asks for a training as of the end of its last window, where the definition says so."""
    if not definition.triggers.on_drift:
        return None
    window = fact.windows[-1]
    drifted = ", ".join(feature.feature for feature in window.features if feature.drifted)
    return Trigger(
        kind="drift", moment=moment(fact), event_id=event_id, detail=f"version {fact.version} drifted in {drifted}"
    )


def from_degradation(definition: ModelDefinition, fact: PerformanceDegraded, event_id: str) -> Trigger | None:
    """A degradation asks for a training as of the end of its last window, where the definition says so."""
    if not definition.triggers.on_degradation:
        return None
    brier = fact.windows[-1].evaluation.brier
    return Trigger(
        kind="degradation",
        moment=moment(fact),
        event_id=event_id,
        detail=f"version {fact.version} degraded to a Brier score of {brier}",
    )


def _timer(kind: str, advance: Advance, detail: str) -> Trigger:
    return Trigger.model_validate(
        {"kind": kind, "moment": advance.midnight, "event_id": advance.event_id, "detail": detail}
    )


def _span(duration: str) -> timedelta:
    return timedelta(seconds=seconds(duration))


def _turn(instant: datetime, period: str) -> int:
    return (instant - _EPOCH) // _span(period)
