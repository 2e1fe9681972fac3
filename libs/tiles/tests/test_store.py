import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import ingesting
import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition
from pelton.tiles.errors import ForeignRecordError, TilesError
from pelton.tiles.fold import fold
from pelton.tiles.plan import plan_of
from pelton.tiles.reader import TileReader
from pelton.tiles.store import SLACK_MS, LmdbTileStore, tile_key
from pelton.tiles.tiles import Ints, Series, Tiles
from pelton.tiles.values import values

HOUR, DAY = 3_600_000, 86_400_000
TOPIC = "pelton.data.landings"
VIEW = FeatureViewDefinition(
    name="delays",
    source="landings",
    entity="origin",
    aggregates=(
        Aggregate(name="landings", function="count", windows=("1h", "24h")),
        Aggregate(name="least", function="min", value="delay", windows=("24h",)),
    ),
)
PLAN = plan_of(VIEW)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LmdbTileStore]:
    opened = LmdbTileStore(tmp_path / "online")
    yield opened
    opened.close()


def tiles(entity: str, *times_ms: int, view: FeatureViewDefinition = VIEW) -> Tiles:
    times = np.array(times_ms, dtype=np.int64)
    return fold(view, {"origin": np.array([entity] * times.size, dtype=object), "delay": times / HOUR}, times)


def moment(*times_ms: int) -> Ints:
    return np.array(times_ms, dtype=np.int64)


def record(store: LmdbTileStore, entity: str, view: FeatureViewDefinition = VIEW) -> bytes:
    return TileReader.over(store).read(view, [entity]).series(entity).to_bytes()


def damage(store: LmdbTileStore, entity: str, raw: bytes) -> None:
    with store.environment.begin(write=True, db=store.environment.open_db(b"tiles")) as transaction:
        transaction.put(tile_key(PLAN.prefix, entity), raw)


def test_what_one_transaction_holds_is_kept_whole_or_not_at_all(store: LmdbTileStore) -> None:
    def change(*, fail: bool) -> None:
        with store.transaction() as transaction:
            assert transaction.mark_seen("landings", ["a"], moment(HOUR)) == [True]
            transaction.merge(VIEW, tiles("EWR", HOUR))
            transaction.advance("landings", newest_ms=HOUR, oldest_ms=HOUR, events=1)
            transaction.set_offsets({(TOPIC, 0): 1})
            if fail:
                raise ConnectionError("Kafka went away")

    with pytest.raises(ConnectionError):
        change(fail=True)
    assert store.offsets() == {}
    assert store.statistics("landings") is None
    assert store.seen("landings", ["a"]) == [False]
    assert TileReader.over(store).read(VIEW, ["EWR"]).keys() == ()
    change(fail=False)
    assert store.offsets() == {(TOPIC, 0): 1}
    assert store.watermark("landings") == HOUR
    assert store.seen("landings", ["a", "b"]) == [True, False]
    assert record(store, "EWR") == tiles("EWR", HOUR).series("EWR").to_bytes()


def test_an_id_is_new_once_for_each_source_also_within_a_batch(store: LmdbTileStore) -> None:
    with store.transaction() as transaction:
        assert transaction.mark_seen("landings", ["a", "b", "a"], moment(1, 2, 3)) == [True, True, False]
    with store.transaction() as transaction:
        assert transaction.mark_seen("landings", ["b", "c" * 5000], moment(4, 5)) == [False, True]
        assert transaction.mark_seen("departures", ["a"], moment(-6)) == [True]
    assert store.seen("landings", ["a", "c" * 5000, "c" * 4999]) == [True, True, False]


def test_offsets_are_kept_by_topic_and_partition(store: LmdbTileStore) -> None:
    for offsets in ({(TOPIC, 0): 5, (TOPIC, 11): 2**40}, {(TOPIC, 0): 7, ("pelton.data.a/b", 1): 0}):
        with store.transaction() as transaction:
            transaction.set_offsets(offsets)
    assert store.offsets() == {(TOPIC, 0): 7, (TOPIC, 11): 2**40, ("pelton.data.a/b", 1): 0}


@given(st.lists(st.tuples(st.integers(-(2**40), 2**40), st.integers(0, 5)), min_size=1, max_size=5))
@settings(max_examples=20)
def test_statistics_do_not_depend_on_the_order(batches: list[tuple[int, int]]) -> None:
    found = []
    for order in (batches, batches[::-1]):
        with TemporaryDirectory() as folder:
            store = LmdbTileStore(Path(folder))
            for time, events in order:
                with store.transaction() as transaction:
                    transaction.advance("landings", newest_ms=time + events, oldest_ms=time, events=events)
            found.append(store.statistics("landings"))
            store.close()
    assert found[0] == found[1]
    assert found[0] is not None
    assert found[0].watermark_ms == max(time + events for time, events in batches)
    assert found[0].first_ms == min(time for time, _ in batches)
    assert found[0].events == sum(events for _, events in batches)


def test_versions_of_a_view_live_side_by_side(store: LmdbTileStore) -> None:
    other = VIEW.model_copy(update={"description": "another version"})
    with store.transaction() as transaction:
        transaction.merge(VIEW, tiles("EWR", HOUR))
        transaction.merge(other, tiles("EWR", HOUR, 5 * HOUR, view=other))
    assert record(store, "EWR") == tiles("EWR", HOUR).series("EWR").to_bytes()
    assert record(store, "EWR", other) == tiles("EWR", HOUR, 5 * HOUR).series("EWR").to_bytes()


@pytest.mark.parametrize("name", ["", "x" * 400, "x" * 401, "x" * 100_000, "ü" * 300, "a\0b", "\U0001f6eb" * 120])
def test_an_entity_may_have_any_name(store: LmdbTileStore, name: str) -> None:
    near = name + "x"
    with store.transaction() as transaction:
        transaction.merge(VIEW, tiles(name, HOUR))
        transaction.merge(VIEW, tiles(near, HOUR, HOUR))
    found = TileReader.over(store).read(VIEW, [name, near, name + "y"])
    assert set(found.keys()) == {name, near}
    counts = values(VIEW, found, [name, near, name + "y"], moment(2 * HOUR, 2 * HOUR, 2 * HOUR))["landings_1h"]
    assert counts.tolist() == [1.0, 2.0, 0.0]


@given(st.permutations([0, 3 * HOUR, 10 * DAY, SLACK_MS, SLACK_MS + DAY, SLACK_MS + 25 * HOUR, 40 * DAY, 40 * DAY + 1]))
@settings(max_examples=25)
def test_what_no_window_reaches_is_dropped_whatever_the_order(order: list[int]) -> None:
    with TemporaryDirectory() as folder:
        store = LmdbTileStore(Path(folder))
        for time in order:
            with store.transaction() as transaction:
                transaction.merge(VIEW, tiles("EWR", time))
        kept = TileReader.over(store).read(VIEW, ["EWR"])
        store.close()
    newest = 40 * DAY
    assert kept.series("EWR").starts.min() >= newest - SLACK_MS - DAY - HOUR
    whole = tiles("EWR", *order)
    # As far back as the slack, pruning changes no value.
    at = np.arange(newest - SLACK_MS, newest + 2 * DAY, HOUR, dtype=np.int64)
    keys = ["EWR"] * at.size
    online, offline = values(VIEW, kept, keys, at), values(VIEW, whole, keys, at)
    assert {name: column.tobytes() for name, column in online.items()} == {
        name: column.tobytes() for name, column in offline.items()
    }


@pytest.mark.parametrize(
    "damaged",
    [
        lambda _raw: b"",
        lambda raw: raw[:4],
        lambda raw: raw[:-1],
        lambda raw: raw + b"\0",
        lambda raw: raw[:-8],
        lambda raw: b"\x03" + raw[1:],  # another format
        lambda raw: raw[:1] + b"\x09" + raw[2:],  # another width
        lambda raw: raw[:4] + b"\xff\xff\xff\xff" + raw[8:],  # another number of tiles
    ],
)
def test_a_foreign_or_damaged_record_is_refused_not_read(store: LmdbTileStore, damaged: object) -> None:
    assert callable(damaged)
    damage(store, "EWR", damaged(tiles("EWR", HOUR).series("EWR").to_bytes()))
    with pytest.raises(ForeignRecordError, match=r"damaged"):
        TileReader.over(store).read(VIEW, ["EWR"])

    def ingest() -> None:
        with store.transaction() as transaction:
            transaction.set_offsets({(TOPIC, 0): 1})
            transaction.merge(VIEW, tiles("EWR", 2 * HOUR))

    with pytest.raises(ForeignRecordError):
        ingest()
    assert store.offsets() == {}


def test_a_record_of_the_former_format_says_which_and_what_to_do(store: LmdbTileStore) -> None:
    damage(store, "EWR", b"\x01" + tiles("EWR", HOUR).series("EWR").to_bytes()[1:])
    with pytest.raises(ForeignRecordError, match=r"format 1, .* reads format 2; .* Rebuild the online store"):
        TileReader.over(store).read(VIEW, ["EWR"])


def test_a_view_may_have_more_columns_than_a_byte_counts(store: LmdbTileStore) -> None:
    wide = FeatureViewDefinition(
        name="wide",
        source="landings",
        entity="origin",
        aggregates=tuple(
            Aggregate(name=f"a{place}", function="sum", value=f"delay + {place}", windows=("1h",))
            for place in range(100)
        ),
    )
    with store.transaction() as transaction:
        transaction.merge(wide, tiles("EWR", HOUR, view=wide))
    found = values(wide, TileReader.over(store).read(wide, ["EWR"]), ["EWR"], moment(2 * HOUR))
    assert [column[0] for column in found.values()] == [1.0 + place for place in range(100)]


@given(st.binary(max_size=64))
def test_any_bytes_are_tiles_or_refused(raw: bytes) -> None:
    with suppress(ForeignRecordError):
        series = Series.from_bytes(raw, PLAN)
        assert series.columns.shape == (PLAN.width, series.starts.size)


READ = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_store import VIEW, HOUR, moment
from pelton.tiles.reader import TileReader
from pelton.tiles.values import values
reader = TileReader(Path(sys.argv[1]))
for _ in sys.stdin:
    found = reader.read(VIEW, ["EWR", "JFK"])
    print(values(VIEW, found, ["EWR"], moment(2 * HOUR))["landings_1h"][0], *found.keys(), flush=True)
"""


def test_another_process_reads_what_is_committed_even_if_it_came_first(tmp_path: Path) -> None:
    folder = tmp_path / "online"
    command = [sys.executable, "-c", READ, str(folder), str(Path(__file__).parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdin is not None
        assert reader.stdout is not None

        def read() -> str:
            assert reader.stdin is not None
            assert reader.stdout is not None
            print(file=reader.stdin, flush=True)
            return reader.stdout.readline().strip()

        assert read() == "0.0"  # no folder yet
        folder.mkdir()
        lmdb.open(str(folder), map_size=2**30, max_dbs=8).close()
        assert read() == "0.0"  # a file without its tables yet
        store = LmdbTileStore(folder)
        with store.transaction() as transaction:
            transaction.merge(VIEW, tiles("EWR", HOUR))
            assert read() == "0.0"  # not committed yet
        assert read() == "1.0 EWR"
        with store.transaction() as transaction:
            transaction.merge(VIEW, tiles("EWR", HOUR))
            transaction.merge(VIEW, tiles("JFK", HOUR))
        assert read() == "2.0 EWR JFK"
        store.close()
        reader.stdin.close()
    assert reader.returncode == 0


def test_a_file_that_is_no_store_is_named(tmp_path: Path) -> None:
    (tmp_path / "data.mdb").write_bytes(b"not LMDB" * 1000)
    with pytest.raises(TilesError, match=str(tmp_path)):
        TileReader(tmp_path).read(VIEW, ["EWR"])


def test_a_second_opening_in_the_writers_process_is_refused_with_words(store: LmdbTileStore) -> None:
    reader = TileReader(Path(store.environment.path()))
    with pytest.raises(TilesError, match="already open"):
        reader.read(VIEW, ["EWR"])


def test_killed_at_any_commit_tiles_ids_and_offsets_agree_and_nothing_counts_twice(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(ingesting.__file__)), str(tmp_path)]
    kills, last = 0, ""
    while last != "done":
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            # It is killed in the middle of whatever it does after so many commits.
            for _ in range(17 + 29 * kills):
                last = writer.stdout.readline().strip()
                if last == "done":
                    break
            else:
                writer.kill()
                kills += 1
        check_agreement(tmp_path)
    assert kills >= 3
    assert check_agreement(tmp_path) == ingesting.EVENTS


def check_agreement(folder: Path) -> int:
    """Every part of the store holds the events before its offset, and no other."""
    store = LmdbTileStore(folder)
    offset = store.offsets()[ingesting.PARTITION]
    expected = ingesting.tiles(0, offset)
    found = TileReader.over(store).read(ingesting.VIEW, expected.keys())
    assert {name: found.series(name).to_bytes() for name in found.names} == {
        name: expected.series(name).to_bytes() for name in expected.names
    }
    assert all(store.seen("landings", ingesting.ids(0, offset)))
    assert not any(store.seen("landings", ingesting.ids(offset, ingesting.EVENTS)))
    statistics = store.statistics("landings")
    assert statistics is not None
    assert statistics.events == offset
    assert statistics.watermark_ms == ingesting.times(0, offset).max()
    store.close()
    return offset
