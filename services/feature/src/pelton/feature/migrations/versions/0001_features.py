"""Sources, views, models, offline segments, datasets and the quarantine."""

from alembic import op

revision = "feature_0001"
down_revision = None
branch_labels = ("feature",)
depends_on = None

STATEMENTS = (
    "CREATE TABLE sources (name text PRIMARY KEY, definition jsonb NOT NULL)",
    """
    CREATE TABLE views (
        digest     text        PRIMARY KEY,
        name       text        NOT NULL,
        definition jsonb       NOT NULL,
        applied_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE models (
        name       text  NOT NULL,
        digest     text  NOT NULL,
        definition jsonb NOT NULL,
        PRIMARY KEY (name, digest)
    )
    """,
    """
    CREATE TABLE segments (
        source       text    NOT NULL,
        partition    integer NOT NULL,
        start_offset bigint  NOT NULL,
        end_offset   bigint  NOT NULL,
        digest       text    NOT NULL,
        rows         integer NOT NULL,
        first_ms     bigint  NOT NULL,
        last_ms      bigint  NOT NULL,
        PRIMARY KEY (source, partition, start_offset)
    )
    """,
    """
    CREATE TABLE quarantine (
        id          uuid        PRIMARY KEY,
        source      text        NOT NULL,
        event_id    text        NOT NULL,
        origin      text        NOT NULL UNIQUE,
        raw         bytea       NOT NULL,
        faults      jsonb       NOT NULL,
        received_at timestamptz NOT NULL,
        replayed_at timestamptz
    )
    """,
    "CREATE INDEX quarantine_by_source ON quarantine (source, received_at DESC)",
    """
    CREATE TABLE datasets (
        training_id text        PRIMARY KEY,
        digest      text        NOT NULL,
        fact        jsonb       NOT NULL,
        made_at     timestamptz NOT NULL
    )
    """,
    "CREATE INDEX datasets_by_digest ON datasets (digest)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("datasets", "quarantine", "segments", "models", "views", "sources"):
        op.execute(f"DROP TABLE {table}")
