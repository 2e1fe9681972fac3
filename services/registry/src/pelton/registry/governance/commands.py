"""What people lay down and decide about models that exist; see `pelton.registry.commands` for what commands are.

The refusals of the domain pass through.
"""

from collections.abc import Sequence
from datetime import datetime

from pelton.contracts.definitions import StagePolicy
from pelton.contracts.evidence import Evidence
from pelton.contracts.registry import Variant
from pelton.contracts.values import Digest, Stage
from pelton.eventkit.unit import UnitOfWork
from pelton.objects import Objects
from pelton.registry import store
from pelton.registry.commands import decide, load, look, stages_of
from pelton.registry.domain import approvals, deprecation, policies, variants
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import Refusal, VersionChanged


async def set_policy(unit: UnitOfWork, name: str, stage: Stage, policy: StagePolicy | None, reason: str) -> None:
    """What versions need to enter a stage, from now on."""
    model = await stages_of(unit, name)
    await decide(unit, model, policies.set_policy(model, stage, policy, reason))


async def record_evidence(unit: UnitOfWork, name: str, number: int, evidence: Evidence) -> None:
    """What somebody measured about a version."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, policies.record_evidence(model, number, evidence, unit.actor))


async def approve(
    unit: UnitOfWork, objects: Objects, model: Model, number: int, artifact: Digest, reason: str
) -> Refusal | None:
    """A person agrees; the model is one of `stages_of`.

    What the version is now is looked at first. Is it no longer what was requested, the request is void: that is
    recorded, and so to be committed, and the refusal comes back and is not raised.
    """
    requested = model.version(number).pending
    model, seen = await look(unit, objects, model, number)
    version = model.version(number)
    if requested is not None and version.pending is None:
        return VersionChanged(
            f"{version} was {requested.artifact} when {requested.requested_by} requested it, and is "
            f"{version.artifact or 'gone'} now: every approval of it is void; request it again"
        )
    facts = approvals.approve(model, number, artifact, unit.actor, reason, unit.now(), seen)
    await decide(unit, model, facts, cause=await store.pending_cause(unit.connection, model.name, number))
    return None


async def deny(unit: UnitOfWork, model: Model, number: int, artifact: Digest, reason: str) -> None:
    """A person keeps a version out; the model is one of `stages_of`."""
    facts = approvals.deny(model, number, artifact, unit.actor, reason, unit.now())
    await decide(unit, model, facts, cause=await store.pending_cause(unit.connection, model.name, number))


async def withdraw(unit: UnitOfWork, name: str, number: int, reason: str) -> None:
    """Who requested an approval takes the request back."""
    model = await stages_of(unit, name)
    facts = approvals.withdraw(model, number, unit.actor, reason)
    await decide(unit, model, facts, cause=await store.pending_cause(unit.connection, name, number))


async def comment(unit: UnitOfWork, name: str, number: int, text: str) -> None:
    """Somebody says something about a request that waits."""
    model = (await load(unit, name)).existing()
    facts = approvals.comment(model, number, unit.actor, text)
    await decide(unit, model, facts, cause=await store.pending_cause(unit.connection, name, number))


async def expire(unit: UnitOfWork, name: str) -> None:
    """Void every request about a model that nobody decided in time."""
    model = await load(unit, name)
    await decide(unit, model, approvals.expire(model, unit.now()))


async def configure_variants(
    unit: UnitOfWork, name: str, arms: Sequence[Variant], key: str, salt: str, reason: str
) -> None:
    """Several versions answer from now on, each for a share of the keys."""
    model = await stages_of(unit, name)
    await decide(unit, model, variants.configure(model, arms, key, salt, reason))


async def end_variants(unit: UnitOfWork, name: str, reason: str) -> None:
    """The champion answers alone from now on."""
    model = await stages_of(unit, name)
    await decide(unit, model, variants.end(model, reason))


async def deprecate(
    unit: UnitOfWork, name: str, number: int | None, sunset: datetime | None, reason: str, successor: int | None
) -> None:
    """A model, or one version of it, is to be left."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, deprecation.deprecate(model, number, sunset, reason, successor, unit.now()))


async def withdraw_deprecation(unit: UnitOfWork, name: str, number: int | None, reason: str) -> None:
    """A model, or one version of it, stays after all."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, deprecation.withdraw_deprecation(model, number, reason))
