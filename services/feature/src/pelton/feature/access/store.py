"""The SQL of access: what is closed, the grants, and who is in which team."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.fact import Fact
from pelton.contracts.feature import FeatureAccessGranted, FeatureAccessOpened, FeatureAccessRevoked
from pelton.feature.access.domain import Rules

CHANNEL: Final = "pelton_feature_access"
ANNOUNCE = text(f"SELECT pg_notify('{CHANNEL}', '')")

CLOSE = text("INSERT INTO access_closed (kind, name) VALUES (:kind, :name) ON CONFLICT DO NOTHING")
OPEN = (
    text("DELETE FROM access_closed WHERE kind = :kind AND name = :name"),
    text("DELETE FROM access_grants WHERE kind = :kind AND name = :name"),
)
SAVE_GRANT = text("""
    INSERT INTO access_grants (kind, name, grantee_kind, grantee, fact, granted_at, granted_by)
    VALUES (:kind, :name, :to, :grantee, CAST(:fact AS jsonb), :now, :actor)
    ON CONFLICT (kind, name, grantee_kind, grantee) DO UPDATE
    SET fact = EXCLUDED.fact, granted_at = EXCLUDED.granted_at, granted_by = EXCLUDED.granted_by
""")
DELETE_GRANT = text("""
    DELETE FROM access_grants
    WHERE kind = :kind AND name = :name AND grantee_kind = :to AND grantee = :grantee
""")
SAVE_TEAM = text("""
    INSERT INTO access_teams (team, members) VALUES (:team, CAST(:members AS jsonb))
    ON CONFLICT (team) DO UPDATE SET members = EXCLUDED.members
""")
DELETE_TEAM = text("DELETE FROM access_teams WHERE team = :team")
GRANTS = text("""
    SELECT closed.kind, closed.name, fact, granted_at, granted_by
    FROM access_closed closed LEFT JOIN access_grants USING (kind, name)
    ORDER BY closed.kind, closed.name, grantee_kind, grantee
""")
# One statement, and so one moment: grants and teams that were never in force together are not put together.
RULES = text("""
    SELECT 'closed' AS what, kind, name, NULL::jsonb AS details FROM access_closed
    UNION ALL SELECT 'grant', kind, name, fact FROM access_grants
    UNION ALL SELECT 'team', '', team, members FROM access_teams
""")


async def project(connection: AsyncConnection, facts: Iterable[Fact], now: datetime, actor: str) -> None:
    """Show facts in the tables, and announce to every replica that the rules are others."""
    for fact in facts:
        match fact:
            case FeatureAccessGranted():
                about = fact.model_dump(include={"kind", "name", "to", "grantee"})
                await connection.execute(CLOSE, about)
                values = {"fact": fact.model_dump_json(), "now": now, "actor": actor}
                await connection.execute(SAVE_GRANT, about | values)
            case FeatureAccessRevoked():
                await connection.execute(DELETE_GRANT, fact.model_dump(include={"kind", "name", "to", "grantee"}))
            case FeatureAccessOpened(kind=kind, name=name):
                for statement in OPEN:
                    await connection.execute(statement, {"kind": kind, "name": name})
    await connection.execute(ANNOUNCE)


async def save_team(connection: AsyncConnection, team: str, members: Iterable[str]) -> None:
    """Remember who is in a team."""
    await connection.execute(SAVE_TEAM, {"team": team, "members": json.dumps(sorted(members))})
    await connection.execute(ANNOUNCE)


async def remove_team(connection: AsyncConnection, team: str) -> None:
    """Forget a team."""
    await connection.execute(DELETE_TEAM, {"team": team})
    await connection.execute(ANNOUNCE)


async def rules(connection: AsyncConnection) -> Rules:
    """The rules in force."""
    found = (await connection.execute(RULES)).all()
    return Rules.of(
        ((row.kind, row.name) for row in found if row.what == "closed"),
        [FeatureAccessGranted.model_validate(row.details) for row in found if row.what == "grant"],
        {row.name: row.details for row in found if row.what == "team"},
    )


async def grants(connection: AsyncConnection) -> list[dict[str, Any]]:
    """Whatever is closed, with its grants, and who gave them."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in await connection.execute(GRANTS):
        of_one = found.setdefault((row.kind, row.name), [])
        if row.fact is not None:
            granted = {name: row.fact[name] for name in ("to", "grantee", "actions", "sensitive")}
            of_one.append(granted | {"granted_at": row.granted_at.isoformat(), "granted_by": row.granted_by})
    return [{"kind": kind, "name": name, "grants": several} for (kind, name), several in found.items()]
