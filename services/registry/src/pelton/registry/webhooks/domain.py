"""Who is told of what, and what a try leads to. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import ClassVar, Final, Literal, Self

from pelton.contracts.fact import Fact
from pelton.contracts.registry import WebhookRegistered, WebhookRemoved

Format = Literal["cloudevents", "mlflow"]

TRIES: Final = 8
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(minutes=30)
GONE: Final = 410
SUCCESS: Final = range(200, 300)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a webhook wants to hear: `events` are globs over names of facts, `models` is one over names of models."""

    events: tuple[str, ...]
    models: str

    def wants(self, name: str, model: str | None) -> bool:
        """Whether it is told of what goes by this name, about this model or (None) about none."""
        about = self.models == "*" if model is None else fnmatchcase(model, self.models)
        return about and any(fnmatchcase(name, glob) for glob in self.events)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants a webhook to be; `events` and `models` are those of its subscription."""

    name: str
    url: str
    description: str
    format: Format
    events: tuple[str, ...]
    models: str
    active: bool


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as its facts tell it; None while there is none."""

    id: str
    now: WebhookRegistered | None = None

    category: ClassVar[str] = "webhooks"

    @classmethod
    def initial(cls, key: str) -> Self:
        """A webhook that nobody registered."""
        return cls(key)

    @property
    def key(self) -> str:
        """The webhook's id."""
        return self.id

    def evolve(self, fact: Fact) -> Self:
        """The webhook after one more of its facts."""
        match fact:
            case WebhookRegistered():
                return replace(self, now=fact)
            case WebhookRemoved():
                return replace(self, now=None)
            case _:
                return self


def register(webhook: Webhook, wanted: WebhookRegistered) -> Sequence[Fact]:
    """Register, or change what was registered; the same again is no news."""
    return [] if webhook.now == wanted else [wanted]


def remove(webhook: Webhook) -> Sequence[Fact]:
    """Tell no more; of one that is not there, nothing."""
    return [] if webhook.now is None else [WebhookRemoved(webhook=webhook.id)]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one try: a status of HTTP, or the reason why there is none; `response` is the body's beginning."""

    status: int | None = None
    error: str | None = None
    response: str = ""

    @property
    def delivered(self) -> bool:
        """Whether the receiver took it."""
        return self.status is not None and self.status in SUCCESS


class State(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Progress:
    """A delivery after a try: `next_at` is when it is tried again, where it is."""

    state: State
    next_at: datetime | None


def judge(outcome: Outcome, tries: int, now: datetime, draw: float) -> Progress:
    """What the outcome of try number `tries` leads to; `draw`, from 0 to 1, spreads the next one.

    Pauses double from five seconds to half an hour, each shortened by up to a half, so that receivers that failed
    together are not tried together. A receiver that says it is gone is believed.
    """
    if outcome.delivered:
        return Progress(State.DELIVERED, None)
    if tries >= TRIES or outcome.status == GONE:
        return Progress(State.DEAD, None)
    pause = min(FIRST_PAUSE * 2 ** (tries - 1), LONGEST_PAUSE)
    return Progress(State.PENDING, now + pause * (1 - draw / 2))
