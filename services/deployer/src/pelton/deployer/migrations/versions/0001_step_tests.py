"""Plans by model, and the test of each model's present step."""

from alembic import op

revision = "deployer_0001"
down_revision = None
branch_labels = ("deployer",)
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE plans (model text PRIMARY KEY, plan jsonb NOT NULL)")
    op.execute("CREATE TABLE step_tests (model text PRIMARY KEY, state jsonb NOT NULL, correlation_id text NOT NULL)")


def downgrade() -> None:
    op.execute("DROP TABLE step_tests")
    op.execute("DROP TABLE plans")
