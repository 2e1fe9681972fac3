"""Definitions over HTTP: registered, planned, deprecated and removed, and heard of by every replica."""

import asyncio
import io
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest
from feature_definitions import DAY_0, event, model, source, view
from feature_process import Feature

from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelRegistered, ModelStageChanged, ModelVersionCreated
from pelton.contracts.trainer import TrainingRequested, Trigger
from pelton.contracts.values import Artifact, Evaluation, ModelVersion, Window
from pelton.eventkit.announcements import Announcements
from pelton.eventkit.database import create_engine
from pelton.eventkit.identity import Role
from pelton.eventkit.unit import Units
from pelton.feature.catalogue import Catalogue
from pelton.feature.catalogue.store import CHANNEL
from pelton.testkit import eventually

DIGEST = "sha256:" + "0" * 64


def transformation(name: str, of: str, **changes: object) -> dict[str, Any]:
    return {
        "name": name,
        "inputs": {"usual": f"{of}:delay_2h"},
        "request": ["delay"],
        "features": {"excess": "delay - usual"},
    } | changes


def trained(name: str, views: dict[str, str], transformations: dict[str, str]) -> ModelVersion:
    return ModelVersion(
        model=name,
        version=1,
        training_id="t",
        artifact=Artifact(digest=DIGEST, size=1, format="skops"),
        request=(),
        features=(),
        views=views,
        transformations=transformations,
        threshold=0.5,
        dataset=DIGEST,
        evaluation=Evaluation(rows=1, positives=1, brier=0, brier_variance=0, log_loss=0, accuracy=1, auc=None),
    )


async def post(feature: Feature, place: str, body: dict[str, Any], status: int = 200) -> Any:  # noqa: ANN401 - any JSON
    answer = await feature.client.post(f"/v1/{place}", json=body)
    assert answer.status_code == status, answer.text
    return answer.json()


async def gone(feature: Feature, place: str, status: int, **params: str) -> str:
    answer = await feature.client.delete(f"/v1/{place}", params={"reason": "over"} | params)
    assert answer.status_code == status, answer.text
    return answer.text


async def test_a_definition_of_each_kind_is_registered_once_and_shown(feature: Feature) -> None:
    await feature.declare(source("kinds"), view("kinds_v", "kinds"))
    declared = {
        "entities": {"name": "carrier", "keys": ["carrier"], "owner": "ann"},
        "transformations": transformation("kinds_t", "kinds_v"),
        "feature-services": {"name": "kinds_s", "features": ["kinds_v:delay_2h", "kinds_t:excess"]},
    }
    for place, body in declared.items():
        first = await post(feature, place, body)
        assert first["changed"]
        assert await post(feature, place, body) == first | {"changed": False}
        shown = (await feature.client.get(f"/v1/{place}/{body['name']}")).json()
        assert shown["digest"] == first["digest"]
        assert shown in (await feature.client.get(f"/v1/{place}")).json()
        assert body.items() <= shown["definition"].items()
    await eventually(lambda: told(feature, "entity_applied", entity="carrier"))
    for place in declared:
        assert (await feature.client.get(f"/v1/{place}/nothing")).status_code == 404


async def told(feature: Feature, name: str, **fields: object) -> bool:
    assert len(await feature.facts(name, **fields)) == 1
    return True


@pytest.mark.parametrize(
    ("place", "body", "words"),
    [
        ("entities", {"name": "legs", "keys": ["gate"]}, "refused_v is by the entity 'legs'"),
        ("transformations", transformation("refused_v", "refused_v"), "a feature view has the name"),
        ("transformations", transformation("t", "nowhere"), "no view 'nowhere'"),
        ("transformations", transformation("t", "refused_v", request=[]), "reads delay, which is neither"),
        ("feature-services", {"name": "s", "features": ["refused_v:speed"]}, "names refused_v:speed"),
    ],
)
async def test_what_does_not_fit_is_refused_with_the_reason(
    feature: Feature, place: str, body: dict[str, Any], words: str
) -> None:
    await feature.declare(source("refused"), view("refused_v", "refused", "legs", keys=["carrier"]))
    assert words in (await post(feature, place, body, 409))["detail"]
    assert words in str(await post(feature, "plan", {place.replace("-", "_"): [body]}, 409))


async def test_an_expression_that_is_none_is_refused_with_its_field(feature: Feature) -> None:
    await feature.declare(source("unread"), view("unread_v", "unread"))
    body = transformation("unread_t", "unread_v", features={"good": "delay", "bad": "delay ++"})
    problem = await post(feature, "transformations", body, 422)
    assert [error["field"] for error in problem["errors"]] == ["features.bad"]
    latest = view("unread_v", "unread", latest=[{"name": "x", "value": "open('f')"}]).model_dump(mode="json")
    problem = await post(feature, "feature-views", latest, 422)
    assert [error["field"] for error in problem["errors"]] == ["latest[0].value"]


async def test_a_plan_says_what_would_be_done_and_does_nothing(feature: Feature) -> None:
    of, first = source("planned"), view("planned_v", "planned")
    body = {
        "sources": [of.model_dump(mode="json")],
        "feature_views": [first.model_dump(mode="json")],
        "transformations": [transformation("planned_t", "planned_v")],
        "feature_services": [{"name": "planned_s", "features": ["planned_t:excess"]}],
    }
    steps = await post(feature, "plan", body)
    assert [(step["action"], step["kind"]) for step in steps] == [
        ("create", "source"),
        ("create", "feature view"),
        ("create", "transformation"),
        ("create", "feature service"),
    ]
    assert (await feature.client.get("/v1/sources/planned")).status_code == 404
    await feature.declare(of, first)
    await feature.publish_all("planned", [event(number, DAY_0 + timedelta(days=number)) for number in range(20)])
    await feature.counted("planned", 20)
    await feature.hears(
        ModelVersionCreated(
            model="plan_user",
            version=trained("plan_user", {"planned_v": first.digest}, {}),
            run_id="r",
            code=DIGEST,
            definition_digest=DIGEST,
        )
    )
    second = view("planned_v", "planned", tile="30m").model_dump(mode="json")

    async def kept() -> dict[str, Any]:
        _, step, *_ = await post(feature, "plan", body | {"feature_views": [second]})
        assert step["kept_by"] == [{"model": "plan_user", "version": 1, "stage": "development"}]
        return step

    step = await eventually(kept)
    assert (step["action"], step["name"]) == ("change", "planned_v")
    assert step["backfill"]["source"] == "planned"
    assert step["backfill"]["from"] == (DAY_0 + timedelta(days=19 - 7)).isoformat()


async def test_a_view_is_left_and_removed_once_nothing_uses_it(feature: Feature) -> None:
    first, second = view("left_v", "left"), view("left_v", "left", tile="30m")
    await feature.declare(source("left"), first, second, view("left_next", "left"))
    body = transformation("left_t", "left_v")
    digest = (await post(feature, "transformations", body))["digest"]
    version = trained("left_user", {"left_v": first.digest}, {"left_t": digest})
    facts: list[Fact] = [
        ModelVersionCreated(model="left_user", version=version, run_id="r", code=DIGEST, definition_digest=DIGEST)
    ]
    await feature.hears(*facts)

    async def used() -> bool:
        await feature.declare(first, second)  # before the fact came, it could be removed
        assert "version 1 of model left_user (development)" in await gone(
            feature, "feature-views/left_v", 409, version=first.digest
        )
        return True

    await eventually(used)
    assert "transformation left_t" in await gone(feature, "feature-views/left_v", 409)
    assert "left_user" in await gone(feature, "transformations/left_t", 409)
    sunset = datetime(2030, 1, 1, tzinfo=UTC)
    deprecation = {"reason": "slow", "sunset": sunset.isoformat(), "successor": "left_next"}
    assert (await feature.client.put("/v1/feature-views/left_v/deprecation", json=deprecation)).status_code == 204
    shown = (await feature.client.get("/v1/feature-views/left_v")).json()["deprecation"]
    assert (shown["reason"], shown["successor"]) == ("slow", "left_next")
    wrong = deprecation | {"successor": "left_v"}
    assert (await feature.client.put("/v1/feature-views/left_v/deprecation", json=wrong)).status_code == 409
    assert (await feature.client.put("/v1/feature-views/nowhere/deprecation", json=deprecation)).status_code == 404

    await feature.hears(
        ModelStageChanged(
            model="left_user", version=1, from_stage="development", to_stage="archived", reason="old", details=None
        )
    )

    async def unused() -> bool:
        await gone(feature, "transformations/left_t", 204)
        return True

    await eventually(unused)
    await gone(feature, "feature-views/left_v", 204, version=first.digest)
    assert (await feature.client.get("/v1/feature-views/left_v")).json()["digest"] == second.digest
    await gone(feature, "feature-views/left_v", 204)
    assert (await feature.client.get("/v1/feature-views/left_v")).status_code == 404
    await gone(feature, "feature-views/left_v", 404)


async def test_a_declared_model_keeps_the_newest_version_of_its_view(feature: Feature) -> None:
    await feature.declare(source("asked"), view("asked_v", "asked"))
    definition = model("asked", "asked", ["asked_v:delay_2h"], name="asking")
    code = Artifact(digest=DIGEST, size=1, format="zip")
    await feature.hears(
        ModelRegistered(model="asking", definition=definition, definition_digest=definition.digest, code=code)
    )

    async def used() -> bool:
        await feature.declare(view("asked_v", "asked"))  # before the fact came, it could be removed
        assert "model asking uses it" in await gone(feature, "feature-views/asked_v", 409)
        return True

    await eventually(used)


async def test_the_catalogue_says_what_features_looked_like_how_fresh_they_are_who_uses_them_and_who_to_ask(
    feature: Feature,
) -> None:
    of = view("shown_v", "shown", description="Shown in the catalogue.", tags={"area": "air"})
    await feature.declare(source("shown", owner="ops"), of)
    await post(feature, "transformations", transformation("shown_t", "shown_v", owner="bob"))
    events = [event(number, DAY_0 + timedelta(hours=number), delay=float(number)) for number in range(30)]
    await feature.publish_all("shown", events)
    await feature.counted("shown", 30)
    span = {"source": "shown", "start": DAY_0.isoformat(), "end": (DAY_0 + timedelta(hours=30)).isoformat()}
    features = ["shown_v:worst_6h", "shown_t:excess"]
    answer = await feature.client.post("/v1/datasets", json={"name": "shown", "rows": span, "features": features})
    assert answer.status_code == 202, answer.text
    await feature.hears(
        ModelVersionCreated(
            model="shown_user",
            version=trained("shown_user", {"shown_v": of.digest}, {}),
            run_id="r",
            code=DIGEST,
            definition_digest=DIGEST,
        )
    )

    async def complete() -> dict[str, Any]:
        found: dict[str, Any] = (await feature.client.get("/v1/catalogue/feature-views/shown_v")).json()
        assert found["statistics"]
        assert found["model_versions"]
        return found

    found = await eventually(complete, timeout=40)
    assert found["model_versions"] == [{"model": "shown_user", "version": 1, "stage": "development"}]
    assert found["freshness"]["source"] == "shown"
    assert found["freshness"]["last_event"] == (DAY_0 + timedelta(hours=29)).isoformat()
    assert found["freshness"]["behind_seconds"] > 10 * 365 * 86_400
    assert (found["ask"], found["changed_by"], found["owner"]) == ("ann", "ann", "")
    assert found["read_by"] == [{"kind": "transformation", "name": "shown_t"}]
    assert set(found["statistics"]) == {"worst_6h"}
    worst = found["statistics"]["worst_6h"]
    assert (worst["rows"], worst["missing"], worst["minimum"], worst["maximum"]) == (30, 1, 0, 28)
    computed = (await feature.client.get("/v1/catalogue/transformations/shown_t")).json()
    assert computed["ask"] == "bob"
    assert computed["statistics"]["excess"]["dataset"] == worst["dataset"]

    searched = (await feature.client.get("/v1/catalogue", params={"q": "shown catalogue", "tag": "area=air"})).json()
    assert [one["name"] for one in searched] == ["shown_v"]
    assert (await feature.client.get("/v1/catalogue/feature-views/shown")).status_code == 404
    assert (await feature.client.get("/v1/catalogue", params={"kind": "thing"})).status_code == 422


async def test_a_transformation_is_an_input_of_a_model_and_its_dataset_pins_it_and_the_views_behind_it(
    feature: Feature,
) -> None:
    of = view("fed_v", "fed")
    await feature.declare(source("fed"), of)
    digest = (await post(feature, "transformations", transformation("fed_t", "fed_v")))["digest"]
    definition = model("fed", "fed", ["fed_t:excess"], name="feeding")
    events = [event(number, DAY_0 + timedelta(minutes=20 * number), delay=float(number)) for number in range(100)]
    await feature.publish_all("fed", events)
    await feature.counted("fed", 100)
    start, end = DAY_0, DAY_0 + timedelta(days=1)
    code = Artifact(digest=DIGEST, size=1, format="zip")
    await feature.hears(
        ModelRegistered(model="feeding", definition=definition, definition_digest=definition.digest, code=code)
    )

    async def known() -> bool:
        shown = (await feature.client.get("/v1/catalogue/transformations/fed_t")).json()
        assert shown["models"] == [{"model": "feeding", "owner": ""}]
        return True

    await eventually(known)
    await feature.hears(
        TrainingRequested(
            training_id="feeding-1",
            model="feeding",
            trigger=Trigger(kind="manual", moment=end, event_id="e", detail=""),
            span=Window(start=start, end=end),
            as_of=end,
            definition_digest=definition.digest,
            seed=1,
        ),
    )

    async def made() -> dict[str, Any] | None:
        assert not (failed := await feature.facts("dataset_failed", training_id="feeding-1")), failed
        return next(iter(await feature.facts("dataset_materialized", training_id="feeding-1")), None)

    fact = await eventually(made, timeout=40)
    assert fact["views"] == {"fed_v": of.digest}
    assert fact["transformations"] == {"fed_t": digest}
    content = (await feature.client.get(f"/v1/datasets/{fact['dataset']}/content")).content
    dataset = pl.read_parquet(io.BytesIO(content))
    assert dataset.columns == ["key", "event_time", "gate", "fed_t__excess", "label"]
    # Each event is twenty minutes after the one before: the six of the two hours before are usual.
    expected = [number - sum(range(number - 6, number)) / 6 for number in range(6, dataset.height)]
    assert dataset["fed_t__excess"].to_list()[6:] == expected
    assert dataset["fed_t__excess"].is_null().sum() + dataset["fed_t__excess"].is_nan().sum() == 1


async def test_readers_of_a_deprecated_view_are_told_with_each_answer(feature: Feature) -> None:
    await feature.declare(source("told"), view("told_v", "told"))
    body = {"entities": {"carrier": ["UA"]}, "features": ["told_v:flights_1h"]}
    before = await feature.client.post("/get-online-features", json=body)
    assert "deprecation" not in before.headers
    deprecation = {"reason": "slow", "sunset": "2020-01-01T00:00:00Z"}
    assert (await feature.client.put("/v1/feature-views/told_v/deprecation", json=deprecation)).status_code == 204
    for place in ("/get-online-features", "/v1/online-features"):
        answer = await feature.client.post(place, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["sunset"] == "Wed, 01 Jan 2020 00:00:00 GMT"
        assert "its sunset has passed" in answer.headers["warning"]
    withdrawn = await feature.client.delete("/v1/feature-views/told_v/deprecation", params={"reason": "needed"})
    assert withdrawn.status_code == 204
    assert "deprecation" not in (await feature.client.post("/get-online-features", json=body)).headers


async def test_a_viewer_plans_and_changes_nothing(feature: Feature) -> None:
    async with feature.client_of(Role.VIEWER) as viewer:
        assert (await viewer.post("/v1/plan", json={})).json() == []
        assert (await viewer.post("/v1/entities", json={"name": "e", "keys": ["e"]})).status_code == 403
        assert (await viewer.delete("/v1/entities/e", params={"reason": "no"})).status_code == 403


async def test_another_replica_hears_of_what_one_registered(feature: Feature) -> None:
    engine = create_engine(feature.dsn)
    catalogue = Catalogue(units=Units(engine, "feature"))
    hearing = asyncio.create_task(Announcements(feature.dsn, CHANNEL, catalogue.refresh).run())
    try:
        await feature.declare(source("heard"), view("heard_v", "heard"))
        await post(feature, "transformations", transformation("heard_t", "heard_v"))

        async def heard() -> bool:
            assert "heard" in catalogue.validators
            assert catalogue.newest_view("heard_v") is not None
            assert catalogue.transformation("heard_t") is not None
            return True

        await eventually(heard, timeout=3)
        before = catalogue.newest_view("heard_v")
        await gone(feature, "transformations/heard_t", 204)

        async def removed() -> bool:
            assert catalogue.transformation("heard_t") is None
            return True

        await eventually(removed, timeout=3)
        assert catalogue.newest_view("heard_v") is before
    finally:
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing
        await engine.dispose()
