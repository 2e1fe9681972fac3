"""The deployer's routes: rollouts, routes, and a person's word."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Query

from pelton.contracts.deployer import Variants
from pelton.contracts.values import Name
from pelton.deployer import store
from pelton.deployer.domain.decisions import withdraw
from pelton.deployer.domain.rollout import Rollout
from pelton.deployer.recording import record
from pelton.eventkit.asgi import require
from pelton.eventkit.identity import Actor, Role
from pelton.eventkit.problems import ProblemError
from pelton.eventkit.unit import UnitOfWork, Units


def router(units: Units) -> APIRouter:
    """The deployer's own routes."""
    routes = APIRouter(prefix="/v1", tags=["rollouts"])

    @routes.get("/rollouts")
    async def rollouts(actor: Annotated[Actor, Depends(require(Role.VIEWER))]) -> list[dict[str, Any]]:  # noqa: ARG001
        """The present state of every model's rollout."""
        async with units.begin() as unit:
            names = await store.models(unit.connection)
        return [await _describe(units, name, 0) for name in names]

    @routes.get("/rollouts/{model}")
    async def rollout(
        model: Name,
        actor: Annotated[Actor, Depends(require(Role.VIEWER))],  # noqa: ARG001
        history: Annotated[int, Query(ge=0, le=500)] = 50,
    ) -> dict[str, Any]:
        """One model's rollout, its running test and its newest facts."""
        return await _describe(units, model, history)

    @routes.get("/routes/{model}")
    async def route(model: Name, actor: Annotated[Actor, Depends(require(Role.VIEWER))]) -> dict[str, Any]:  # noqa: ARG001
        """Which version answers a model's requests."""
        described = await _describe(units, model, 0)
        return {name: described[name] for name in _ROUTE}

    @routes.post("/rollouts/{model}/abort")
    async def abort(model: Name, actor: Annotated[Actor, Depends(require(Role.CONTRIBUTOR))]) -> dict[str, Any]:
        """End the trial under way; the champion stays."""
        async with units.begin(actor=actor.name) as unit:
            loaded = await _known(unit, model)
            if loaded.trial is None:
                raise ProblemError(
                    409,
                    "no-trial",
                    "Nothing to abort",
                    f"{model} has no rollout under way; see /v1/rollouts/{model} for its history",
                )
            await record(unit, loaded, withdraw(loaded, loaded.trial.challenger.version, "person"))
        return await _describe(units, model, 10)

    return routes


_ROUTE: Final = ("model", "revision", "champion", "challenger", "mode", "weight", "variants")


async def _known(unit: UnitOfWork, model: str) -> Rollout:
    rollout = await unit.load(Rollout, model)
    if rollout == Rollout.initial(model):
        raise ProblemError(
            404, "unknown-model", "No such model", f"{model!r} has no rollout yet; it needs a staged version first"
        )
    return rollout


async def _describe(units: Units, model: str, history: int) -> dict[str, Any]:
    async with units.begin() as unit:
        rollout = await _known(unit, model)
        test = await store.test_of(unit.connection, model)
        facts = await store.history(unit.connection, model, history) if history else []
    trial, bake = rollout.trial, rollout.bake
    on_route = trial if trial and not rollout.trial_waits else None
    other = bake.former if bake else on_route.challenger if on_route else None
    return {
        "model": model,
        "revision": rollout.revision,
        "mode": _mode(rollout),
        "champion": rollout.champion.version if rollout.champion else None,
        "challenger": other.version if other else None,
        "weight": on_route.weight if on_route else 0.0,
        "variants": _describe_variants(rollout.variants) if rollout.variants else None,
        "step": trial.step if trial else None,
        "steps": len(trial.plan.steps) if trial else None,
        "passed": trial.passed if trial else None,
        "test": test.evidence().model_dump(mode="json") if test else None,
        "history": facts,
    }


def _mode(rollout: Rollout) -> str:
    if rollout.bake:
        return "bake"
    if rollout.variants:
        return "variants"
    return rollout.trial.phase if rollout.trial and rollout.champion else "champion"


def _describe_variants(variants: Variants) -> dict[str, Any]:
    arms = [{"name": arm.name, "version": arm.version.version, "weight": arm.weight} for arm in variants.arms]
    return {"key": variants.key, "arms": arms}
