"""Which versions answer which model: loaded from the deployer's facts, swapped without a request noticing."""

import asyncio
from dataclasses import dataclass, field, replace
from typing import Literal

import structlog

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.values import ModelVersion
from pelton.eventkit.envelope import Received
from pelton.inference.scorer import Scorer, UnusableArtifactError
from pelton.objects import CorruptObjectError, ObjectNotFoundError, Objects

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """How one model's requests are answered. `broken` says why the challenger cannot score, when it cannot."""

    model: str
    revision: int
    mode: Literal["champion", "shadow", "canary", "bake"]
    champion: Scorer
    challenger: Scorer | None
    challenger_version: int | None
    weight: float
    salt: str
    broken: str | None = None

    @property
    def versions(self) -> list[ModelVersion]:
        """The versions that score, the champion first."""
        return [one.version for one in (self.champion, self.challenger) if one is not None]

    def pinned(self, version: str) -> "Route | None":
        """The route of a client that asks for this version and no other; None when it is not loaded.

        Which rows come this way is the client's choice and not the split's: they are logged under revision 0, which
        no route ever has, and so no test counts them.
        """
        for scorer in (self.champion, self.challenger):
            if scorer is not None and version == str(scorer.version.version):
                return replace(
                    self,
                    revision=0,
                    mode="champion",
                    champion=scorer,
                    challenger=None,
                    challenger_version=None,
                    weight=0.0,
                    broken=None,
                )
        return None


@dataclass
class RouteTable:
    """The route of each model. A request takes its route once, and keeps it to its end.

    `refused` holds, by model, why its newest champion cannot be served; the one before it answers meanwhile.
    """

    objects: Objects
    routes: dict[str, Route] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    swaps: int = 0
    _scorers: dict[tuple[str, int, str], Scorer] = field(default_factory=dict)

    async def see(self, event: Received[TrafficShifted]) -> None:
        """Load what a new route needs, then swap it in."""
        fact = event.data
        present = self.routes.get(fact.model)
        if present is not None and present.revision >= fact.revision:
            return
        try:
            champion = await self._scorer(fact.champion)
        except (UnusableArtifactError, CorruptObjectError, ObjectNotFoundError) as error:
            log.warning("champion cannot be served", model=fact.model, version=fact.champion.version, reason=str(error))
            self.refused[fact.model] = f"champion {fact.champion.version} of {fact.model}: {error}"
            return
        challenger, broken = None, None
        if fact.challenger is not None:
            try:
                challenger = await self._scorer(fact.challenger)
            except (UnusableArtifactError, CorruptObjectError, ObjectNotFoundError) as error:
                broken = str(error)
                log.warning(
                    "challenger cannot be loaded", model=fact.model, version=fact.challenger.version, reason=broken
                )
        self.routes[fact.model] = Route(
            model=fact.model,
            revision=fact.revision,
            mode=fact.mode,
            champion=champion,
            challenger=challenger,
            challenger_version=fact.challenger.version if fact.challenger else None,
            weight=fact.weight,
            salt=fact.salt,
            broken=broken,
        )
        self.refused.pop(fact.model, None)
        self.swaps += 1
        self._forget(fact.model)
        log.info("route swapped in", model=fact.model, revision=fact.revision, mode=fact.mode)

    def missing(self) -> str | None:
        """Why the service is not ready; None when every champion can be served."""
        return "; ".join(self.refused.values()) or None

    async def _scorer(self, version: ModelVersion) -> Scorer:
        key = (version.model, version.version, version.artifact.digest)
        if key not in self._scorers:
            artifact = await self.objects.get(version.artifact.digest)
            self._scorers[key] = await asyncio.to_thread(Scorer.load, version, artifact)
        return self._scorers[key]

    def _forget(self, model: str) -> None:
        """Let go of versions that no route uses; a request that still holds one keeps it alive."""
        used = {id(one) for route in self.routes.values() for one in (route.champion, route.challenger) if one}
        self._scorers = {key: one for key, one in self._scorers.items() if key[0] != model or id(one) in used}
