"""What is asked of webhooks, and what is answered."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pelton.registry.webhooks.domain import Format, State

# PostgreSQL has no text with a zero character in it
Text = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=r"^[^\x00]+$")]
Url = Annotated[str, StringConstraints(min_length=1, max_length=2000)]
Description = Annotated[str, StringConstraints(max_length=2000, pattern=r"^[^\x00]*$")]
Events = Annotated[list[Text], Field(min_length=1, max_length=100)]


class _Command(BaseModel):
    model_config = ConfigDict(extra="forbid")


class WebhookBody(_Command):
    """Where to send which facts: `events` are globs over names of facts, `models` is one over names of models."""

    name: Text
    url: Url
    description: Description = ""
    events: Events
    models: Text = "*"
    active: bool = True


class WebhookChange(_Command):
    """What is to be different."""

    name: Text | None = None
    url: Url | None = None
    description: Description | None = None
    events: Events | None = None
    models: Text | None = None
    active: bool | None = None


class WebhookAnswer(BaseModel):
    """A webhook. Its whole `url` is shown to its owner and to administrators."""

    webhook: UUID
    name: str
    origin: str
    url: str | None
    description: str
    format: Format
    events: list[str]
    models: str
    active: bool
    owner: str
    created_at: datetime
    changed_at: datetime


class Created(WebhookAnswer):
    """A new webhook with its secret, which is shown this once."""

    secret: str


class Secret(BaseModel):
    """A new secret, which is shown this once; until `former_until` the former one signs as well."""

    secret: str
    former_until: datetime


class WebhooksPage(BaseModel):
    """Webhooks, oldest first."""

    webhooks: list[WebhookAnswer]
    next_page: str | None


class Tried(BaseModel):
    """What came of a try: the receiver's status and the beginning of its answer, or why there is none."""

    delivered: bool
    status: int | None
    error: str | None
    response: str


class Delivery(BaseModel):
    """One fact on its way to a webhook; `next_at` is when it is tried again."""

    event_id: UUID
    position: int
    type: str
    state: State
    tries: int
    created_at: datetime
    next_at: datetime | None
    tried_at: datetime | None
    status: int | None
    error: str | None
    response: str


class DeliveriesPage(BaseModel):
    """Deliveries, newest first."""

    deliveries: list[Delivery]
    next_page: str | None
