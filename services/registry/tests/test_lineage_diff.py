"""What two versions, runs or datasets differ in, as somebody asks for it."""

import io
import zipfile
from typing import Any

import pytest
from lineage_facts import VIEW, hear, logged, materialized, record, source, training, view
from registry_door import Door
from registry_facts import CODE, define, trained

from pelton.contracts.canonical import canonical_json, sha256
from pelton.contracts.definitions import Aggregate, TransformationDefinition
from pelton.contracts.feature import ColumnProfile, DatasetProfile, FeatureViewApplied, TransformationApplied
from pelton.eventkit.identity import Role
from pelton.registry.files.manifests import Entry, Manifest


def bundle(**files: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.py", content)
    return buffer.getvalue()


def changed(answer: dict[str, Any], section: str) -> dict[str, tuple[Any, Any]]:
    return {
        ".".join(map(str, one["path"])): (one["before"], one["after"]) for one in answer["sections"].get(section, [])
    }


async def test_a_version_is_compared_with_another_in_all_that_it_was_made_of(door: Door) -> None:
    codes = [await door.backend.objects.put(bundle(pipeline=f"trees = {n}\n", same="1")) for n in (1, 2)]
    wider = VIEW.model_copy(
        update={"aggregates": (Aggregate(name="flights", function="count", windows=("7d",)), *VIEW.aggregates)}
    )
    stricter = define(gates={"floors": {"auc": 0.65}})
    profiles = [
        await door.backend.objects.put(
            canonical_json(
                DatasetProfile(
                    rows=1000, columns={"distance": ColumnProfile(type="Float64", missing=n, distinct=5, mean=n / 2)}
                )
            )
        )
        for n in (1, 2)
    ]
    await hear(door, source())
    await hear(door, view())
    await hear(door, FeatureViewApplied(view="route", definition=wider, definition_digest=wider.digest))
    computed = [TransformationDefinition(name="far", request=("km",), features={"far": f"km > {n}"}) for n in (1, 2)]
    for one in computed:
        await hear(door, TransformationApplied(transformation="far", definition=one, definition_digest=one.digest))
    await hear(door, materialized(1, profile=profiles[0]))
    await hear(door, materialized(2, profile=profiles[1], views={"route": wider.digest}, rows=1100))
    for number, definition in ((1, define()), (2, stricter)):
        await door.declare(definition, codes[number - 1])
        views = {"route": (VIEW, wider)[number - 1].digest}
        pins = {"views": views, "transformations": {"far": computed[number - 1].digest}}
        await door.receive(trained(number, definition, code=codes[number - 1], chosen=number - 1, **pins))
    answer = await door.get("/diff", a="late@1", b="late@2")
    assert changed(answer, "parameters") == {"leaves": (7, 15), "layers": (None, "[10,5]")}
    assert changed(answer, "metrics") == {}
    assert changed(answer, "rules") == {
        "floors.auc": (0.6, 0.65),
        "ceilings.brier": (0.2, None),
        "champion_margin": (0.01, None),
    }
    assert changed(answer, "features") == {
        "route.aggregates.flights": (
            None,
            {"name": "flights", "function": "count", "value": None, "where": None, "windows": ["7d"]},
        )
    }
    assert changed(answer, "transformations") == {"far.features.far": ("km > 1", "km > 2")}
    assert changed(answer, "data")["dataset.rows"] == (1000, 1100)
    assert changed(answer, "data")["dataset.statistics.columns.distance.mean"] == (0.5, 1.0)
    assert changed(answer, "dependencies") == {}
    assert changed(answer, "code") == {"bundle": (codes[0], codes[1])}
    (file,) = answer["code"]
    assert (file["path"], file["kind"]) == ("pipeline.py", "changed")
    assert "-trees = 1\n+trees = 2\n" in file["diff"]


async def test_a_thing_does_not_differ_from_itself(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    for fact in (source(), view(), materialized(1), training(1)):
        await hear(door, fact)
    await door.receive(training(1))
    for reference in ("late@1", "run:late-1", sha256(b"dataset 1"), f"definition:{define().digest}"):
        answer = await door.get("/diff", a=reference, b=reference)
        assert answer["sections"]
        assert not any(answer["sections"].values())


async def test_datasets_are_compared_by_their_digests_alone(door: Door) -> None:
    await hear(door, materialized(1))
    await hear(door, materialized(2, positives=300))
    answer = await door.get("/diff", a=sha256(b"dataset 1"), b=f"dataset:{sha256(b'dataset 2')}")
    assert changed(answer, "data")["dataset.positives"] == (200, 300)
    assert answer["a"] == {"kind": "dataset", "id": sha256(b"dataset 1")}


async def test_logged_versions_are_compared_by_their_files_and_requirements(door: Door) -> None:
    area = door.backend.objects.within("files")
    for version, asked in ((1, b"scikit-learn==1.6 # pinned\n"), (2, b"Scikit-Learn==1.7\nnumpy\n\n# c\n")):
        entries = (
            Entry("model.skops", await area.put(b"same"), 4),
            Entry("requirements.txt", await area.put(asked), 9),
        )
        data = Manifest(entries).to_bytes()
        artifact = {"digest": await area.put(data), "size": len(data), "format": "file-manifest"}
        await record(door, logged("m", version, artifact=artifact))
    answer = await door.get("/diff", a="m@1", b="m@2")
    assert changed(answer, "dependencies") == {"scikit-learn": ("==1.6", "==1.7"), "numpy": (None, "")}
    assert list(changed(answer, "files")) == ["requirements.txt"]


async def test_bundles_that_cannot_be_read_are_told_of_and_hide_nothing_else(door: Door) -> None:
    bomb = await door.backend.objects.put(bundle(bomb="0" * 21_000_000))
    for number, code in ((1, bomb), (2, CODE.digest)):
        await door.declare(define(), code)
        await door.receive(trained(number, code=code, chosen=number - 1))
    answer = await door.get("/diff", a="late@1", b="late@2")
    assert "leave data and environments out" in answer["code_note"]
    assert answer["code"] == []
    assert changed(answer, "parameters")


@pytest.mark.parametrize(
    ("reference", "status"),
    [
        ("late@7", 404),
        ("sha256:" + "0" * 64, 404),
        ("run:nobody's", 404),
        ("late", 422),
        ("wheel:1", 422),
        ("a\0", 422),
    ],
)
async def test_what_is_not_there_is_told_with_what_would_be(door: Door, reference: str, status: int) -> None:
    answer = await door.ask("GET", "/diff", params={"a": reference, "b": reference}, role=Role.VIEWER)
    assert answer.status_code == status, answer.text


async def test_who_may_not_read_a_model_learns_nothing_of_it(door: Door) -> None:
    await record(door, logged("secret", 1, source="mlflow-artifacts:/1/hidden"))
    await record(door, logged("open", 1, tags={"pelton.parent": "secret@1"}))
    body = {"models": ["secret*"], "actions": ["read"], "users": ["eve"], "reason": "patients"}
    answer = await door.ask("PUT", "/restrictions/closed", json=body)
    assert answer.status_code < 300, answer.text
    for path in ("/lineage/version/secret@1", "/diff?a=open@1&b=secret@1"):
        refused = await door.ask("GET", path, "bob", Role.CONTRIBUTOR)
        assert refused.status_code == 403, refused.text
        assert "patients" in refused.text
        assert (await door.ask("GET", path, "eve", Role.VIEWER)).status_code == 200
    around = await door.ask("GET", "/lineage/version/open@1", "bob", Role.VIEWER)
    (hidden,) = (node for node in around.json()["nodes"] if node["key"]["id"] == "secret@1")
    assert hidden["attributes"] == {}
    assert "hidden" not in around.text
