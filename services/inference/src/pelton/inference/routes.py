"""Which versions answer which model: loaded from the deployer's facts, swapped without a request noticing."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import structlog
from numpy.typing import NDArray

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.values import ModelVersion
from pelton.eventkit.envelope import Received
from pelton.inference.scorer import Scorer, UnusableArtifactError
from pelton.inference.split import to_arm, to_challenger
from pelton.inference.verification import SignedArtifacts
from pelton.objects import CorruptObjectError, ObjectNotFoundError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Arm:
    """A version that answers a share of the keys; without a scorer it could not be loaded."""

    version: int
    weight: float
    scorer: Scorer | None


@dataclass(frozen=True, slots=True)
class Route:
    """How one model's requests are answered. `broken` says why the challenger cannot score, when it cannot.

    In the mode `variants`, the `arms` share the values of the request's field `unit`. `scorers` are all that are
    loaded, the champion first, each version once, and `versions` what they score.
    """

    model: str
    revision: int
    mode: Literal["champion", "shadow", "canary", "bake", "variants"]
    champion: Scorer
    challenger: Scorer | None
    challenger_version: int | None
    weight: float
    salt: str
    broken: str | None = None
    arms: tuple[Arm, ...] = ()
    unit: str | None = None

    scorers: tuple[Scorer, ...] = field(init=False)
    versions: tuple[ModelVersion, ...] = field(init=False)

    def __post_init__(self) -> None:
        loaded = (self.champion, self.challenger, *(arm.scorer for arm in self.arms))
        scorers = tuple({one.version.version: one for one in loaded if one is not None}.values())
        object.__setattr__(self, "scorers", scorers)
        object.__setattr__(self, "versions", tuple(one.version for one in scorers))

    @property
    def is_shared(self) -> bool:
        """Whether others than the champion may answer."""
        return self.mode in ("canary", "variants")

    def shares(self, units: Sequence[str]) -> Iterator[tuple[int, Scorer | None, NDArray[np.bool_]]]:
        """The versions beside the champion that answer rows, what scores them, and which rows, shape (n,)."""
        if self.mode == "canary" and self.challenger_version is not None:
            yield self.challenger_version, self.challenger, to_challenger(units, self.salt, self.weight)
        elif self.mode == "variants":
            places = to_arm(units, self.salt, [arm.weight for arm in self.arms])
            others = {arm.version: arm.scorer for arm in self.arms if arm.version != self.champion.version.version}
            for version, scorer in others.items():
                mine = [place for place, arm in enumerate(self.arms) if arm.version == version]
                yield version, scorer, np.isin(places, mine)

    def pinned(self, version: str) -> "Route | None":
        """The route of a client that asks for this version and no other; None when it is not loaded.

        Which rows come this way is the client's choice and not the split's: they are logged under revision 0, which
        no route ever has, and so no test counts them.
        """
        for scorer in self.scorers:
            if version == str(scorer.version.version):
                return replace(
                    self,
                    revision=0,
                    mode="champion",
                    champion=scorer,
                    challenger=None,
                    challenger_version=None,
                    weight=0.0,
                    broken=None,
                    arms=(),
                    unit=None,
                )
        return None


@dataclass
class RouteTable:
    """The route of each model. A request takes its route once, and keeps it to its end.

    `refused` holds, by model, why its newest champion cannot be served; the one before it answers meanwhile. What was
    refused is looked at again when more was signed.
    """

    artifacts: SignedArtifacts
    routes: dict[str, Route] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    swaps: int = 0
    _scorers: dict[tuple[str, int, str], Scorer] = field(default_factory=dict)
    _waiting: dict[str, Received[TrafficShifted]] = field(default_factory=dict)
    _swapping: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def see(self, event: Received[TrafficShifted]) -> None:
        """Load what a new route needs, then swap it in."""
        async with self._swapping:
            await self._swap(event)

    async def look_again(self) -> None:
        """Look at refused champions again whenever something was signed, until cancelled."""
        more = self.artifacts.signatures.more
        while True:
            await more.wait()
            more.clear()
            for event in list(self._waiting.values()):
                await self.see(event)

    async def _swap(self, event: Received[TrafficShifted]) -> None:
        fact = event.data
        present = self.routes.get(fact.model)
        if present is not None and present.revision >= fact.revision:
            return
        await self.artifacts.settled(_versions(fact), event.time)
        try:
            champion = await self._scorer(fact.champion)
        except (UnusableArtifactError, CorruptObjectError, ObjectNotFoundError) as error:
            log.warning("champion cannot be served", model=fact.model, version=fact.champion.version, reason=str(error))
            self.refused[fact.model] = f"champion {fact.champion.version} of {fact.model}: {error}"
            self._waiting[fact.model] = event
            return
        challenger, broken = await self._other(fact.challenger) if fact.challenger else (None, None)
        route = Route(
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
        if fact.variants is not None:
            arms = [
                Arm(one.version.version, one.weight, (await self._other(one.version))[0]) for one in fact.variants.arms
            ]
            shared = fact.variants
            route = replace(route, mode="variants", salt=shared.salt, arms=tuple(arms), unit=shared.key)
        self.routes[fact.model] = route
        self.refused.pop(fact.model, None)
        self._waiting.pop(fact.model, None)
        self.swaps += 1
        self._forget(fact.model)
        log.info("route swapped in", model=fact.model, revision=fact.revision, mode=route.mode)

    def missing(self) -> str | None:
        """Why the service is not ready; None when every champion can be served."""
        return "; ".join(self.refused.values()) or None

    async def _other(self, version: ModelVersion) -> tuple[Scorer | None, str | None]:
        """A version beside the champion, or why it cannot score; the champion answers for it then."""
        try:
            return await self._scorer(version), None
        except (UnusableArtifactError, CorruptObjectError, ObjectNotFoundError) as error:
            log.warning("version cannot be loaded", model=version.model, version=version.version, reason=str(error))
            return None, str(error)

    async def _scorer(self, version: ModelVersion) -> Scorer:
        key = (version.model, version.version, version.artifact.digest)
        if key not in self._scorers:
            artifact = await self.artifacts.get(version)
            self._scorers[key] = await asyncio.to_thread(Scorer.load, version, artifact)
        return self._scorers[key]

    def _forget(self, model: str) -> None:
        """Let go of versions that no route uses; a request that still holds one keeps it alive."""
        used = {id(one) for route in self.routes.values() for one in route.scorers}
        self._scorers = {key: one for key, one in self._scorers.items() if key[0] != model or id(one) in used}


def _versions(fact: TrafficShifted) -> list[ModelVersion]:
    arms = [one.version for one in fact.variants.arms] if fact.variants is not None else []
    return [one for one in (fact.champion, fact.challenger, *arms) if one is not None]
