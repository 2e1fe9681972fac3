"""Entities, feature services, transformations, deprecations, and which models use what."""

from alembic import op

revision = "feature_0004"
down_revision = "feature_0003"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE definitions (
        kind       text        NOT NULL,
        digest     text        NOT NULL,
        name       text        NOT NULL,
        definition jsonb       NOT NULL,
        applied_at timestamptz NOT NULL,
        PRIMARY KEY (kind, digest)
    )
    """,
    "CREATE TABLE deprecations (view text PRIMARY KEY, fact jsonb NOT NULL, since timestamptz NOT NULL)",
    """
    CREATE TABLE model_versions (
        model   text    NOT NULL,
        version integer NOT NULL,
        stage   text    NOT NULL,
        pins    jsonb   NOT NULL,
        PRIMARY KEY (model, version)
    )
    """,
    "CREATE TABLE declared_models (model text PRIMARY KEY, owner text NOT NULL, features jsonb NOT NULL)",
)
TABLES: tuple[str, ...] = ("declared_models", "model_versions", "deprecations", "definitions")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
