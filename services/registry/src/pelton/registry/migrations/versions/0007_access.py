"""Teams, restrictions and webhooks."""

from alembic import op

revision = "registry_0007"
down_revision = "registry_0006"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE teams (
        team       text        PRIMARY KEY,
        details    text        NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text        NOT NULL
    )
    """,
    """
    CREATE TABLE restrictions (
        restriction text        PRIMARY KEY,
        details     text        NOT NULL,
        set_at      timestamptz NOT NULL,
        set_by      text        NOT NULL
    )
    """,
)
TABLES: tuple[str, ...] = ("restrictions", "teams")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
