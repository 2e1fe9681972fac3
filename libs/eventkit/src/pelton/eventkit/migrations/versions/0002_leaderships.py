"""The terms of those who do what one process does at a time."""

from alembic import op

revision = "eventkit_0002"
down_revision = "eventkit_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE leaderships (work text PRIMARY KEY, term bigint NOT NULL)")


def downgrade() -> None:
    op.execute("DROP TABLE leaderships")
