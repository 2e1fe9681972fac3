"""What Feast's interface keeps: push sources and materializations."""

from alembic import op

revision = "feature_0007"
down_revision = "feature_0006"
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
