"""What the policy remembers of a model: its trainings in event time, and the one under way."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Self

from pelton.contracts.fact import Fact
from pelton.contracts.trainer import (
    TrainingCompleted,
    TrainingDeferred,
    TrainingFailed,
    TrainingRequested,
    TrainingStarted,
)


@dataclass(frozen=True, slots=True)
class InFlight:
    """The training that was requested and has neither completed nor failed."""

    training_id: str
    as_of: datetime
    started: bool = False


@dataclass(frozen=True, slots=True)
class Retraining:
    """The trainings of one model: `requests` are the moments they were asked for, oldest first, in event time.

    `candidate` is the newest training if it gave a model. `deferred` holds the deferrals (kind and reason) that stand
    on record since a training last began or ended.
    """

    category: ClassVar[str] = "retraining"

    model: str
    requests: tuple[datetime, ...] = ()
    in_flight: InFlight | None = None
    candidate: str | None = None
    deferred: frozenset[tuple[str, str]] = frozenset()

    @classmethod
    def initial(cls, key: str) -> Self:
        """A model that was never trained."""
        return cls(key)

    @property
    def key(self) -> str:
        """The model."""
        return self.model

    @property
    def last_request(self) -> datetime | None:
        """The moment of the newest training, whatever came of it."""
        return self.requests[-1] if self.requests else None

    def evolve(self, fact: Fact) -> Self:
        """The state after one more fact."""
        match fact:
            case TrainingRequested():
                return replace(
                    self,
                    requests=(*self.requests, fact.trigger.moment),
                    in_flight=InFlight(fact.training_id, fact.as_of),
                    candidate=None,
                    deferred=frozenset(),
                )
            case TrainingDeferred():
                return replace(self, deferred=self.deferred | {(fact.trigger.kind, fact.reason)})
            case TrainingStarted() if self.awaits(fact.training_id) and self.in_flight is not None:
                return replace(self, in_flight=replace(self.in_flight, started=True))
            case TrainingCompleted() if self.awaits(fact.training_id):
                return replace(self, in_flight=None, candidate=fact.training_id, deferred=frozenset())
            case TrainingFailed() if self.awaits(fact.training_id):
                return replace(self, in_flight=None, deferred=frozenset())
            case _:
                return self

    def awaits(self, training_id: str) -> bool:
        """Whether this training is the one under way."""
        return self.in_flight is not None and self.in_flight.training_id == training_id
