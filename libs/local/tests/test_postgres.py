import os
import signal
import stat
from pathlib import Path

import asyncpg
import psutil
import pytest

from pelton import local
from pelton.local import ports
from pelton.testkit import PostgresInstance


async def _run(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn.replace("+asyncpg", ""))
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_what_was_committed_is_there_after(end: str, postgres_private: PostgresInstance) -> None:
    dsn = postgres_private.database("registry")
    await _run(dsn, "CREATE TABLE kept AS SELECT 42 AS value")

    getattr(postgres_private, end)()
    postgres_private.start()

    assert await _run(dsn, "SELECT value FROM kept") == 42


async def test_it_starts_when_only_its_first_process_was_killed(postgres_private: PostgresInstance) -> None:
    dsn = postgres_private.database()

    os.kill(postgres_private.pid, signal.SIGKILL)
    postgres_private.stop()
    postgres_private.start()

    assert await _run(dsn, "SELECT 1") == 1


@pytest.mark.parametrize("left", [f"{os.getpid()}\n", "", "half a li"])
def test_a_lock_of_nobody_does_not_stop_it(left: str, postgres_private: PostgresInstance) -> None:
    """Its number is another process's by now, or the disk was full when it was written."""
    postgres_private.stop()
    (postgres_private.log.parent / "data" / "postmaster.pid").write_text(left)

    postgres_private.start()

    assert postgres_private.pid


def test_a_first_start_that_was_killed_is_begun_again(tmp_path: Path) -> None:
    server = local.PostgresServer(tmp_path / "postgres", ports.free_block(1))
    half = server.folder / "data.part"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    server.prepare()

    assert (server.data / "global" / "pg_control").is_file()
    assert not half.exists()


def test_a_live_server_on_the_folder_is_left_alone(postgres_private: PostgresInstance) -> None:
    second = local.PostgresServer(postgres_private.log.parent, ports.free_block(1))

    with pytest.raises(local.AlreadyRunningError, match=f"as process {postgres_private.pid}") as caught:
        local.start(second, postgres_private.log)

    assert psutil.pid_exists(caught.value.pid)


async def test_a_wrong_password_is_refused(postgres: PostgresInstance) -> None:
    wrong = postgres.database("postgres").replace("pelton:", "pelton:not")

    with pytest.raises(asyncpg.InvalidPasswordError):
        await _run(wrong, "SELECT 1")


async def test_commits_reach_the_disk(postgres: PostgresInstance) -> None:
    assert await _run(postgres.database("postgres"), "SHOW fsync") == "on"


def test_only_this_user_reads_the_password(postgres: PostgresInstance) -> None:
    assert stat.S_IMODE((postgres.log.parent / "password").stat().st_mode) == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become someone else")
def test_started_by_root_it_runs_as_someone_else(postgres: PostgresInstance) -> None:
    assert psutil.Process(postgres.pid).uids().real != 0


@pytest.mark.skipif(os.geteuid() != 0, reason="another user cannot make such a folder")
def test_a_folder_that_only_root_can_enter_will_do(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    running = local.start(local.PostgresServer(closed / "postgres", ports.free_block(1)), closed / "log")

    running.stop()

    assert running.process.returncode == 0
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


def test_a_name_that_could_be_more_than_a_name_is_refused(postgres: PostgresInstance) -> None:
    with pytest.raises(local.LocalError, match="is no database name"):
        postgres.database('x"; DROP DATABASE registry; --')
