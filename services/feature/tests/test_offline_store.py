"""The offline store on real PostgreSQL: what is stored is read once, whatever is merged, dropped or interrupted."""

import asyncio
import io
from collections.abc import AsyncIterator, Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.eventkit.database import create_engine, ensure_database, migrate
from pelton.eventkit.unit import Units
from pelton.feature.columns import ARRIVAL, ID, LATE, OFFSET, PARTITION, TIE, TIME
from pelton.feature.offline import OfflineStore, store
from pelton.feature.offline.files import OvertakenError, by_day, whole
from pelton.feature.offline.reading import OfflineReader, Span
from pelton.feature.offline.segments import Segment, mergeable, outlived
from pelton.feature.offline.upkeep import Upkeep
from pelton.objects.files import Files
from pelton.testkit import PostgresInstance

DAY = 86_400_000
ALL = Span(0, 10**15)
MIGRATIONS = Path(store.__file__).parents[1] / "migrations" / "versions"


class World:
    """A store on a database and a folder of its own."""

    def __init__(self, units: Units, folder: Path) -> None:
        self.units = units
        self.folder = folder
        self.files = Files(folder.as_uri(), folder.parent / "copies")
        self.offline = OfflineStore(self.files, units)
        self.reader = OfflineReader(self.files, units)
        self.retentions: dict[str, int] = {}
        self.upkeep = Upkeep(self.files, units, lambda: self.retentions)

    async def stored(self, source: str, partition: int, events: pl.DataFrame, end: int) -> None:
        self.offline.add(source, partition, events, end)
        await self.offline.flush()

    async def segments(self) -> list[Segment]:
        async with self.units.begin() as unit:
            return await store.segments(unit.connection)

    async def ids(self, source: str, span: Span = ALL) -> list[str]:
        return sorted((await self.reader.load({source: span})).events[source][ID])

    def on_disk(self) -> list[str]:
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*.parquet"))


@pytest.fixture
async def world(postgres: PostgresInstance, unique: str, tmp_path: Path) -> AsyncIterator[World]:
    dsn = postgres.database(f"offline_{unique[-8:]}")
    await ensure_database(dsn.replace("+asyncpg", ""))
    engine = create_engine(dsn.replace("+asyncpg", ""))
    await migrate(engine, [MIGRATIONS])
    found = World(Units(engine, "feature"), tmp_path / "store")
    await found.offline.open()
    yield found
    await engine.dispose()


def events(
    offsets: Sequence[int],
    *,
    partition: int = 0,
    arrivals: Sequence[int] | None = None,
    times: Sequence[int] | None = None,
) -> pl.DataFrame:
    moments = list(times or [offset * 1000 for offset in offsets])
    return pl.DataFrame(
        {
            "amount": [float(offset) for offset in offsets],
            "carrier": [f"c{offset % 3}" for offset in offsets],
            ID: [f"{partition}/{offset}" for offset in offsets],
            TIME: moments,
            PARTITION: [partition] * len(offsets),
            OFFSET: list(offsets),
            ARRIVAL: list(arrivals or moments),
            LATE: [0] * len(offsets),
        },
        schema_overrides={PARTITION: pl.Int32, LATE: pl.Int8},
    )


async def test_segments_meet_and_a_writer_that_was_overtaken_stores_nothing(world: World) -> None:
    other = OfflineStore(world.files, world.units)
    await other.open()
    await world.stored("s", 0, events([0, 1, 2]), 5)
    other.add("s", 0, events([0, 1, 2, 3]), 4)
    with pytest.raises(OvertakenError):
        await other.flush()
    with pytest.raises(OvertakenError):
        other.add("s", 0, events([4]), 5)
    await other.open()
    assert other.end("s", 0) == 5
    other.add("s", 0, events([4, 5, 6]), 7)
    await other.flush()
    assert [(one.start, one.end, one.rows) for one in await world.segments()] == [(0, 5, 3), (5, 7, 2)]
    assert await world.ids("s") == ["0/0", "0/1", "0/2", "0/5", "0/6"]


async def test_what_is_added_while_it_is_being_written_is_kept_for_the_next_time(world: World) -> None:
    world.offline.add("s", 0, events([0, 1]), 2)
    flushing = asyncio.create_task(world.offline.flush())
    await asyncio.sleep(0)
    world.offline.add("s", 0, events([1, 2]), 3)
    await flushing
    assert world.offline.end("s", 0) == 3
    await world.offline.flush()
    assert await world.ids("s") == ["0/0", "0/1", "0/2"]


async def test_anybody_reads_the_folders_as_a_table_by_source_and_day_of_arrival(world: World) -> None:
    await world.stored("a", 0, events([0, 1, 2], arrivals=[0, DAY - 1, DAY]), 3)
    await world.stored("b", 1, events([7], partition=1, arrivals=[DAY]), 8)
    found = duckdb.sql(
        f"SELECT _source, _day::text, count(*) FROM read_parquet('{world.folder}/offline/**/*.parquet') "  # noqa: S608
        "GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert found == [("a", "1970-01-01", 2), ("a", "1970-01-02", 1), ("b", "1970-01-02", 1)]


async def test_reading_takes_the_span_the_fields_and_what_was_known(world: World) -> None:
    late = events([0, 1, 2, 3], arrivals=[0, 1000, 9000, 3000]).with_columns(pl.Series(LATE, [0, 1, 0, 2], pl.Int8))
    await world.stored("s", 0, late, 4)
    assert await world.ids("s", Span(1000, 3000)) == ["0/1", "0/2"]
    assert await world.ids("s", Span(0, 4000, known_ms=5000)) == ["0/0", "0/1"]
    loaded = await world.reader.load({"s": Span(0, 10, fields=frozenset({"amount", LATE})), "nothing": ALL})
    assert set(loaded.events["s"].columns) == {"amount", TIME, LATE, TIE}
    assert loaded.events["nothing"].height == 0
    assert [(one.topic, one.start, one.end) for one in loaded.offsets] == [("pelton.data.s", 0, 4)]


async def test_an_id_counts_once_the_first_by_partition_and_offset(world: World) -> None:
    await world.stored("s", 1, events([0], partition=1).with_columns(pl.lit("same").alias(ID)), 1)
    await world.stored("s", 0, events([3, 4]).with_columns(pl.lit("same").alias(ID)), 5)
    frame = (await world.reader.load({"s": ALL})).events["s"]
    assert frame.select(PARTITION, OFFSET).rows() == [(0, 3)]


async def test_merged_files_hold_the_same_and_the_old_ones_go_once_nobody_reads_them(world: World) -> None:
    for number in range(20):
        await world.stored("s", 0, events([2 * number, 2 * number + 1]), 2 * number + 2)
    before = await world.ids("s")
    assert await world.upkeep.merge() == 19
    assert await world.ids("s") == before
    segments = await world.segments()
    assert [one.start for one in segments[1:]] == [one.end for one in segments[:-1]]
    assert len(world.on_disk()) == 21

    async with world.reader.kept(["s"]):
        sweeping = asyncio.create_task(world.upkeep.sweep(timedelta(0)))
        done, _ = await asyncio.wait({sweeping}, timeout=0.5)
        assert not done
        assert len(world.on_disk()) == 21
    assert await sweeping == 20
    assert world.on_disk() == sorted(one.path for one in segments)
    assert await world.ids("s") == before


async def test_a_crash_between_writing_and_adopting_leaves_a_file_that_is_swept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def dies(*_: object) -> bool:
        raise RuntimeError("killed")

    world.offline.add("s", 0, events([0]), 1)
    with monkeypatch.context() as patched:
        patched.setattr(store, "add", dies)
        with pytest.raises(RuntimeError):
            await world.offline.flush()
    assert len(world.on_disk()) == 1
    assert await world.segments() == []
    assert await world.upkeep.sweep(timedelta(0)) == 1
    assert world.on_disk() == []
    await world.offline.flush()
    assert await world.ids("s") == ["0/0"]


async def test_a_damaged_file_is_not_merged(world: World) -> None:
    for number in range(8):
        await world.stored("s", 0, events([number]), number + 1)
    damaged = world.folder / (await world.segments())[3].path
    frame = pl.read_parquet(io.BytesIO(damaged.read_bytes()))
    frame.with_columns(amount=pl.lit(0.0)).write_parquet(damaged)
    assert await world.upkeep.merge() == 0
    assert len(await world.segments()) == 8


async def test_events_older_than_the_retention_are_dropped_and_what_reads_them_is_told(world: World) -> None:
    await world.stored("s", 0, events([0, 1], times=[0, DAY]), 2)
    await world.stored("s", 0, events([2], times=[3 * DAY]), 3)
    world.retentions = {"s": DAY}
    assert await world.upkeep.drop() == 2
    assert await world.upkeep.drop() == 0
    loaded = await world.reader.load({"s": ALL})
    assert loaded.events["s"][ID].to_list() == ["0/2"]
    assert loaded.dropped == {"s": DAY}
    assert not (await world.reader.load({"s": Span(2 * DAY, 9 * DAY)})).dropped
    await world.offline.open()
    assert world.offline.end("s", 0) == 3
    async with world.units.begin() as unit:
        (told,) = await store.summary(unit.connection)
    assert (told["events"], told["dropped_events"], told["dropped_until_ms"]) == (1, 2, DAY)


SIZES = st.lists(st.tuples(st.integers(1, 300), st.integers(0, 3)), max_size=60)


def listed(sizes: Sequence[tuple[int, int]]) -> list[Segment]:
    found: list[Segment] = []
    start = 0
    for rows, day in sorted(sizes, key=lambda one: one[1]):
        at = day * DAY
        found.append(Segment("s", 0, start, start + rows, str(start), "", rows, 1, at, at, at, at))
        start += rows
    return found


@given(SIZES)
def test_runs_are_neighbours_of_one_day_and_not_too_large(sizes: list[tuple[int, int]]) -> None:
    segments = listed(sizes)
    runs = mergeable(segments, few=4, largest=500)
    taken = [one.start for run in runs for one in run]
    assert len(taken) == len(set(taken))
    for run in runs:
        place = segments.index(run[0])
        assert run == segments[place : place + len(run)]
        assert len({one.day for one in run}) == 1
        assert len(run) > 1
        assert sum(one.rows for one in run) <= 500


@given(SIZES)
def test_merging_ends_and_leaves_few_files(sizes: list[tuple[int, int]]) -> None:
    segments = listed(sizes)
    rewritten = 0
    for _ in range(100):
        runs = mergeable(segments, few=4, largest=500)
        if not runs:
            break
        for run in runs:
            place = segments.index(run[0])
            rows = sum(one.rows for one in run)
            rewritten += rows
            at = run[0].first_ms
            segments[place : place + len(run)] = [
                Segment("s", 0, run[0].start, run[-1].end, str(run[0].start), "", rows, 1, at, at, at, at)
            ]
    else:
        pytest.fail("it never ends")
    assert rewritten <= 8 * sum(rows for rows, _ in sizes)
    newest = segments[-1].day if segments else None
    over = [one for one in segments if one.day != newest]
    assert all(a.rows + b.rows > 500 for a, b in pairwise(over) if a.day == b.day)


def test_what_is_partly_young_enough_is_kept_whole() -> None:
    old, mixed, new = (
        Segment("s", 0, n, n + 1, "", "", 1, 1, first, last, 0, 0)
        for n, (first, last) in enumerate([(0, 4), (0, 5), (6, 15)])
    )
    assert outlived([old, mixed, new], 10) == [old]


@given(st.lists(st.integers(0, 5 * DAY), min_size=1, max_size=30))
def test_days_part_the_offsets_into_ranges_even_when_a_clock_was_set_back(arrivals: list[int]) -> None:
    parts = by_day(events(range(len(arrivals)), arrivals=arrivals).sample(fraction=1, shuffle=True, seed=1))
    assert [offset for part in parts for offset in part[OFFSET].to_list()] == list(range(len(arrivals)))
    days = [int(part[ARRIVAL].max()) // DAY for part in parts]
    assert days == sorted(set(days))


def test_of_events_from_before_there_was_an_arrival_it_is_their_time() -> None:
    found = whole(events([1, 2]).drop(ARRIVAL, LATE))
    assert found.select(ARRIVAL, LATE).rows() == [(1000, 0), (2000, 0)]
