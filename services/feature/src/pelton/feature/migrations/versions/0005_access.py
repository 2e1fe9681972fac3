"""Who may read and write which views."""

from alembic import op

revision = "feature_0005"
down_revision = "feature_0004"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE access_closed (
        kind text NOT NULL,
        name text NOT NULL,
        PRIMARY KEY (kind, name)
    )
    """,
    """
    CREATE TABLE access_grants (
        kind text NOT NULL,
        name text NOT NULL,
        grantee_kind text NOT NULL,
        grantee text NOT NULL,
        fact jsonb NOT NULL,
        granted_at timestamptz NOT NULL,
        granted_by text NOT NULL,
        PRIMARY KEY (kind, name, grantee_kind, grantee)
    )
    """,
    "CREATE TABLE access_teams (team text PRIMARY KEY, members jsonb NOT NULL)",
    # Models that were registered before there were grants are nobody's, and so read only what is open.
    "ALTER TABLE models ADD COLUMN registered_by text NOT NULL DEFAULT ''",
)
TABLES: tuple[str, ...] = ("access_closed", "access_grants", "access_teams")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
    op.execute("ALTER TABLE models DROP COLUMN registered_by")
