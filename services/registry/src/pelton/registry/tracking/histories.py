"""The points of metrics: whole, page by page, or some that stand for all. In the order of step, timestamp, value."""

# ruff: noqa: S608 - statements are made of constants

from collections.abc import Sequence
from typing import Final, NamedTuple

import asyncpg

JSON: Final = "coalesce(json_agg(p), '[]')"

PAGE: Final = f"""
    WITH asked AS (SELECT series FROM run_metrics JOIN tracked_runs USING (run) WHERE run_id = $1 AND key = $2),
    page AS MATERIALIZED (
        SELECT DISTINCT series, step, timestamp, value FROM metric_points
        WHERE series = (SELECT series FROM asked) AND (step, timestamp, value) > ($3, $4, $5)
        ORDER BY step, timestamp, value LIMIT $6
    ), last AS (SELECT * FROM page ORDER BY step DESC, timestamp DESC, value DESC LIMIT 1)
    SELECT (SELECT {JSON} FROM (SELECT $2 AS key, value, timestamp, step FROM page) AS p) AS points,
           step, timestamp, value
    FROM (VALUES (1)) AS one LEFT JOIN last ON EXISTS (
        SELECT FROM metric_points AS next WHERE next.series = last.series
        AND (next.step, next.timestamp, next.value) > (last.step, last.timestamp, last.value))
"""
WHOLE: Final = f"""
    SELECT {JSON} FROM (
        SELECT key, p.value, p.timestamp, p.step, run_id
        FROM tracked_runs JOIN run_metrics AS m USING (run) CROSS JOIN LATERAL (
            SELECT DISTINCT step, timestamp, value FROM metric_points AS p
            WHERE p.series = m.series ORDER BY step, timestamp, value LIMIT $3) AS p
        WHERE run_id = ANY($1) AND key = $2
        ORDER BY run_id, p.step, p.timestamp, p.value LIMIT $3) AS p
"""
# Of n points in their order, at most k are kept: point i is when i * (k - 1) / (n - 1) is another whole number than for
# the point before. The first and the last are among them, and the way through the index is the only one.
SAMPLE: Final = f"""
    SELECT {JSON} FROM (
        SELECT key, p.value, p.timestamp, p.step, asked.run_id
        FROM unnest($1::text[]) WITH ORDINALITY AS asked (run_id, place)
        JOIN tracked_runs USING (run_id) JOIN run_metrics AS m USING (run)
        CROSS JOIN LATERAL (
            SELECT greatest(count(*) - 1, 1) AS last FROM metric_points
            WHERE series = m.series AND step BETWEEN $4 AND $5) AS counted
        CROSS JOIN LATERAL (
            SELECT DISTINCT step, timestamp, value FROM (
                SELECT step, timestamp, value, row_number() OVER (ORDER BY step, timestamp, value) - 1 AS i
                FROM metric_points WHERE series = m.series AND step BETWEEN $4 AND $5) AS numbered
            WHERE i = 0 OR i * ($3 - 1) / last > (i - 1) * ($3 - 1) / last) AS p
        WHERE key = $2
        ORDER BY asked.place, p.step, p.timestamp, p.value) AS p
"""


class Place(NamedTuple):
    """Where in a history a point stands."""

    step: int
    timestamp: int
    value: float


BEFORE_ALL: Final = Place(-(2**63), -(2**63), float("-inf"))
ALL_STEPS: Final = (-(2**63), 2**63 - 1)


async def page(
    pool: asyncpg.Pool, run_id: str, key: str, after: Place = BEFORE_ALL, limit: int | None = None
) -> tuple[str, Place | None]:
    """The points after a place, at most so many, as JSON; and where the next page begins, None when all were read."""
    row = await pool.fetchrow(PAGE, run_id, key, *after, limit)
    following = None if row["step"] is None else Place(row["step"], row["timestamp"], row["value"])
    return row["points"], following


async def whole(pool: asyncpg.Pool, run_ids: Sequence[str], key: str, limit: int) -> str:
    """The points of several runs, by the runs' identifiers, at most so many together, as JSON."""
    return str(await pool.fetchval(WHOLE, run_ids, key, limit))


async def sample(
    pool: asyncpg.Pool, run_ids: Sequence[str], key: str, limit: int, steps: tuple[int, int] = ALL_STEPS
) -> str:
    """Points evenly spread over each run's history between two steps, at least two and at most `limit` a run, as JSON.

    The first and the last are among them.
    """
    return str(await pool.fetchval(SAMPLE, run_ids, key, max(limit, 2), *steps))
