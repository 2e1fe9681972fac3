from typing import Any

from registry_door import Door

from pelton.eventkit.identity import Role


async def team(door: Door, name: str, members: dict[str, str], models: list[str]) -> None:
    answer = await door.ask("PUT", f"/teams/{name}", json={"members": members, "models": models})
    assert answer.status_code == 204, answer.text


async def restrict(door: Door, name: str, **body: Any) -> None:  # noqa: ANN401
    body = {"reason": "the owners decide"} | body
    answer = await door.ask("PUT", f"/restrictions/{name}", json=body)
    assert answer.status_code == 204, answer.text


async def test_a_team_is_formed_changed_and_dissolved_and_every_change_is_a_fact(door: Door) -> None:
    await team(door, "fraud", {"carl": "approver"}, ["fraud-*", "fraud-*"])
    await team(door, "fraud", {"carl": "approver"}, ["fraud-*"])
    await team(door, "fraud", {"carl": "approver", "dora": "viewer"}, ["fraud-*"])
    (shown,) = (await door.get("/teams"))["teams"]
    assert shown["details"]["members"] == {"carl": "approver", "dora": "viewer"}
    assert (shown["details"]["models"], shown["changed_by"]) == (["fraud-*"], "ann")
    assert (await door.ask("DELETE", "/teams/fraud")).status_code == 204
    assert (await door.get("/teams"))["teams"] == []
    assert [fact["type"] for fact in await door.facts()] == ["team_changed", "team_changed", "team_removed"]
    again = await door.ask("DELETE", "/teams/fraud")
    assert (again.status_code, again.json()["type"]) == (404, "urn:pelton:problem:unknown-rule")


async def test_why_somebody_may_or_may_not_is_explained_by_the_rule_that_says_so(door: Door) -> None:
    await team(door, "fraud", {"carl": "contributor"}, ["fraud-*"])
    carl = {"action": "write", "user": "carl", "role": "viewer"}
    allowed = await door.get("/access/check", model="fraud-eu", **carl)
    assert (allowed["allowed"], allowed["rules"]) == (True, ["team:fraud"])
    elsewhere = await door.get("/access/check", model="late", **carl)
    assert (elsewhere["allowed"], elsewhere["rules"]) == (False, ["role:viewer"])
    assert "needs the role contributor" in elsewhere["because"]
    await restrict(door, "frozen", models=["fraud-*"], actions=["write"], users=["dora"], reason="an audit is on")
    frozen = await door.get("/access/check", model="fraud-eu", **carl)
    assert (frozen["allowed"], frozen["rules"]) == (False, ["restriction:frozen"])
    assert frozen["because"] == "model fraud-eu is restricted (frozen): an audit is on"
    lifted = await door.ask("DELETE", "/restrictions/frozen", params={"reason": "it is over"})
    assert lifted.status_code == 204
    assert (await door.facts())[-1]["data"] == {"restriction": "frozen", "reason": "it is over"}
    assert (await door.get("/access/check", model="fraud-eu", **carl))["allowed"]


async def test_only_admins_change_rules_and_viewers_see_them(door: Door) -> None:
    for method, path, body in (
        ("PUT", "/teams/a", {"members": {}, "models": []}),
        ("DELETE", "/teams/a", None),
        ("PUT", "/restrictions/a", {"models": ["*"], "actions": ["read"], "reason": "x"}),
        ("DELETE", "/restrictions/a?reason=x", None),
    ):
        answer = await door.ask(method, path, role=Role.APPROVER, json=body)
        assert (answer.status_code, answer.headers["content-type"]) == (403, "application/problem+json"), path
    assert await door.facts() == []
    assert (await door.get("/restrictions"))["restrictions"] == []


async def test_rules_that_cannot_work_are_refused_with_their_field(door: Door) -> None:
    good = {"models": ["*"], "actions": ["read"], "reason": "x"}
    for path, body, field in (
        ("/restrictions/a", good | {"models": []}, "models"),
        ("/restrictions/a", good | {"teams": ["nobody"]}, "teams"),
        ("/restrictions/a", good | {"actions": ["fly"]}, "actions[0]"),
        ("/restrictions/a", good | {"actions": []}, "actions"),
        ("/restrictions/a", good | {"reason": " "}, "reason"),
        ("/restrictions/a", good | {"when": {"tag": {}}}, "when.tag"),
        ("/restrictions/A b", good, "restriction"),
        ("/teams/a", {"members": {"carl": "king"}, "models": []}, "members.carl"),
        ("/teams/a", {"members": {}, "models": ["a\x00"]}, "models[0]"),
    ):
        answer = await door.ask("PUT", path, json=body)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["field"] == field
    assert await door.facts() == []


async def test_rules_are_read_page_by_page(door: Door) -> None:
    for name in ("a", "b", "c"):
        await team(door, name, {}, ["*"])
        await restrict(door, name, models=["x"], actions=["read"])
    for path, kind, key in (("/teams", "teams", "team"), ("/restrictions", "restrictions", "restriction")):
        first = await door.get(path, limit=2)
        rest = await door.get(path, limit=2, page=first["next_page"])
        assert [one["details"][key] for one in first[kind] + rest[kind]] == ["a", "b", "c"]
        assert rest["next_page"] is None
