"""Which changes of a fact break a reader, and which do not."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field, create_model

from pelton.contracts.__main__ import main
from pelton.contracts.canonical import canonical_json
from pelton.contracts.definitions import Definition
from pelton.contracts.evolution import RECORDED, RELEASED, Break, breaks
from pelton.contracts.fact import Fact, Value, fact_class
from pelton.contracts.schemas import past_types, present, released, write

TYPE = "pelton.registry.thing_moved.v1"


def found(old: Any, new: Any) -> list[Break]:  # noqa: ANN401 - any type of a field
    return changed({"x": (old, ...)}, {"x": (new, ...)})


def changed(old: dict[str, Any], new: dict[str, Any], base: type[BaseModel] = Value) -> list[Break]:
    before, after = (create_model("Part", __base__=base, **fields) for fields in (old, new))
    return breaks({TYPE: whole(before)}, {TYPE: whole(after)})


def whole(part: type[BaseModel]) -> dict[str, Any]:
    """A fact with the part in each of the places where parts stand."""
    places = {
        "one": (part, ...),
        "maybe": (part | None, None),
        "many": (tuple[part, ...], ...),
        "by": (dict[str, part], ...),
    }  # type: ignore[valid-type]
    return create_model("Whole", **places).model_json_schema()  # type: ignore[call-overload, no-any-return]


PLACES = ["by.*.x", "many[].x", "maybe.x", "one.x"]


def test_the_facts_break_no_reader_of_the_last_release() -> None:
    assert [str(one) for one in breaks(released(), present(), past_types())] == []


def test_the_same_facts_break_nothing() -> None:
    assert breaks(present(), present()) == []


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (str, int, RECORDED),
        (str, int, RELEASED),
        (float, int, RECORDED),
        (int, float, RELEASED),
        (str | None, str, f"may no longer be null: {RECORDED}"),
        (str, str | None, f"may now be null: {RELEASED}"),
        (Literal["a", "b"], Literal["a"], f'may no longer be "b": {RECORDED}'),
        (Literal["a"], Literal["a", "b"], f'may now be "b": {RELEASED}'),
        (str, Literal["a"], RECORDED),
        (Literal["a"], str, RELEASED),
        (float, Annotated[float, Field(ge=0)], f"minimum was None and is 0: {RECORDED}"),
        (Annotated[float, Field(ge=0)], float, RELEASED),
        (Annotated[float, Field(le=2)], Annotated[float, Field(le=1)], RECORDED),
        (Annotated[float, Field(le=1)], Annotated[float, Field(le=2)], RELEASED),
        (tuple[int, ...], Annotated[tuple[int, ...], Field(min_length=1)], RECORDED),
        (Annotated[str, Field(pattern="^a")], Annotated[str, Field(pattern="^b")], "pattern"),
        (tuple[int, ...], tuple[str, ...], RECORDED),
        (dict[str, int], dict[str, str], RECORDED),
        (dict[str, int], dict[str, Any], RELEASED),
    ],
)
def test_another_type_breaks_the_readers_that_it_breaks(old: object, new: object, reason: str) -> None:
    told = found(old, new)
    assert {one.path.removesuffix("[]").removesuffix(".*") for one in told} == set(PLACES)
    assert any(reason in one.reason for one in told)


def test_a_whole_number_may_become_a_number_for_what_was_recorded_and_no_number_is_lost_to_released_readers() -> None:
    assert {one.reason for one in found(int, float)} == {f"may now be number: {RELEASED}"}
    assert {one.reason for one in found(float, int)} == {f"may no longer be number: {RECORDED}"}


def test_a_new_field_without_a_default_breaks_what_was_recorded() -> None:
    told = changed({}, {"x": (int, ...)})
    assert [(one.path, one.reason) for one in told] == [
        (place, f"is new and has no default: {RECORDED}") for place in PLACES
    ]


def test_a_new_field_with_a_default_breaks_nothing() -> None:
    assert changed({"x": (int, ...)}, {"x": (int, ...), "y": (str | None, None)}) == []


def test_a_new_field_of_a_definition_breaks_released_readers_which_refuse_it() -> None:
    told = changed({"y": (int, ...)}, {"y": (int, ...), "x": (int, 1)}, Definition)
    assert [one.path for one in told] == PLACES
    assert all(RELEASED in one.reason for one in told)


def test_a_field_that_is_gone_breaks_the_readers_that_need_it() -> None:
    assert [one.path for one in changed({"x": (int, ...)}, {})] == PLACES
    assert changed({"x": (int, 1)}, {}) == []


def test_a_renamed_field_breaks_both() -> None:
    told = changed({"x": (int, ...)}, {"y": (int, ...)})
    assert {one.reason.rpartition(": ")[2] for one in told} == {RECORDED, RELEASED}


def test_a_default_may_come_and_must_not_go_or_change() -> None:
    assert changed({"x": (int, ...)}, {"x": (int, 1)}) == []
    assert [one.path for one in changed({"x": (int, 1)}, {"x": (int, ...)})] == PLACES
    assert ["another default" in one.reason for one in changed({"x": (int, 1)}, {"x": (int, 2)})] == [True] * 4


def test_words_and_names_of_parts_break_nothing() -> None:
    one = create_model("One", __base__=Value, __doc__="Said so.", x=(int, Field(description="a")))
    other = create_model("Other", __base__=Value, __doc__="Said otherwise.", x=(int, Field(description="b")))
    assert breaks({TYPE: whole(one)}, {TYPE: whole(other)}) == []


def test_a_fact_may_come_and_must_not_go_unless_its_next_version_reads_it() -> None:
    schema = whole(Value)
    assert breaks({}, {TYPE: schema}) == []
    assert [str(one) for one in breaks({TYPE: schema}, {})] == [
        f"{TYPE}: the fact: is gone: keep it, or give its next version an upcaster"
    ]
    assert breaks({TYPE: schema}, {}, frozenset({TYPE})) == []


def test_what_is_released_reads_back_and_former_versions_stay(tmp_path: Path) -> None:
    write({TYPE: {"type": "object"}}, tmp_path)
    write(present(), tmp_path)
    assert released(tmp_path) == {**present(), TYPE: {"type": "object"}}


def test_the_command_says_what_breaks_and_refuses_to_release_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    written = []
    monkeypatch.setattr("pelton.contracts.__main__.released", lambda: {TYPE: {}})
    monkeypatch.setattr("pelton.contracts.__main__.write", written.append)
    assert main(["check"]) == main(["release"]) == 1
    assert "thing_moved.v1: the fact: is gone" in capsys.readouterr().err
    assert main(["release", "--breaking"]) == 0
    assert written == [present()]
    assert main(["asyncapi"]) == 0
    assert json.loads(capsys.readouterr().out)["asyncapi"] == "3.0.0"
    assert main([]) == 2


class ThingMoved(
    Fact,
    owner="registry",
    version=3,
    upcasters={
        1: lambda payload: {**payload, "by": "nobody"},
        2: lambda payload: {"thing": payload["name"], "by": payload["by"]},
    },
):
    """A thing moved; it was called `name`, and at first nobody said who moved it."""

    thing: str
    by: str


@pytest.mark.parametrize(
    ("version", "payload"),
    [
        (1, {"name": "a"}),
        (2, {"name": "a", "by": "nobody"}),
        (3, {"thing": "a", "by": "nobody"}),
    ],
)
def test_every_former_version_is_read_as_the_present_one(version: int, payload: dict[str, str]) -> None:
    read = fact_class(f"pelton.registry.thing_moved.v{version}").from_bytes(canonical_json(payload))
    assert read == ThingMoved(thing="a", by="nobody")


def test_a_fact_knows_the_types_that_it_reads_and_is_written_as_the_newest() -> None:
    assert ThingMoved.fact_types == tuple(f"pelton.registry.thing_moved.v{version}" for version in (1, 2, 3))
    assert ThingMoved.fact_type == ThingMoved.fact_types[-1]
    assert fact_class(ThingMoved.fact_type) is ThingMoved


@pytest.mark.parametrize("upcasters", [{}, {1: dict}, {2: dict}, {1: dict, 2: dict, 3: dict}])
def test_a_version_that_does_not_read_all_before_it_is_no_fact(upcasters: dict[int, Any]) -> None:
    with pytest.raises(TypeError, match="ThingLost has version 3 and upcasters from"):
        type("ThingLost", (Fact,), {}, owner="registry", version=3, upcasters=upcasters)
