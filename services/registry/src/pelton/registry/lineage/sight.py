"""What of the graph somebody may see: what they may not read is there, and nothing is told of it."""

from collections.abc import Collection
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.eventkit.identity import Actor, Role
from pelton.registry.access.control import AccessControl, check
from pelton.registry.access.domain import Action, Verdict
from pelton.registry.access.labels import Labels, Named, experiments
from pelton.registry.lineage.graph import Key, Kind


@dataclass(frozen=True, slots=True)
class Sight:
    """One actor's view of the graph, by the restrictions in force."""

    access: AccessControl
    actor: Actor

    async def refused(self, connection: AsyncConnection, keys: Collection[Key]) -> dict[Key, Verdict]:
        """Those of the nodes that the actor may not read: versions of restricted models, runs of experiments."""
        rules = await self.access.rules(connection)
        if self.actor.may(Role.ADMIN):
            return {}
        verdicts: dict[Key, Verdict] = {}
        if rules.restricts("model", Action.READ):
            versions = {key: key.id.rpartition("@") for key in keys if key.kind is Kind.VERSION}
            labels = await Labels.of(connection, {model for model, _, _ in versions.values()})
            for key, (model, _, number) in versions.items():
                verdicts[key] = rules.decide(self.actor, Action.READ, labels.version(model, int(number)))
        if rules.restricts("experiment", Action.READ):
            for key in keys:
                if key.kind is Kind.RUN:
                    for resource in await experiments(connection, Named(runs=[key.id])):
                        verdicts[key] = rules.decide(self.actor, Action.READ, resource)
        return {key: verdict for key, verdict in verdicts.items() if not verdict.allowed}

    async def must_see(self, connection: AsyncConnection, key: Key) -> None:
        """Let the actor read a node.

        Raises:
            ProblemError: 403, with the reason.
        """
        for verdict in (await self.refused(connection, [key])).values():
            check(verdict)
