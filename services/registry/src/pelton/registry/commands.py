"""What people, clients and the loop tell the registry to do with a model: load it, decide, record.

Each command runs in the caller's unit and commits with it. It waits for whoever changes the same model at the time,
so that of many clients that log versions at once each gets a number. Only stages are not queued for (`stages_of`).
The refusals of the domain pass through.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pelton.contracts.fact import Fact
from pelton.contracts.registry import ApprovalRequested
from pelton.contracts.values import Stage
from pelton.eventkit import driver
from pelton.eventkit.clock import uuid7
from pelton.eventkit.envelope import Cause
from pelton.eventkit.unit import UnitOfWork
from pelton.objects import Objects
from pelton.registry.catalogue import folds, store
from pelton.registry.catalogue.contents import artifact_at, see
from pelton.registry.domain import catalogue, transitions, variants
from pelton.registry.domain.catalogue import Draft
from pelton.registry.domain.model import Model
from pelton.registry.domain.policies import NOTHING, Seen
from pelton.registry.domain.refusals import ConcurrentChange, ModelExists
from pelton.registry.lineage.graph import Key
from pelton.registry.lineage.queries import dependents
from pelton.registry.projections import record
from pelton.registry.store import row


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of a wish to move a version: its stage now, and the request that waits where persons must agree."""

    stage: Stage
    pending: ApprovalRequested | None

    def __str__(self) -> str:
        if self.pending is None:
            return f"the version is in {self.stage}"
        one = self.pending
        persons = "one person" if one.count == 1 else f"{one.count} different persons"
        team = f" of the team {one.team}" if one.team else ""
        return (
            f"{one.model} v{one.version} enters {one.to_stage} when {persons} with the role {one.role}{team}, other "
            f"than {one.requested_by}, agreed: the request is on record and waits (see /v1/approvals)"
        )


async def load(unit: UnitOfWork, name: str) -> Model:
    """The model that has this name now, in the state that the command decides on; others that change it wait.

    Where there is none, it is one that nobody registered.
    """
    found = await driver.fetch_row(unit.connection, store.LOCK_MODEL, {"model": name})
    return await folds.load(unit, name if found is None else found["key"])


async def stages_of(unit: UnitOfWork, name: str) -> Model:
    """The existing model for a person's word about its stages.

    Raises:
        UnknownModel: there is none.
        ConcurrentChange: somebody else's word is being recorded; this one was said without knowing of it.
    """
    held = await row(unit.connection, store.LOCK_STAGES, model=name)
    if held is None or not held["first"]:
        raise ConcurrentChange(f"somebody else changes the stages of {name} right now; look at it again, then decide")
    return (await load(unit, name)).existing()


async def create_model(
    unit: UnitOfWork, name: str, *, description: str = "", tags: Mapping[str, str] | None = None
) -> Model:
    """A name for versions that others log.

    Raises:
        InvalidName: a model, or a tag, cannot be called that.
        ModelExists: one is already.
    """
    model = await named(unit, name)
    return await decide(unit, model, catalogue.create(model, name, description, tags))


async def rename_model(unit: UnitOfWork, name: str, to: str) -> Model:
    """Another name for a model; whatever was recorded of it stays with it, and the old name is free.

    Raises:
        UnknownModel, InvalidName, DeclaredModel: see `domain.catalogue.rename`.
        ModelExists: another one is called that.
    """
    model = (await load(unit, name)).existing()
    facts = catalogue.rename(model, to)
    if facts:
        await unit.connection.execute(store.LOCK_NAME, {"model": to})
        if await row(unit.connection, store.LOCK_MODEL, model=to) is not None:
            raise ModelExists(f"a model {to!r} exists already; choose another name for {name}")
    return await decide(unit, model, facts)


async def describe_model(unit: UnitOfWork, name: str, description: str) -> None:
    """Other words about a model."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, catalogue.describe(model, description))


async def tag_model(unit: UnitOfWork, name: str, tag: str, value: str | None) -> None:
    """A tag of a model; None takes it away."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, catalogue.tag(model, tag, value))


async def delete_model(unit: UnitOfWork, name: str, reason: str = "") -> None:
    """Take a model with all its versions out of the catalogue; its history stays."""
    model = (await load(unit, name)).existing()
    needed = [
        f"{model.version(number)}: {one}" for number in model.versions for one in await _made_of(unit, model, number)
    ]
    await decide(unit, model, catalogue.delete(model, needed, reason))


async def create_version(unit: UnitOfWork, name: str, draft: Draft) -> int:
    """The next version of a model that others train; returns its number.

    Raises:
        UnknownModel: there is none.
        DeclaredModel: its versions come from its own trainings.
    """
    model = (await load(unit, name)).existing()
    return (await decide(unit, model, catalogue.log(model, draft))).last


async def describe_version(unit: UnitOfWork, name: str, number: int, description: str) -> None:
    """Other words about a version."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, catalogue.describe(model, description, number))


async def tag_version(unit: UnitOfWork, name: str, number: int, tag: str, value: str | None) -> None:
    """A tag of a version; None takes it away."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, catalogue.tag(model, tag, value, number))


async def delete_version(unit: UnitOfWork, name: str, number: int, reason: str = "") -> None:
    """Take a version out of the catalogue that nothing depends on."""
    model = (await load(unit, name)).existing()
    needed = await _made_of(unit, model, number)
    await decide(unit, model, catalogue.delete_version(model, number, needed, reason))


async def set_alias(unit: UnitOfWork, name: str, alias: str, number: int) -> None:
    """Let an alias name a version, and no longer the one that it named before."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, catalogue.set_alias(model, alias, number))


async def remove_alias(unit: UnitOfWork, name: str, alias: str) -> None:
    """Let an alias name nothing."""
    model = (await load(unit, name)).existing()
    await decide(unit, model, catalogue.remove_alias(model, alias))


async def transition(
    unit: UnitOfWork,
    objects: Objects,
    name: str,
    number: int,
    to_stage: Stage,
    reason: str,
    *,
    archive_existing: bool = False,
) -> Moved:
    """Move a version, or request it where persons must agree: commit in either case.

    Raises:
        UnknownModel, UnknownVersion, IllegalMove, GatesFailed, UnknownContent: see `domain.transitions.move_by_hand`.
        ConcurrentChange: somebody else changes a stage of this model right now.
    """
    model = await stages_of(unit, name)
    model, seen = await look(unit, objects, model, number)
    facts = transitions.move_by_hand(
        model, number, to_stage, unit.actor, reason, unit.now(), seen, archive_existing=archive_existing
    )
    version = (await decide(unit, model, facts)).version(number)
    return Moved(version.stage, version.pending)


async def look(unit: UnitOfWork, objects: Objects, model: Model, number: int) -> tuple[Model, Seen]:
    """The model as it is once the content of a version was looked at, and what a policy could ask of its files.

    Only of a governed model is anything bound to the content.

    Raises:
        UnknownVersion: the model does not have it.
    """
    version = model.version(number)
    if not model.governed or version.details is not None:
        return model, NOTHING
    artifact = await artifact_at(unit.connection, objects, version.location)
    model = await decide(unit, model, catalogue.look(model, number, artifact))
    return model, await see(unit.connection, objects, model, model.version(number), artifact)


async def named(unit: UnitOfWork, name: str) -> Model:
    """The model of this name, or the one to be made: with facts of its own, where one that is gone had the name."""
    await unit.connection.execute(store.LOCK_NAME, {"model": name})
    found = await row(unit.connection, store.LOCK_MODEL, model=name)
    if found is not None:
        return await folds.load(unit, found["key"])
    used = await row(unit.connection, store.IS_USED, key=name)
    # no name has a colon: the key of one is never that of another
    return await folds.load(unit, name if used is None else f"{name}:{uuid7()}")


async def decide(unit: UnitOfWork, model: Model, facts: Sequence[Fact], *, cause: Cause | None = None) -> Model:
    """Record what was decided and what follows from it; returns the model after that."""
    facts = variants.with_end(model, facts)
    await record(unit, model, facts, cause=cause)
    for fact in facts:
        model = model.evolve(fact)
    return model


async def _made_of(unit: UnitOfWork, model: Model, number: int) -> Sequence[str]:
    """What was made of a version, in words."""
    node = Key.version(model.name, number)
    children = [edge.child for edge in await dependents(unit.connection, node.kind, node.id)]
    return [f"the {child.kind} {child.id} was made of it" for child in children]
