"""The log: its entries, its right edge, its checkpoints."""

from alembic import op

revision = "audit_0001"
down_revision = None
branch_labels = ("audit",)
depends_on = None

# `log.frontier` is the one row that every append locks: it is what makes the indices gap-free.
# `oversized` holds the records whose entry is only a digest.
STATEMENTS = (
    """
    CREATE TABLE entries (
        index          bigint      PRIMARY KEY,
        leaf_hash      bytea       NOT NULL,
        entry          bytea       NOT NULL,
        topic          text        NOT NULL,
        partition      integer     NOT NULL,
        "offset"       bigint      NOT NULL,
        event_id       uuid        NOT NULL,
        type           text        NOT NULL,
        subject        text        NOT NULL,
        source         text        NOT NULL,
        position       bigint      NOT NULL,
        causation_id   text,
        correlation_id text        NOT NULL,
        time           timestamptz NOT NULL,
        UNIQUE (topic, partition, "offset"),
        UNIQUE (source, position)
    )
    """,
    "CREATE INDEX entries_event ON entries (event_id)",
    "CREATE INDEX entries_type ON entries (type, index)",
    "CREATE INDEX entries_subject ON entries (subject, index)",
    "CREATE INDEX entries_causation ON entries (causation_id) WHERE causation_id IS NOT NULL",
    """
    CREATE TABLE oversized (
        index   bigint PRIMARY KEY REFERENCES entries,
        key     bytea,
        headers jsonb  NOT NULL,
        value   bytea
    )
    """,
    """
    CREATE TABLE log (
        single   boolean PRIMARY KEY DEFAULT true CHECK (single),
        frontier bytea   NOT NULL,
        archived bigint  NOT NULL DEFAULT 0
    )
    """,
    """
    CREATE TABLE checkpoints (
        size      bigint      PRIMARY KEY,
        root      bytea       NOT NULL,
        note      text        NOT NULL,
        sealed_at timestamptz NOT NULL
    )
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("a log is not thrown away; restore a backup instead")
