"""Reading a project folder: what is wrong is told by file and field."""

import io
import os
import sys
import zipfile
from pathlib import Path

import pytest
from sdk_project import FEATURES, MODEL, write

from pelton.sdk.errors import ProjectError
from pelton.sdk.project import bundle, load_project


def test_a_project_is_its_model_its_sources_its_views_and_its_code(tmp_path: Path) -> None:
    project = load_project(write(tmp_path))
    assert project.model.name == "late"
    assert [one.name for one in project.sources] == ["departures", "landings"]
    assert [one.name for one in project.views] == ["by_carrier"]
    assert [one.name for one in project.entities] == ["carrier"]
    assert [one.features for one in project.transformations] == [{"excess": "delay - usual"}]
    assert [one.name for one in project.services] == ["usual"]
    with zipfile.ZipFile(io.BytesIO(project.code)) as archive:
        assert archive.namelist() == ["features.py", "pipeline.py"]


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("name: [", r"pelton\.yaml is not YAML"),
        ("name: a\nname: b\n", r"pelton\.yaml is not YAML: 'name' is given twice"),
        ("triggers: {budget: 1, budget: 2}\n", "'budget' is given twice"),
        ("a: &a {x: 1}\nb: {<<: *a, y: !!python/object:os.system {}}\n", "is not YAML"),
        ("seed: " + "9" * 5000, "is not YAML"),
        ("[" * 3000, "is not YAML"),
        ("", "declares no model"),
        ("just words", "declares no model"),
        ("- name: a\n", "declares no model"),
        ("name: late\n", r"pelton\.yaml: source: Field required; label: Field required"),
    ],
)
def test_a_file_that_is_no_model_says_why(tmp_path: Path, text: str, fault: str) -> None:
    (write(tmp_path) / "pelton.yaml").write_text(text)
    with pytest.raises(ProjectError, match=fault):
        load_project(tmp_path)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (write(tmp_path) / "pelton.yaml").write_bytes("name: M\xfcnchen".encode("latin-1"))
    with pytest.raises(ProjectError, match=r"pelton\.yaml is not YAML: .*utf-8"):
        load_project(tmp_path)


def test_a_file_is_read_as_utf_8_whatever_the_machine_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    (write(tmp_path) / "pelton.yaml").write_bytes((tmp_path / "pelton.yaml").read_bytes() + "owner: Zürich\n".encode())
    assert load_project(tmp_path).model.owner == "Zürich"


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"training": {"history": "60d", "holdout": "10d", "rows": 5}}, r"training\.rows: Extra inputs"),
        ({"rollout": {"alpha": 1}}, r"rollout\.alpha: Input should be less than 1"),
        ({"rollout": {"steps": [0.5, 0.1]}}, r"rollout: step 0\.1 after 0\.5"),
        ({"training": {"history": "5d", "holdout": "10d"}}, r"pelton\.yaml: training\.history of 5d leaves no row"),
        ({"source": "arrivals"}, r"source names 'arrivals', which features\.py does not declare"),
        ({"label": MODEL["label"] | {"source": "arrivals"}}, r"label\.source names 'arrivals'"),
        (
            {"inputs": {"features": ["by_carrier:delay_9h"]}},
            "by_carrier:delay_9h, which no feature view and no transformation has",
        ),
        ({"inputs": {"request": ["speed"]}}, r"inputs\.request has 'speed', no field of .*'departures', .*distance"),
        (
            {"evaluation": {"fairness": ["sex"]}},
            r"evaluation has 'sex', no field of the source 'departures', which has: ",
        ),
        ({"pipeline": {"entry": "train:build"}}, r"pipeline\.entry names train\.py, which is not in the folder"),
        ({"pipeline": {"entry": "pipeline:make"}}, r"pipeline\.entry names make, which pipeline\.py does not define"),
        ({"pipeline": {"entry": "pipeline"}}, r"pipeline\.entry: "),
    ],
)
def test_a_model_that_cannot_work_says_why(tmp_path: Path, changes: dict[str, object], fault: str) -> None:
    with pytest.raises(ProjectError, match=fault):
        load_project(write(tmp_path, **changes))


def test_an_attribute_is_an_input_or_a_field_of_the_source(tmp_path: Path) -> None:
    attributes = ["by_carrier__delay_3h", "distance", "carrier"]
    assert load_project(write(tmp_path, evaluation={"segments": attributes})).model.attributes == ("carrier",)


@pytest.mark.parametrize(
    ("features", "fault"),
    [
        ("x = (", r"features\.py does not run: SyntaxError"),
        ("1 / 0", r"features\.py does not run: ZeroDivisionError"),
        ("raise SystemExit('no')", r"features\.py does not run: SystemExit: no"),
        ("import not_a_module_at_all", "ModuleNotFoundError"),
        (FEATURES.replace('windows=("3h",)', "windows=()"), r"features\.py, Aggregate: windows"),
        (FEATURES.replace('event_time="at", ', "", 1), r"features\.py, SourceDefinition: event_time: Field required"),
        (
            FEATURES + "\nother = delay.model_copy()\nlate = landings.model_copy(update={'lateness': '2h'})\n",
            "'landings'",
        ),
        (FEATURES.replace('source="landings"', 'source="arrivals"'), "'by_carrier' is of the source 'arrivals'"),
        (FEATURES.replace('"by_carrier:delay_3h"}', '"by_carrier:delay_9h"}'), "'surprise' reads by_carrier:delay_9h"),
        (FEATURES.replace('"surprise:excess"', '"surprise:joy"'), "service 'usual' names surprise:joy"),
        (FEATURES.replace("delay - usual", "1 if delay else 2"), r"features\.py does not run: .*surprise: .*an `if`"),
        (FEATURES.replace('entity="carrier"', 'entity="tail"'), "the entity of 'by_carrier' has 'tail', no field of"),
    ],
)
def test_features_that_cannot_work_say_why(tmp_path: Path, features: str, fault: str) -> None:
    with pytest.raises(ProjectError, match=fault):
        load_project(write(tmp_path, features=features))


@pytest.mark.parametrize("name", ["pelton.yaml", "features.py", "pipeline.py"])
def test_a_file_that_is_missing_is_named(tmp_path: Path, name: str) -> None:
    (write(tmp_path) / name).unlink()
    with pytest.raises(ProjectError, match=name.replace(".", r"\.")):
        load_project(tmp_path)


def test_a_folder_in_a_files_place_is_named(tmp_path: Path) -> None:
    (write(tmp_path) / "pelton.yaml").unlink()
    (tmp_path / "pelton.yaml").mkdir()
    with pytest.raises(ProjectError, match=r"pelton\.yaml cannot be read"):
        load_project(tmp_path)


def test_a_pipeline_that_is_no_python_is_named(tmp_path: Path) -> None:
    with pytest.raises(ProjectError, match=r"pipeline\.py is not Python"):
        load_project(write(tmp_path, code="def build(:\n"))


@pytest.mark.parametrize(
    "code", ["from elsewhere import build", "import elsewhere as build", "build = lambda: 1", "class build: ..."]
)
def test_an_entry_may_be_defined_in_any_way(tmp_path: Path, code: str) -> None:
    assert load_project(write(tmp_path, code=code)).model.pipeline.entry == "pipeline:build"


def test_one_thing_under_two_names_is_one_thing(tmp_path: Path) -> None:
    project = load_project(write(tmp_path, features=FEATURES + "\nalso = landings\nagain = by_carrier\n"))
    assert (len(project.sources), len(project.views)) == (2, 1)


def test_features_import_their_neighbours_and_two_projects_do_not_share_them(tmp_path: Path) -> None:
    for number in (1, 2):
        folder = write(
            tmp_path / f"p{number}", features="from shared import LATENESS\n" + FEATURES + "\nx = LATENESS\n"
        )
        (folder / "shared.py").write_text(f"LATENESS = {number}\n")
        (folder / "features.py").write_text(
            (folder / "features.py").read_text().replace('key="flight"', 'key="flight", lateness=f"{LATENESS}h"')
        )
    before = list(sys.path)
    assert [load_project(tmp_path / f"p{number}").sources[0].lateness for number in (1, 2)] == ["1h", "2h"]
    assert sys.path == before
    assert "shared" not in sys.modules
    assert not list(tmp_path.rglob("__pycache__"))


def test_features_may_hold_dataclasses_with_names_for_types(tmp_path: Path) -> None:
    extra = "from __future__ import annotations\nfrom dataclasses import dataclass\n"
    features = extra + FEATURES + "\n@dataclass\nclass Setting:\n    hours: int = 1\n"
    assert load_project(write(tmp_path, features=features)).sources


def test_the_same_code_is_the_same_bytes_whenever_and_wherever_it_was_written(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    os.utime(second / "pipeline.py", (0, 0))
    (second / "pipeline.py").chmod(0o600)
    (second / "data.csv").write_text("not code")
    (second / "folder.py").mkdir()
    assert bundle(first) == bundle(second)
    (second / "pipeline.py").write_text("other")
    assert bundle(first) != bundle(second)
