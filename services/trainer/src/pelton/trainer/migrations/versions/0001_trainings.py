"""What the trainer keeps of other services' facts, and its trainings as a table."""

from alembic import op

revision = "trainer_0001"
down_revision = None
branch_labels = ("trainer",)
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE sources (
        source      text        PRIMARY KEY,
        watermark   timestamptz NOT NULL,
        first_event timestamptz NOT NULL,
        event_id    text        NOT NULL
    )
    """,
    """
    CREATE TABLE definitions (
        digest     text PRIMARY KEY,
        definition text NOT NULL
    )
    """,
    """
    CREATE TABLE models (
        model             text PRIMARY KEY,
        source            text NOT NULL,
        definition_digest text NOT NULL REFERENCES definitions,
        code              text NOT NULL,
        champion          text,
        handled_until     timestamptz
    )
    """,
    """
    CREATE INDEX models_by_source ON models (source)
    """,
    """
    CREATE TABLE trainings (
        training_id text        PRIMARY KEY,
        model       text        NOT NULL,
        as_of       timestamptz NOT NULL,
        status      text        NOT NULL,
        requested   text        NOT NULL,
        completed   text,
        reason      text
    )
    """,
    """
    CREATE INDEX trainings_by_time ON trainings (as_of DESC, training_id DESC)
    """,
    """
    CREATE TABLE asked_by_hand (
        idempotency_key text PRIMARY KEY,
        model           text NOT NULL,
        training_id     text NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("projections are rebuilt from the facts; drop the database instead")
