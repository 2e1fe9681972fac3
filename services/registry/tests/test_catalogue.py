"""Models and versions that programs log, by the commands that change them."""

from collections.abc import Awaitable, Callable

import pytest
from registry_door import Door
from registry_facts import CODE, artifact, define
from sqlalchemy import text

from pelton.contracts.registry import LoggedRun
from pelton.contracts.values import Artifact
from pelton.eventkit.unit import UnitOfWork, Units
from pelton.registry import commands
from pelton.registry.domain.catalogue import Draft
from pelton.registry.domain.model import Model
from pelton.registry.domain.refusals import (
    ConcurrentChange,
    DeclaredModel,
    InvalidName,
    InvalidText,
    ModelExists,
    Refusal,
    ReservedAlias,
    StillNeeded,
    UnknownAlias,
    UnknownModel,
    UnknownVersion,
)

CREDIT = "crédit 信用"
DRAFT = Draft(
    "mlflow-artifacts:/1/abc/artifacts/model",
    artifact=Artifact(digest=artifact(1), size=7, format="file-manifest"),
    run=LoggedRun(run_id="abc", metrics={"auc": 0.7}),
    tags={"team": "risk"},
)


async def logged(units: Units, name: str = CREDIT, versions: int = 1) -> None:
    async with units.begin(actor="ann") as unit:
        await commands.create_model(unit, name, description="who pays back", tags={"domain": "credit"})
        for _ in range(versions):
            await commands.create_version(unit, name, DRAFT)


async def ordered(units: Units, command: Callable[..., Awaitable[object]], *arguments: object) -> object:
    async with units.begin(actor="ann") as unit:
        return await command(unit, *arguments)


async def test_a_model_and_its_versions_are_shown_with_what_was_said_about_them(door: Door) -> None:
    await logged(door.units)
    await ordered(door.units, commands.describe_version, CREDIT, 1, "first try")
    await ordered(door.units, commands.tag_version, CREDIT, 1, "team", None)
    await ordered(door.units, commands.tag_version, CREDIT, 1, "checked", "yes")
    await ordered(door.units, commands.set_alias, CREDIT, "challenger", 1)
    model = await door.get(f"/models/{CREDIT}")
    assert (model["description"], model["tags"], model["aliases"]) == (
        "who pays back",
        {"domain": "credit"},
        {"challenger": 1},
    )
    assert (model["definition"], model["created_by"], model["versions"]) == (None, "ann", 1)
    version = await door.get(f"/models/{CREDIT}/versions/1")
    assert (version["description"], version["tags"], version["aliases"]) == (
        "first try",
        {"checked": "yes"},
        ["challenger"],
    )
    assert (version["artifact"], version["run_id"], version["details"]) == (artifact(1), "abc", None)
    assert version["logged_run"]["metrics"] == {"auc": 0.7}


@pytest.mark.parametrize(
    ("command", "arguments", "refusal"),
    [
        (commands.create_model, (CREDIT,), ModelExists),
        (commands.create_model, ("a/b",), InvalidName),
        (commands.create_model, ("  ",), InvalidName),
        (commands.create_model, ("..",), InvalidName),
        (commands.create_version, ("nowhere", DRAFT), UnknownModel),
        (commands.describe_model, (CREDIT, "zero \x00"), InvalidText),
        (commands.tag_model, (CREDIT, "k", "half \ud800"), InvalidText),
        (commands.describe_version, (CREDIT, 9, "x"), UnknownVersion),
        (commands.tag_version, (CREDIT, 1, "", "x"), InvalidName),
        (commands.set_alias, (CREDIT, "v12", 1), ReservedAlias),
        (commands.set_alias, (CREDIT, "Latest", 1), ReservedAlias),
        (commands.set_alias, (CREDIT, "a b", 1), InvalidName),
        (commands.set_alias, (CREDIT, "next", 9), UnknownVersion),
        (commands.remove_alias, (CREDIT, "next"), UnknownAlias),
        (commands.create_version, ("late", DRAFT), DeclaredModel),
        (commands.rename_model, ("late", "later"), DeclaredModel),
        (commands.rename_model, (CREDIT, "late"), ModelExists),
        (commands.delete_model, ("late",), DeclaredModel),
    ],
)
async def test_what_cannot_be_is_refused_and_changes_nothing(
    door: Door, command: Callable[..., Awaitable[object]], arguments: tuple[object, ...], refusal: type[Refusal]
) -> None:
    await logged(door.units)
    await door.declare(define(), CODE.digest)
    before = await door.facts()
    with pytest.raises(refusal):
        await ordered(door.units, command, *arguments)
    assert await door.facts() == before


async def test_a_renamed_model_keeps_its_versions_and_another_may_take_its_name(door: Door) -> None:
    await logged(door.units)
    await ordered(door.units, commands.set_alias, CREDIT, "best", 1)
    await ordered(door.units, commands.rename_model, CREDIT, "loans")
    await logged(door.units, versions=2)
    assert (await door.get("/models/loans"))["aliases"] == {"best": 1}
    assert (await door.get(f"/models/{CREDIT}"))["versions"] == 2
    assert await ordered(door.units, commands.create_version, "loans", DRAFT) == 2
    assert await ordered(door.units, commands.create_version, CREDIT, DRAFT) == 3


async def test_a_deleted_model_leaves_its_name_and_its_successor_begins_anew(door: Door) -> None:
    await logged(door.units, versions=2)
    await ordered(door.units, commands.delete_model, CREDIT)
    assert (await door.ask("GET", f"/models/{CREDIT}")).status_code == 404
    with pytest.raises(UnknownModel):
        await ordered(door.units, commands.create_version, CREDIT, DRAFT)
    await logged(door.units)
    assert (await door.get(f"/models/{CREDIT}"))["versions"] == 1


async def test_a_deleted_versions_number_is_not_given_again(door: Door) -> None:
    await logged(door.units, versions=2)
    await ordered(door.units, commands.delete_version, CREDIT, 2)
    assert await ordered(door.units, commands.create_version, CREDIT, DRAFT) == 3
    assert (await door.ask("GET", f"/models/{CREDIT}/versions/2")).status_code == 404


async def test_what_something_depends_on_is_not_deleted_and_the_refusal_names_it(door: Door) -> None:
    await logged(door.units)
    await ordered(door.units, commands.set_alias, CREDIT, "best", 1)
    await ordered(door.units, commands.transition, door.backend.objects, CREDIT, 1, "staging", "try it")
    with pytest.raises(StillNeeded) as refused:
        await ordered(door.units, commands.delete_version, CREDIT, 1)
    assert refused.value.dependencies == ("it is in staging", "the alias 'best' names it")
    with pytest.raises(StillNeeded, match=f"{CREDIT} v1: it is in staging"):
        await ordered(door.units, commands.delete_model, CREDIT)
    await ordered(door.units, commands.remove_alias, CREDIT, "best")
    await ordered(door.units, commands.transition, door.backend.objects, CREDIT, 1, "archived", "over")
    await ordered(door.units, commands.delete_version, CREDIT, 1)


async def test_without_policies_moves_are_free_and_several_versions_stand_in_production(door: Door) -> None:
    await logged(door.units, versions=3)
    for number in (1, 2):
        await ordered(door.units, commands.transition, door.backend.objects, CREDIT, number, "production", "go")
    assert (await door.get(f"/models/{CREDIT}"))["champion"] == 2
    await ordered(door.units, commands.transition, door.backend.objects, CREDIT, 2, "development", "not yet")
    assert (await door.get(f"/models/{CREDIT}"))["champion"] == 1
    async with door.units.begin(actor="ann") as unit:
        await commands.transition(unit, door.backend.objects, CREDIT, 3, "production", "better", archive_existing=True)
    model = await door.get(f"/models/{CREDIT}")
    assert (model["champion"], model["previous"]) == (3, 1)
    stages = [one["stage"] for one in (await door.get(f"/models/{CREDIT}/versions"))["versions"]]
    assert stages == ["production", "development", "archived"]
    answer = await door.ask("POST", f"/models/{CREDIT}/rollback", json={"reason": "slow"})
    assert (answer.json()["champion"], answer.json()["previous"]) == (1, 2)


async def test_of_two_stage_changes_at_once_one_wins_and_the_other_is_told(door: Door) -> None:
    await logged(door.units, versions=2)
    async with door.units.begin(actor="ann") as first:
        await commands.transition(first, door.backend.objects, CREDIT, 1, "production", "mine")
        async with door.units.begin(actor="bob") as second:
            with pytest.raises(ConcurrentChange, match="look at it again"):
                await commands.transition(second, door.backend.objects, CREDIT, 1, "archived", "no, mine")
    await ordered(door.units, commands.transition, door.backend.objects, CREDIT, 1, "archived", "now")
    assert (await door.get(f"/models/{CREDIT}/versions/1"))["stage"] == "archived"


async def test_the_remembered_fold_is_that_of_the_facts_even_after_a_rollback_or_a_restore(units: Units) -> None:
    async def fold(unit: UnitOfWork) -> Model:
        remembered = await commands.load(unit, CREDIT)
        assert remembered == await unit.load(Model, CREDIT)
        return remembered

    await logged(units, versions=2)
    async with units.begin() as unit:
        assert (await fold(unit)).last == 2
        await commands.create_version(unit, CREDIT, DRAFT)
        assert (await fold(unit)).last == 3
        await unit.connection.rollback()
    async with units.begin() as unit:
        assert (await fold(unit)).last == 2
    await ordered(units, commands.tag_model, CREDIT, "k", "v")
    async with units.begin() as unit:
        assert (await fold(unit)).last == 2
        await unit.connection.execute(text("DELETE FROM events"))
        assert not (await fold(unit)).exists
        await unit.connection.rollback()
