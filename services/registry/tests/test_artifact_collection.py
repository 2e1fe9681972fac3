import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from pelton.contracts.canonical import sha256
from pelton.eventkit.unit import Units
from pelton.objects import Draft, Objects
from pelton.registry.files import FileTree, collection, manifest, read_manifest
from pelton.registry.files.collection import Collector
from pelton.registry.files.paths import InvalidPathError
from pelton.registry.files.tree import FileKeptError, PathTakenError

RUN = "1/abc/artifacts"
GRACE = timedelta(days=1)
RETENTION = timedelta(days=30)


class Place:
    """Files, their collector, and a clock that only the test moves."""

    def __init__(self, units: Units, pool: asyncpg.Pool, folder: Path) -> None:
        self.now = datetime.now(UTC)  # manifests are timed by the database
        self.objects = Objects(folder.as_uri())
        self.units = Units(units.engine, "registry", clock=lambda: self.now)
        self.tree = FileTree.of(pool, self.objects, lambda: self.now)
        self.collector = Collector(self.units, self.objects, GRACE, RETENTION)

    async def write(self, path: str, content: bytes | None = None) -> None:
        async def pieces() -> AsyncIterator[bytes]:
            yield path.encode() if content is None else content

        await self.tree.write(path, pieces(), "ann")

    async def version(self, location: str, number: int = 1, stage: str = "development") -> str:
        """A version made of a location, as a command makes it."""
        async with self.units.engine.begin() as connection:
            kept = await manifest(connection, self.objects, f"mlflow-artifacts:/{location}")
            assert kept is not None
            await connection.execute(
                text("""
                    INSERT INTO versions (model, version, stage, location, artifact, created_at, updated_at)
                    VALUES ('late', :number, :stage, :location, :artifact, now(), now())
                    ON CONFLICT (model, version) DO UPDATE
                    SET artifact = EXCLUDED.artifact, location = EXCLUDED.location
                """),
                {
                    "number": number,
                    "stage": stage,
                    "location": f"mlflow-artifacts:/{location}",
                    "artifact": kept.digest,
                },
            )
        return kept.digest

    async def execute(self, statement: str, **values: object) -> None:
        async with self.units.engine.begin() as connection:
            await connection.execute(text(statement), values)

    async def held(self) -> set[str]:
        return {digest async for digest in self.objects.within("files").digests()}

    async def check(self) -> None:
        """Whatever has a path, or belongs to a version, can be read."""
        async with self.units.engine.connect() as connection:
            paths = (await connection.execute(text("SELECT DISTINCT digest FROM files"))).scalars().all()
            versions = (await connection.execute(text("SELECT DISTINCT artifact FROM versions"))).scalars().all()
        area = self.objects.within("files")
        for digest in paths:
            await area.get(digest)
        for digest in versions:
            for one in (await read_manifest(self.objects, digest)).files:
                await area.get(one.digest)


@pytest.fixture
async def place(units: Units, pool: asyncpg.Pool, tmp_path: Path) -> Place:
    return Place(units, pool, tmp_path / "objects")


async def test_what_lost_its_path_is_deleted_once_it_is_old(place: Place) -> None:
    await place.write(f"{RUN}/a")
    await place.write(f"{RUN}/b")
    await place.tree.delete(f"{RUN}/a")
    place.now += GRACE
    assert (await place.collector.collect()).contents == 0
    place.now += timedelta(seconds=1)
    shown = await place.collector.preview()
    assert (shown.contents, shown.bytes, list(shown.digests)) == (1, len(f"{RUN}/a"), [sha256(f"{RUN}/a".encode())])
    assert len(await place.held()) == 2
    assert await place.collector.collect() == shown
    assert await place.held() == {sha256(f"{RUN}/b".encode())}
    assert (await place.collector.preview()).contents == 0


async def test_a_content_that_another_path_has_stays(place: Place) -> None:
    await place.write(f"{RUN}/a", b"same")
    await place.write(f"{RUN}/b", b"same")
    await place.tree.delete(f"{RUN}/a")
    place.now += 2 * GRACE
    assert (await place.collector.collect()).contents == 0
    await place.check()


@pytest.mark.parametrize("stage", ["development", "staging", "production", "archived"])
async def test_what_a_version_was_made_of_stays_until_the_version_is_deleted(place: Place, stage: str) -> None:
    await place.write(f"{RUN}/m/a")
    await place.write(f"{RUN}/m/b")
    await place.version(f"{RUN}/m", stage="archived")
    await place.tree.delete(f"{RUN}/m")
    await place.execute("UPDATE versions SET stage = :stage", stage=stage)
    place.now += 2 * GRACE
    assert (await place.collector.collect()).contents == 0
    await place.check()
    await place.execute("DELETE FROM versions")
    # the manifest, and what only it listed
    assert (await place.collector.collect()).contents == 3
    assert await place.held() == set()


async def test_what_was_put_again_is_as_new(place: Place) -> None:
    await place.write(f"{RUN}/a", b"same")
    await place.tree.delete(f"{RUN}/a")
    place.now += 2 * GRACE
    await place.write(f"{RUN}/b", b"same")
    await place.tree.delete(f"{RUN}/b")
    assert (await place.collector.collect()).contents == 0
    place.now += 2 * GRACE
    assert (await place.collector.collect()).contents == 1


async def test_objects_of_the_rest_of_the_platform_are_never_touched(place: Place) -> None:
    digest = await place.objects.put(b"a dataset, or a model that was trained")
    await place.write(f"{RUN}/a", b"a dataset, or a model that was trained")
    await place.tree.delete(f"{RUN}/a")
    place.now += 2 * GRACE
    assert (await place.collector.collect()).contents == 1
    assert await place.objects.exists(digest)


async def test_files_of_runs_and_models_that_were_deleted_go_when_they_cannot_be_restored_any_more(
    place: Place, pool: asyncpg.Pool
) -> None:
    await place.execute("""
        INSERT INTO tracked_runs (run_id, experiment_id, run_name, user_id, status, start_time, artifact_uri)
        SELECT run, 1, '', '', 'FINISHED', 0, 'mlflow-artifacts:/1/' || run || '/artifacts'
        FROM unnest(ARRAY['kept', 'gone', 'made', 'back']) AS run
    """)
    for run in ("kept", "gone", "made", "back", "gone0"):
        await place.write(f"1/{run}/artifacts/m/a")
    await place.version("1/made/artifacts/m")
    await place.execute("UPDATE tracked_runs SET lifecycle_stage = 'deleted' WHERE run_id <> 'kept'")
    assert (await place.collector.collect()).files == 0
    place.now += RETENTION
    assert (await place.collector.collect()).files == 0
    await place.execute("UPDATE tracked_runs SET lifecycle_stage = 'active' WHERE run_id = 'back'")
    place.now += timedelta(seconds=1)
    shown = await place.collector.preview()
    assert (shown.files, shown.contents) == (1, 1)
    assert await place.collector.collect() == shown
    left = await pool.fetch("SELECT path FROM files ORDER BY path")
    assert [row["path"].split("/")[1] for row in left] == ["back", "gone0", "kept", "made"]
    await place.check()


async def test_uploads_that_nobody_finished_go_with_their_parts(place: Place) -> None:
    await place.execute("INSERT INTO uploads VALUES ('u', '1/x', 'ann', 1, :now)", now=place.now)
    await place.write("part")
    await place.execute("INSERT INTO upload_parts SELECT 'u', 1, digest, size FROM files")
    await place.tree.delete("part")
    place.now += GRACE + timedelta(seconds=1)
    assert (await place.collector.collect()).contents == 1
    assert await place.held() == set()


async def test_what_a_killed_process_had_half_written_goes(place: Place, tmp_path: Path) -> None:
    half = tmp_path / "objects" / "files" / "drafts" / "abc#1"
    half.parent.mkdir(parents=True)
    half.touch()
    await place.collector.collect()
    assert half.exists()
    place.now += GRACE + timedelta(minutes=1)
    await place.collector.collect()
    assert not half.exists()


@dataclass
class Churn:
    """Clients that write, delete and log whatever they like, at once."""

    place: Place
    random: Random

    async def step(self) -> None:
        path = f"{self.random.choice('ab')}/{self.random.choice('xy')}"
        match self.random.randrange(4):
            case 0 | 1:
                await self.place.write(path, self.random.choice([b"one", b"two", b"three", b"four"]))
            case 2:
                await self.place.tree.delete(self.random.choice([path, path[0]]))
            case _:
                await self.place.version(path[0], number=self.random.randrange(1, 3))

    async def run(self, steps: int) -> None:
        for _ in range(steps):
            try:
                await self.step()
            except (PathTakenError, FileKeptError, InvalidPathError, AssertionError):
                continue  # somebody else was faster


async def test_nothing_that_is_needed_is_ever_deleted_whatever_happens_at_once(place: Place) -> None:
    """What is older than the grace is collected while everybody writes, so that only the protocol protects it."""
    random = Random(7)  # noqa: S311 - not for secrets
    collected = 0
    for _ in range(6):
        place.now += GRACE + timedelta(seconds=1)
        if random.random() < 0.5:
            await place.execute("DELETE FROM versions")
        churns = [Churn(place, Random(random.random())).run(8) for _ in range(6)]  # noqa: S311 - not for secrets
        *_, taken = await asyncio.gather(*churns, _take(place, 12))
        collected += taken
        await place.check()
    assert collected > 0


async def _take(place: Place, times: int) -> int:
    """Collect contents again and again; drafts are left alone, as their times are those of the file system."""
    return sum([len(await place.collector._take(place.now - GRACE)) for _ in range(times)])


@pytest.mark.parametrize("before", [True, False])
async def test_a_content_that_is_being_put_again_is_not_taken_from_its_new_path(place: Place, before: bool) -> None:  # noqa: FBT001
    await place.write(f"{RUN}/a", b"same")
    await place.tree.delete(f"{RUN}/a")
    place.now += 2 * GRACE

    class Interrupted:
        """A draft whose keeper is interrupted by the collector."""

        def __init__(self, draft: Draft) -> None:
            self._draft = draft
            self.digest, self.size = draft.digest, draft.size

        async def keep(self) -> None:
            if before:
                await _take(place, 1)
            await self._draft.keep()
            if not before:
                await _take(place, 1)

    async def pieces() -> AsyncIterator[bytes]:
        yield b"same"

    async with place.objects.within("files").draft(pieces()) as draft:
        await place.tree.adopt(f"{RUN}/b", Interrupted(draft), "ann")  # type: ignore[arg-type] - it is one
    await place.check()


async def test_what_the_collector_has_locked_it_looks_at_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if it had become needed after the collector saw that it was not, and before the collector had the lock."""
    await place.write(f"{RUN}/a")
    place.now += 2 * GRACE
    everything = "SELECT digest FROM contents WHERE put_at < :before LIMIT :limit FOR UPDATE SKIP LOCKED"
    monkeypatch.setattr(collection, "TAKE", text(everything))
    assert (await place.collector.collect()).contents == 0
    await place.check()


async def test_a_manifest_that_is_not_committed_yet_keeps_what_it_lists(place: Place, engine: AsyncEngine) -> None:
    await place.write(f"{RUN}/m/a")
    place.now += 2 * GRACE
    async with engine.connect() as connection:
        await manifest(connection, place.objects, f"mlflow-artifacts:/{RUN}/m")
        await place.tree.delete(f"{RUN}/m")
        assert (await place.collector.collect()).contents == 0
        await connection.rollback()
    assert (await place.collector.collect()).contents == 1
