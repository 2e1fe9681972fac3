"""The rules at hand: kept in memory while changes are heard of, and asked for where access is decided."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import asyncpg
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from pelton.eventkit.failures import is_transient
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.registry.access import store
from pelton.registry.access.domain import Action, Resource, Rules, Verdict
from pelton.registry.access.labels import Labels

log = structlog.get_logger(__name__)

RETRY_SECONDS = 1.0
LOOK_EVERY_SECONDS = 5.0
ANSWER_WITHIN_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class OnModel:
    """What is to be done to a model: to `version`, or to the one that `alias` names, or to the model itself.

    `tag` is the tag that is set or taken away (then without a value). To delete a model is to delete its versions.
    """

    name: str
    version: int | None = None
    alias: str | None = None
    tag: tuple[str, str | None] | None = None

    def resource(self, action: Action, labels: Labels) -> Resource:
        """The resource with all that a rule may depend on."""
        if action is Action.DELETE and self.version is None:
            return labels.everything(self.name)
        held = None if self.alias is None else labels.named(self.name, self.alias)
        versions = {version for version in (self.version, held) if version is not None}
        found = labels.version(self.name, *versions) if versions else labels.model(self.name)
        return found.changing(tag=self.tag, alias=self.alias)


def check(verdict: Verdict) -> None:
    """Let an allowed action pass.

    Raises:
        ProblemError: 403, with the verdict's words.
    """
    if not verdict.allowed:
        raise ProblemError(403, "forbidden", "You may not do this", verdict.because)


class AccessControl:
    """Decides who may do what, by the rules in force.

    While it hears of changes (`follow`), a decision costs no query. While it does not, as in the seconds after the
    database came back, the rules are read for each decision: they are never older than an announcement takes.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._listening = False
        self._changes = 0
        self._kept: Rules | None = None

    async def rules(self, connection: AsyncConnection | None = None) -> Rules:
        """The rules in force; a caller who has a connection lends it, as they may have to be read."""
        if self._kept is not None:
            return self._kept
        seen = self._changes
        if connection is None:
            async with self._engine.connect() as own:
                found = await store.rules(own)
        else:
            found = await store.rules(connection)
        if self._listening and seen == self._changes:
            self._kept = found
        return found

    async def on_model(
        self,
        actor: Actor,
        action: Action,
        change: OnModel,
        *,
        needed: Role | None = None,
        connection: AsyncConnection | None = None,
    ) -> None:
        """Let the actor do this to a model or to versions of it; what rules depend on is read where one does.

        `needed` is the role where it is not the action's usual one. A caller who has a connection lends it.

        Raises:
            ProblemError: 403, saying which role is missing, or the reason of the restriction.
        """
        rules = await self.rules(connection)
        if actor.may(Role.ADMIN) or not rules.restricts("model", action):
            resource = Resource("model", change.name)
        elif connection is None:
            async with self._engine.connect() as own:
                resource = change.resource(action, await Labels.of(own, [change.name]))
        else:
            resource = change.resource(action, await Labels.of(connection, [change.name]))
        check(rules.decide(actor, action, resource, needed))

    def forget(self) -> None:
        """Read the rules again: they have changed, or may have."""
        self._changes += 1
        self._kept = None

    async def follow(self, dsn: str) -> None:
        """Hear of changes that any replica makes, until cancelled; ride out a database that restarts."""
        while True:
            try:
                await self._listen(dsn)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("access rules are read each time", reason=str(error) or type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)

    async def _listen(self, dsn: str) -> None:
        connection = await asyncpg.connect(dsn, server_settings={"application_name": "registry access"})
        gone = asyncio.Event()

        def end(*_: object) -> None:
            self._listening = False
            self.forget()
            gone.set()

        try:
            connection.add_termination_listener(end)
            await connection.add_listener(store.CHANNEL, lambda *_: self.forget())
            self._listening = True
            while not gone.is_set():
                # a peer that vanished without a word ends no connection: it is asked whether it is there
                await asyncio.wait_for(connection.execute("SELECT 1"), ANSWER_WITHIN_SECONDS)
                with suppress(TimeoutError):
                    await asyncio.wait_for(gone.wait(), LOOK_EVERY_SECONDS)
        finally:
            end()
            with suppress(Exception):
                await connection.close(timeout=2)
