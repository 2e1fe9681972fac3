"""Which training's version was archived last: a first champion that was refused is tried for again."""

from alembic import op

revision = "trainer_0002"
down_revision = "trainer_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE models ADD COLUMN IF NOT EXISTS archived text")


def downgrade() -> None:
    raise NotImplementedError("projections are rebuilt from the facts; drop the database instead")
