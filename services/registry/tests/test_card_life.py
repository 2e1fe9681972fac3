"""Cards as people and services meet them: shown, added to, published, kept."""

from typing import Any

import httpx
import pytest
from lineage_facts import tell_everything
from registry_door import Door, envelope
from registry_facts import CODE, define, evaluation, person, trained
from sqlalchemy import text

from pelton.contracts.fact import Fact
from pelton.contracts.registry import (
    DeprecationWithdrawn,
    EvidenceRecorded,
    ModelCardSectionWritten,
    ModelDeprecated,
    ModelStageChanged,
)
from pelton.eventkit.envelope import Received
from pelton.eventkit.identity import Role
from pelton.registry.cards.publishing import handlers
from pelton.registry.cards.sections import read_sections

CARD = "/models/late/versions/1/card"


async def react(door: Door, *kinds: type[Fact]) -> None:
    """Give the registry's own facts of these kinds to the cards' handlers, as the bus does, each twice."""
    of_kind = {handler.fact: handler for handler in handlers(door.backend.objects)}
    for stored in await door.facts():
        for kind in kinds:
            if stored["type"] == kind.fact_type.split(".")[-2]:
                received = Received(
                    envelope(kind.model_validate(stored["data"]), 1), kind.model_validate(stored["data"])
                )
                for _ in range(2):
                    async with door.units.begin(cause=received.cause) as unit:
                        await of_kind[kind].call(received, unit)


async def write(door: Door, section: str, words: str, **who: Any) -> httpx.Response:  # noqa: ANN401
    return await door.ask("PUT", f"/models/late/card/sections/{section}", json={"text": words}, **who)


async def test_a_version_s_card_is_markdown_or_a_page(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await tell_everything(door)
    markdown = await door.ask("GET", CARD, role=Role.VIEWER)
    assert markdown.headers["content-type"].startswith("text/markdown")
    assert markdown.text.startswith("---\nlibrary_name: onnx\n")
    assert "# late version 1" in markdown.text
    for options in ({"params": {"format": "html"}}, {"headers": {"accept": "text/html,*/*"}}):
        page = await door.ask("GET", CARD, role=Role.VIEWER, **options)
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["content-security-policy"].startswith("default-src 'none'")
        assert "<h1>late version 1</h1>" in page.text
        assert "pelton:human" not in page.text


async def test_what_people_wrote_is_kept_for_the_versions_to_come(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    assert (await write(door, "limits", "Not for *cargo*.", who="ann")).status_code == 200
    assert (await write(door, "field-notes", "Ask flight ops.", who="bob")).status_code == 200
    await door.receive(trained(2))
    for version in (1, 2):
        card = (await door.ask("GET", f"/models/late/versions/{version}/card")).text
        assert read_sections(card) == {"limits": "Not for *cargo*.", "field-notes": "Ask flight ops."}
    assert (await write(door, "limits", "")).status_code == 200
    (left,) = await door.get("/models/late/card/sections")
    assert (left["section"], left["written_by"]) == ("field-notes", "bob")


async def test_the_same_words_again_are_no_fact(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    for _ in range(2):
        await write(door, "limits", "words")
    await write(door, "ethics", "")
    assert [fact["type"] for fact in await door.facts()].count("model_card_section_written") == 1


async def test_a_staged_version_gets_a_card_and_another_one_when_it_changes(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    await door.receive(trained(2, evaluation=evaluation(0.3)))
    assert await door.get("/models/late/versions/1/cards") == []
    await react(door, ModelStageChanged)
    (first,) = await door.get("/models/late/versions/1/cards")
    stored = await door.backend.objects.get(first["card"])
    assert stored.decode() == (await door.ask("GET", CARD)).text
    await write(door, "limits", "None known.")
    await react(door, ModelCardSectionWritten)
    second, before = await door.get("/models/late/versions/1/cards")
    assert before == first
    assert "None known." in (await door.backend.objects.get(second["card"])).decode()
    assert await door.get("/models/late/versions/2/cards") == []
    published = [fact for fact in await door.facts() if fact["type"] == "model_card_published"]
    assert [fact["data"]["card"] for fact in published] == [first["card"], second["card"]]


async def test_a_card_is_published_anew_when_evidence_or_deprecation_changes(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    await door.receive(trained(2, evaluation=evaluation(0.3)))
    (staged, rejected) = (f"/models/late/versions/{number}" for number in (1, 2))
    for path in (staged, rejected):
        answer = await door.ask("POST", f"{path}/evidence", json={"metrics": {"calibration": 0.125}})
        assert answer.status_code == 200, answer.text
    await react(door, EvidenceRecorded)
    for path in (f"{staged}/deprecation", "/models/late/deprecation"):
        answer = await door.ask("PUT", path, json={"reason": f"too old: {path}"})
        assert answer.status_code == 200, answer.text
        await react(door, ModelDeprecated)
        assert (await door.ask("DELETE", path, params={"reason": "no"})).status_code == 204
        await react(door, DeprecationWithdrawn)
    published = [await door.backend.objects.get(one["card"]) for one in await door.get(f"{staged}/cards")]
    assert all(b"calibration" in one for one in published)
    assert [b"**Deprecated:** too old" in one for one in published] == [False, True, False, True, False]
    assert await door.get(f"{rejected}/cards") == []


async def test_a_card_lists_each_approval_with_who_agreed_and_what_was_said(door: Door) -> None:
    await door.declare(person(), CODE.digest)
    await door.receive(trained(1, person()))
    asked = {"to": "production", "reason": "time"}
    path = "/models/late/versions/1"
    assert (await door.ask("POST", f"{path}/stage", "ann", json=asked)).status_code == 200
    assert (await door.ask("POST", f"{path}/comments", "joe", json={"text": "why | now?"})).status_code == 200
    agreed = {"reason": "drift", "artifact": trained(1).artifact.digest}
    assert (await door.ask("POST", f"{path}/approve", "bob", json=agreed)).status_code == 200
    row = "| production | ann | granted | bob | drift | **bob**: drift | **joe**: why \\| now? |"
    assert row in (await door.ask("GET", CARD)).text


async def test_made_anew_the_cards_are_those_that_were_kept_live(door: Door) -> None:
    async def contents() -> list[list[tuple[object, ...]]]:
        async with door.units.engine.connect() as connection:
            return [
                sorted(map(tuple, await connection.execute(text(f"SELECT * FROM {table}"))), key=repr)  # noqa: S608
                for table in ("card_sections", "cards")
            ]

    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    for words in ("first", "second"):
        await write(door, "limits", words)
    await write(door, "ethics", "gone")
    await write(door, "ethics", "")
    await react(door, ModelStageChanged)
    live = await contents()
    assert all(live)
    async with door.units.begin() as unit:
        await unit.connection.execute(text("UPDATE card_sections SET text = 'other'"))
        await unit.connection.execute(text("DELETE FROM cards"))
    assert (await door.ask("POST", "/projections/rebuild")).status_code == 200
    assert await contents() == live


async def test_a_viewer_reads_and_does_not_write(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    assert (await write(door, "limits", "x", role=Role.VIEWER)).status_code == 403
    assert (await write(door, "limits", "x", role=Role.CONTRIBUTOR)).status_code == 200


@pytest.mark.parametrize(
    ("section", "words", "status"),
    [
        ("limits", "<!-- pelton:human:x -->", 422),
        ("limits", "a\0b", 422),
        ("limits", "x" * 20_001, 422),
        ("Not%20a%20name", "x", 422),
    ],
)
async def test_a_section_that_no_card_can_hold_is_refused(door: Door, section: str, words: str, status: int) -> None:
    await door.declare(define(), CODE.digest)
    answer = await write(door, section, words)
    assert answer.status_code == status, answer.text
    assert await door.get("/models/late/card/sections") == []


@pytest.mark.parametrize("path", ["/models/nobody/versions/1/card", "/models/late/versions/9/card"])
async def test_what_is_not_there_has_no_card(door: Door, path: str) -> None:
    await door.declare(define(), CODE.digest)
    assert (await door.ask("GET", path)).status_code == 404


async def test_a_logged_version_has_a_card(door: Door) -> None:
    for path, body in (
        ("registered-models/create", {"name": "模型", "description": "**bold** claims"}),
        ("model-versions/create", {"name": "模型", "source": "mlflow-artifacts:/0/x/artifacts/m"}),
    ):
        made = await door.mlflow("POST", f"2.0/mlflow/{path}", json=body)
        assert made.status_code == 200, made.text
    card = await door.ask("GET", "/models/模型/versions/1/card")
    assert card.status_code == 200, card.text
    assert "# 模型 version 1" in card.text
    assert "\\*\\*bold\\*\\* claims" in card.text
