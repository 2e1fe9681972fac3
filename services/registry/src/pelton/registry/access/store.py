"""The SQL of teams and restrictions."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.registry import RestrictionSet, TeamChanged
from pelton.registry.access.domain import Rules

CHANNEL: Final = "pelton_access"

TABLES: Final = ("teams", "restrictions")
FORGET: Final = tuple(text(f"DELETE FROM {table}") for table in TABLES)  # noqa: S608 - constants

SAVE_TEAM = text("""
    INSERT INTO teams (team, details, changed_at, changed_by) VALUES (:name, :details, :time, :actor)
    ON CONFLICT (team) DO UPDATE
    SET details = EXCLUDED.details, changed_at = EXCLUDED.changed_at, changed_by = EXCLUDED.changed_by
""")
DELETE_TEAM = text("DELETE FROM teams WHERE team = :name")
SAVE_RESTRICTION = text("""
    INSERT INTO restrictions (restriction, details, set_at, set_by) VALUES (:name, :details, :time, :actor)
    ON CONFLICT (restriction) DO UPDATE
    SET details = EXCLUDED.details, set_at = EXCLUDED.set_at, set_by = EXCLUDED.set_by
""")
DELETE_RESTRICTION = text("DELETE FROM restrictions WHERE restriction = :name")
ANNOUNCE = text(f"SELECT pg_notify('{CHANNEL}', '')")

TEAMS = text("SELECT details, changed_at, changed_by FROM teams WHERE team > :after ORDER BY team LIMIT :limit")
RESTRICTIONS = text("""
    SELECT details, set_at, set_by FROM restrictions WHERE restriction > :after ORDER BY restriction LIMIT :limit
""")
# One statement, and so one moment: teams and restrictions that were never in force together are not put together.
RULES = text("""
    SELECT 'team' AS kind, team AS name, details FROM teams
    UNION ALL SELECT 'restriction', restriction, details FROM restrictions
    ORDER BY kind, name
""")


async def rules(connection: AsyncConnection) -> Rules:
    """The rules in force."""
    found = (await connection.execute(RULES)).all()
    return Rules.of(
        (TeamChanged.model_validate_json(row.details) for row in found if row.kind == "team"),
        (RestrictionSet.model_validate_json(row.details) for row in found if row.kind == "restriction"),
    )
