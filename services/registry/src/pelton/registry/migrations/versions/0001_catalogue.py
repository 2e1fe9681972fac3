"""What lists and look-ups read: made from the registry's own facts, and made anew from them at will."""

from alembic import op

revision = "registry_0001"
down_revision = None
branch_labels = ("registry",)
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE models (
        model             text        PRIMARY KEY,
        definition        text        NOT NULL,
        definition_digest text        NOT NULL,
        code              text        NOT NULL,
        champion          integer,
        former            integer[]   NOT NULL DEFAULT '{}',
        registered_at     timestamptz NOT NULL,
        registered_by     text        NOT NULL
    )
    """,
    """
    CREATE TABLE runs (
        run_id      text        PRIMARY KEY,
        training_id text        NOT NULL,
        model       text        NOT NULL,
        parameters  text        NOT NULL,
        metrics     text        NOT NULL,
        environment text        NOT NULL,
        finished_at timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX runs_by_time ON runs (finished_at DESC, run_id DESC)
    """,
    """
    CREATE TABLE versions (
        model             text        NOT NULL,
        version           integer     NOT NULL,
        stage             text        NOT NULL,
        details           text        NOT NULL,
        run_id            text        NOT NULL,
        code              text        NOT NULL,
        definition_digest text        NOT NULL,
        gates             text        NOT NULL DEFAULT '[]',
        created_at        timestamptz NOT NULL,
        PRIMARY KEY (model, version)
    )
    """,
    """
    CREATE TABLE stage_changes (
        event_id   uuid        PRIMARY KEY,
        model      text        NOT NULL,
        version    integer     NOT NULL,
        number     integer     NOT NULL,
        from_stage text        NOT NULL,
        to_stage   text        NOT NULL,
        reason     text        NOT NULL,
        actor      text        NOT NULL,
        cause      text,
        time       timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX stage_changes_of_version ON stage_changes (model, version, number)
    """,
    """
    CREATE TABLE approvals (
        event_id       uuid        PRIMARY KEY,
        correlation_id text        NOT NULL,
        model          text        NOT NULL,
        version        integer     NOT NULL,
        artifact       text        NOT NULL,
        role           text,
        requested_by   text,
        requested_at   timestamptz NOT NULL,
        status         text        NOT NULL,
        decided_by     text,
        reason         text,
        decided_at     timestamptz
    )
    """,
    """
    CREATE INDEX approvals_of_version ON approvals (model, version)
    """,
    """
    CREATE INDEX approvals_pending ON approvals (requested_at, event_id) WHERE status = 'pending'
    """,
    """
    CREATE TABLE answered (
        idempotency_key text PRIMARY KEY,
        request         text NOT NULL,
        event_id        uuid NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in ("answered", "approvals", "stage_changes", "versions", "runs", "models"):
        op.execute(f"DROP TABLE {table}")
