"""A registry that Feast 0.67 wrote (of `tests/feast/feast_shop.py`), imported without Feast."""

import shutil
from pathlib import Path

import pytest
from command import Command

from pelton.cli.feast.code import render
from pelton.cli.feast.registry import FeastRegistryError, Registry, read_registry
from pelton.cli.feast.translation import Translation, duration, translate
from pelton.cli.feast.wire import Message, WireError
from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    Latest,
    SourceDefinition,
)

RECORDED = Path(__file__).with_name("feast_registry.db")


@pytest.fixture(scope="module")
def registry() -> Registry:
    return read_registry(RECORDED)


@pytest.fixture(scope="module")
def translated(registry: Registry) -> Translation:
    return translate(registry)


def test_a_view_is_the_latest_values_of_its_push_source_no_older_than_its_time_to_live(
    translated: Translation,
) -> None:
    views = {one.name: one for one in translated.views}
    assert list(views) == ["driver_stats", "driver_visits", "described"]
    assert views["driver_stats"] == FeatureViewDefinition(
        name="driver_stats",
        description="What a driver did lately.",
        source="driver_push",
        entity="driver",
        keys=("driver_id",),
        latest=tuple(Latest(name=name, value=name) for name in ("rate", "trips", "city", "active")),
        max_age="1d",
        owner="ann",
        tags={"tier": "gold"},
    )
    assert (views["driver_visits"].join_keys, views["driver_visits"].max_age) == (("driver_id", "shop_id"), None)


def test_a_source_has_the_columns_of_its_views_in_their_types(translated: Translation) -> None:
    sources = {one.name: one for one in translated.sources}
    assert list(sources) == ["driver_push", "visit_push", "described_rows"]
    pushed = sources["driver_push"]
    assert (pushed.key, pushed.event_time, pushed.lateness) == ("driver_id", "event_timestamp", "1d")
    assert pushed.json_schema["required"] == ["driver_id", "event_timestamp"]
    assert pushed.json_schema["properties"] == {
        "driver_id": {"type": "integer"},
        "rate": {"type": ["number", "null"]},
        "trips": {"type": ["integer", "null"]},
        "city": {"type": ["string", "null"]},
        "active": {"type": ["boolean", "null"]},
        "event_timestamp": {"type": "string", "format": "date-time"},
    }
    assert sources["visit_push"].lateness == "365d"


def test_entities_and_feature_services_come_along(translated: Translation) -> None:
    assert translated.entities == [
        EntityDefinition(name="driver", keys=("driver_id",), description="Who drives.", tags={"team": "operations"}),
        EntityDefinition(name="shop", keys=("shop_id",)),
        EntityDefinition(name="driver_shop", keys=("driver_id", "shop_id")),
    ]
    features = ("driver_stats:rate", "driver_stats:city", "driver_visits:score", "driver_visits:visits")
    assert translated.services == [
        FeatureServiceDefinition(name="ranking", features=features, owner="bob", description="What ranks.")
    ]


def test_what_pelton_has_nothing_for_is_named_with_the_reason(translated: Translation) -> None:
    reasons = dict(line.split(": ", 1) for line in translated.left_out)
    assert "runs Python code" in reasons["scaled"]
    assert "of no entity" in reasons["overall"]
    assert "a list, a map" in reasons["described:vector"]
    assert "publish it as note" in reasons["described_rows"]
    assert "scaled:scaled_rate" in reasons["feature service ranking_scaled"]
    assert "renames views" in reasons["feature service aliased"]
    assert len(reasons) == 6


def test_the_code_that_is_written_declares_just_that(registry: Registry, translated: Translation) -> None:
    declared: dict[str, object] = {}
    code = render(translated, registry.project)
    exec(code, declared)  # noqa: S102 - our own code is what is tested
    made = list(declared.values())
    assert [one for one in made if isinstance(one, SourceDefinition)] == translated.sources
    assert [one for one in made if isinstance(one, EntityDefinition)] == translated.entities
    assert [one for one in made if isinstance(one, FeatureServiceDefinition)] == translated.services
    views = [one for one in made if isinstance(one, FeatureViewDefinition)]
    assert [one.digest for one in views] == [one.digest for one in translated.views]
    assert max(map(len, code.splitlines())) <= 120


def test_the_command_writes_a_project_and_says_what_is_left_out(pelton: Command, tmp_path: Path) -> None:
    store = tmp_path / "feast"
    store.mkdir()
    shutil.copy(RECORDED, store / "registry.db")
    (store / "feature_store.yaml").write_text("project: shop\nregistry: {path: registry.db}\n")
    done = pelton("features", "import-feast", str(store), str(tmp_path / "mine"))
    assert done.code == 0, done.err
    assert "3 entities, 3 sources, 3 feature views and 1 feature services of shop" in done.out
    assert "left out: overall: it is of no entity" in done.out
    assert "driver_stats = FeatureView(" in (tmp_path / "mine" / "features.py").read_text()


def test_a_features_file_that_is_there_is_not_written_over(pelton: Command, tmp_path: Path) -> None:
    (tmp_path / "features.py").write_text("mine = 1\n")
    assert "--force" in pelton("features", "import-feast", str(RECORDED), str(tmp_path)).error
    assert (tmp_path / "features.py").read_text() == "mine = 1\n"


@pytest.mark.parametrize(
    ("yaml", "words"),
    [
        ("registry: {registry_type: sql, path: 'postgresql://x'}", "copy the registry to a file"),
        ("registry: s3://bucket/registry.db", "copy the registry to a file"),
        ("registry: gone.db", "cannot be read"),
        ("registry: [", "is no YAML"),
        ("- 1", "names no registry file"),
        ("registry: feature_store.yaml", "is no registry file of Feast's"),
    ],
)
def test_what_is_no_registry_file_is_told_with_what_to_do(tmp_path: Path, yaml: str, words: str) -> None:
    (tmp_path / "feature_store.yaml").write_text(yaml)
    with pytest.raises(FeastRegistryError, match=words):
        read_registry(tmp_path)


def test_of_several_projects_one_must_be_named(tmp_path: Path) -> None:
    other = RECORDED.read_bytes().replace(b"\x12\x04shop", b"\x12\x04shoe")
    both = tmp_path / "both.db"
    # Repeated fields of two messages one after the other are those of both.
    both.write_bytes(RECORDED.read_bytes() + other)
    with pytest.raises(FeastRegistryError, match="shoe, shop"):
        read_registry(both)
    assert read_registry(both, "shop").views == read_registry(RECORDED).views


def test_another_project_has_nothing() -> None:
    assert not read_registry(RECORDED, "other").views


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x0a\x05ab", "should end at byte 7"),
        (b"\x0b", "wire type 3"),
        (b"\x00\x01", "no field"),
        (b"\x08\xff", "does not end"),
        (b"\x08" + b"\xff" * 11, "does not end"),
    ],
)
def test_bytes_that_are_no_message_are_refused(data: bytes, words: str) -> None:
    with pytest.raises(WireError, match=words):
        Message.parse(data)


def test_a_message_is_read_by_its_fields_numbers() -> None:
    message = Message.parse(b"\x08\x96\x01\x12\x02ab\x12\x01c\x1d\x00\x00\x80\x3f")
    assert (message.number(1), message.texts(2), message.text(2), 3 in message, 4 in message) == (
        150,
        ["ab", "c"],
        "c",
        True,
        False,
    )
    with pytest.raises(WireError, match="no number"):
        message.number(2)
    with pytest.raises(WireError, match="a number where"):
        message.texts(1)


@pytest.mark.parametrize(
    ("length", "expected"),
    [(0, None), (1, "1s"), (90, "90s"), (120, "2m"), (7200, "2h"), (86_400, "1d"), (36 * 3600, "36h"), (2**40, None)],
)
def test_a_length_is_written_in_the_largest_unit_that_fits(length: int, expected: str | None) -> None:
    assert duration(length) == expected
