"""Logged models of MLflow 3: what a run wrote as a model, before anybody registers it.

Like experiments and runs they are marked as deleted and never removed. Their metrics are in the table of 0002.
"""

from alembic import op

revision = "registry_0003"
down_revision = "registry_0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE logged_models (
        model_id               text   COLLATE "C" PRIMARY KEY,
        experiment_id          bigint NOT NULL,
        name                   text   COLLATE "C" NOT NULL,
        artifact_uri           text   COLLATE "C" NOT NULL,
        model_type             text   COLLATE "C",
        source_run_id          text   COLLATE "C",
        status                 text   COLLATE "C" NOT NULL DEFAULT 'PENDING',
        lifecycle_stage        text   NOT NULL DEFAULT 'active',
        creation_timestamp     bigint NOT NULL,
        last_updated_timestamp bigint NOT NULL
    )
    """,
    """
    CREATE INDEX logged_models_by_creation ON logged_models (experiment_id, creation_timestamp DESC, model_id)
    """,
    """
    CREATE TABLE logged_model_params (
        model_id text COLLATE "C" NOT NULL,
        key      text COLLATE "C" NOT NULL,
        value    text COLLATE "C" NOT NULL,
        PRIMARY KEY (model_id, key)
    )
    """,
    """
    CREATE TABLE logged_model_tags (
        model_id text COLLATE "C" NOT NULL,
        key      text COLLATE "C" NOT NULL,
        value    text COLLATE "C" NOT NULL,
        PRIMARY KEY (model_id, key)
    )
    """,
)
TABLES = ("logged_model_tags", "logged_model_params", "logged_models")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
