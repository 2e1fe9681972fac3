"""The SQL of the files: which content each path has, and which contents the object store holds for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from pelton.contracts.values import Digest
from pelton.eventkit.database import lock_key
from pelton.registry.files.paths import SCHEME, folders_of

# A range of the index: `/` is followed by `0` in the order of bytes.
UNDER: Final = "path >= $1 || '/' AND path < $1 || '0'"

LOCK_FOLDERS: Final = "SELECT pg_advisory_xact_lock_shared(key) FROM unnest($1::bigint[]) AS key"
LOCK_PATH: Final = "SELECT pg_advisory_xact_lock($1)"
SAVE: Final = """
    INSERT INTO files (path, digest, size, actor, written_at) VALUES ($1, $2, $3, $4, $5)
    ON CONFLICT (path) DO UPDATE
    SET digest = EXCLUDED.digest, size = EXCLUDED.size, actor = EXCLUDED.actor, written_at = EXCLUDED.written_at
"""
FIND: Final = "SELECT digest, size FROM files WHERE path = $1"
FILE_AMONG: Final = "SELECT path FROM files WHERE path = ANY($1) LIMIT 1"
IS_FOLDER: Final = f"SELECT EXISTS (SELECT FROM files WHERE {UNDER})"  # noqa: S608 - a constant
DELETE: Final = f"DELETE FROM files WHERE path = $1 OR ({UNDER})"  # noqa: S608 - a constant
# From each child the index leads to the next one, however many files a folder among them holds. Control characters
# are in no path: so `path || U+0001` is before every other path that begins with it.
CHILDREN: Final = """
    WITH RECURSIVE children AS (
        (SELECT path, size FROM files WHERE path >= $1 AND path < $2 ORDER BY path LIMIT 1)
        UNION ALL
        SELECT following.path, following.size
        FROM children CROSS JOIN LATERAL (
            SELECT path, size FROM files
            WHERE path < $2 AND path >= CASE
                WHEN strpos(substr(children.path, length($1) + 1), '/') > 0
                THEN $1 || split_part(substr(children.path, length($1) + 1), '/', 1) || '0'
                ELSE children.path || E'\\x01'
            END
            ORDER BY path LIMIT 1
        ) AS following
    )
    SELECT split_part(substr(path, length($1) + 1), '/', 1) AS name,
           strpos(substr(path, length($1) + 1), '/') > 0 AS is_folder, size
    FROM children
"""
# Of a version in use the whole source is kept, and with it the folders that it lies in.
KEEPER: Final = """
    SELECT model, version, stage FROM versions
    WHERE location <> '' AND stage IN ('staging', 'production')
      AND (location = ANY($2) OR location ^@ ($1 || '/'))
    ORDER BY model, version LIMIT 1
"""

ARTIFACT_URI: Final = "SELECT artifact_uri FROM tracked_runs WHERE run_id = $1"
TOUCH: Final = """
    INSERT INTO contents (digest, size, put_at) VALUES ($1, $2, $3)
    ON CONFLICT (digest) DO UPDATE SET put_at = greatest(contents.put_at, EXCLUDED.put_at)
"""


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file: what it is called, and what it holds."""

    path: str
    digest: Digest
    size: int


@dataclass(frozen=True, slots=True)
class Keeper:
    """A version that keeps its files from changing."""

    model: str
    version: int
    stage: str


async def lock(connection: asyncpg.Connection, path: str) -> None:
    """Let nobody else write this path, the folders it lies in or what lies under it, until the transaction ends."""
    await connection.execute(LOCK_FOLDERS, [lock_key(f"files/{folder}") for folder in folders_of(path)])
    await connection.execute(LOCK_PATH, lock_key(f"files/{path}"))


async def save(
    connection: asyncpg.Connection, path: str, digest: Digest, size: int, actor: str, written_at: datetime
) -> None:
    """Give a path a content, new or another."""
    await connection.execute(SAVE, path, digest, size, actor, written_at)


async def file_among(connection: asyncpg.Connection, paths: Sequence[str]) -> str | None:
    """One of these paths that is a file, if one is."""
    found: str | None = await connection.fetchval(FILE_AMONG, paths)
    return found


async def is_folder(connection: asyncpg.Connection, path: str) -> bool:
    """Whether anything lies under a path."""
    return bool(await connection.fetchval(IS_FOLDER, path))


async def find(pool: asyncpg.Pool, path: str) -> FileRow | None:
    """The file of a path."""
    row = await pool.fetchrow(FIND, path)
    return None if row is None else FileRow(path, row["digest"], row["size"])


async def children(pool: asyncpg.Pool, folder: str) -> list[tuple[str, int | None]]:
    """What lies directly in a folder, each with its size unless it is a folder."""
    first, end = (f"{folder}/", f"{folder}0") if folder else ("", "\U0010ffff")
    rows = await pool.fetch(CHILDREN, first, end)
    return [(row["name"], None if row["is_folder"] else row["size"]) for row in rows]


async def delete(connection: asyncpg.Connection, path: str) -> int:
    """Take away a file, or all that lies under a folder; returns how many."""
    status: str = await connection.execute(DELETE, path)
    return int(status.rpartition(" ")[2])


async def keeper(connection: asyncpg.Connection, path: str) -> Keeper | None:
    """A version in staging or production whose source is this path, holds it, or lies under it."""
    location = f"{SCHEME}:/{path}"
    holders = [f"{SCHEME}:/{folder}" for folder in (*folders_of(path), path)]
    row = await connection.fetchrow(KEEPER, location, holders)
    return None if row is None else Keeper(row["model"], row["version"], row["stage"])


async def artifact_uri(pool: asyncpg.Pool, run_id: str) -> str | None:
    """The location that a run's artifacts lie at; None for no run."""
    found: str | None = await pool.fetchval(ARTIFACT_URI, run_id)
    return found


async def touch(pool: asyncpg.Pool, digest: Digest, size: int, put_at: datetime) -> None:
    """Note that a content is about to be put: the collector leaves it alone for as long as new contents have."""
    await pool.execute(TOUCH, digest, size, put_at)
