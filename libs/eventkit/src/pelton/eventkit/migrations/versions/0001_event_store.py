"""The event store, which is the outbox; the inbox; the relay's cursor; dead letters; jobs."""

from alembic import op

revision = "eventkit_0001"
down_revision = None
branch_labels = ("eventkit",)
depends_on = None

# `seq` must come from a sequence with CACHE 1, and a stream's version is checked before the insert:
# then the order of `seq` never inverts two facts of one stream, and the relay may number by it.
STATEMENTS = (
    """
    CREATE SEQUENCE events_seq CACHE 1
    """,
    """
    CREATE TABLE events (
        seq        bigint      PRIMARY KEY DEFAULT nextval('events_seq'),
        id         uuid        NOT NULL UNIQUE,
        stream     text        NOT NULL,
        version    integer     NOT NULL,
        type       text        NOT NULL,
        data       bytea       NOT NULL,
        meta       jsonb       NOT NULL,
        time       timestamptz NOT NULL,
        position   bigint      UNIQUE,
        UNIQUE (stream, version)
    )
    """,
    """
    CREATE INDEX events_to_number ON events (seq) WHERE position IS NULL
    """,
    """
    CREATE TABLE relay (
        single boolean PRIMARY KEY DEFAULT true CHECK (single),
        cursor bigint  NOT NULL DEFAULT 0
    )
    """,
    """
    INSERT INTO relay DEFAULT VALUES
    """,
    """
    CREATE TABLE inbox (
        handler   text    NOT NULL,
        topic     text    NOT NULL,
        partition integer NOT NULL,
        position  bigint  NOT NULL,
        PRIMARY KEY (handler, topic, partition)
    )
    """,
    """
    CREATE TABLE reader_offsets (
        reader      text    NOT NULL,
        topic       text    NOT NULL,
        partition   integer NOT NULL,
        next_offset bigint  NOT NULL,
        PRIMARY KEY (reader, topic, partition)
    )
    """,
    """
    CREATE TABLE dead_letters (
        id          uuid        PRIMARY KEY,
        handler     text        NOT NULL,
        topic       text        NOT NULL,
        partition   integer     NOT NULL,
        "offset"    bigint      NOT NULL,
        key         bytea,
        headers     jsonb       NOT NULL,
        value       bytea       NOT NULL,
        reason      text        NOT NULL,
        recorded_at timestamptz NOT NULL,
        replayed_at timestamptz,
        UNIQUE (handler, topic, partition, "offset")
    )
    """,
    """
    CREATE TABLE jobs (
        id          text        PRIMARY KEY,
        kind        text        NOT NULL,
        payload     jsonb       NOT NULL,
        cause       jsonb       NOT NULL,
        attempts    integer     NOT NULL DEFAULT 0,
        created_at  timestamptz NOT NULL,
        finished_at timestamptz,
        error       text
    )
    """,
    """
    CREATE INDEX jobs_to_run ON jobs (created_at) WHERE finished_at IS NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("an event store is not thrown away; restore a backup instead")
