"""Entities, feature services, transformations, deprecation and statistics."""

from alembic import op

revision = "feature_0005"
down_revision = "feature_0004"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = ()
TABLES: tuple[str, ...] = ()


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
