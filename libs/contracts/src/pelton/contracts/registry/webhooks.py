"""Who is told about facts over HTTP."""

from pelton.contracts.fact import Fact


class WebhookRegistered(Fact, owner="registry"):
    """Somebody is told about facts over HTTP, or is told differently.

    `events` are globs over the names of facts, `models` one over models' names. Of the URL there is only the `origin`,
    and of the secrets nothing: who reads this could otherwise send what the receiver would believe.
    """

    webhook: str
    name: str
    origin: str
    events: tuple[str, ...]
    models: str
    active: bool


class WebhookRemoved(Fact, owner="registry"):
    """Nobody is told any more."""

    webhook: str
