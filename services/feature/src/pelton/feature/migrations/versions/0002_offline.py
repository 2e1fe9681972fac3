"""The offline store's compacted files and snapshots of datasets."""

from alembic import op

revision = "feature_0002"
down_revision = "feature_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    # Segments were objects by their digest before they had a path of their own.
    """
    ALTER TABLE segments
        ADD COLUMN path             text,
        ADD COLUMN size             bigint NOT NULL DEFAULT 0,
        ADD COLUMN first_arrival_ms bigint,
        ADD COLUMN last_arrival_ms  bigint,
        ADD COLUMN dropped_at       timestamptz
    """,
    """
    UPDATE segments SET path = 'sha256/' || substr(digest, 8, 2) || '/' || substr(digest, 10),
                        first_arrival_ms = first_ms, last_arrival_ms = last_ms
    """,
    """
    ALTER TABLE segments
        ALTER COLUMN path SET NOT NULL,
        ALTER COLUMN first_arrival_ms SET NOT NULL,
        ALTER COLUMN last_arrival_ms SET NOT NULL
    """,
    """
    CREATE TABLE offline_ends (
        source     text    NOT NULL,
        partition  integer NOT NULL,
        end_offset bigint  NOT NULL,
        PRIMARY KEY (source, partition)
    )
    """,
    """
    INSERT INTO offline_ends SELECT source, partition, max(end_offset) FROM segments GROUP BY source, partition
    """,
    "CREATE TABLE unadopted_files (path text PRIMARY KEY, since timestamptz NOT NULL)",
    "ALTER TABLE datasets RENAME COLUMN training_id TO id",
    "CREATE INDEX datasets_by_time ON datasets (made_at DESC)",
    """
    CREATE TABLE dataset_requests (
        id       text        PRIMARY KEY,
        query    jsonb       NOT NULL,
        actor    text        NOT NULL,
        asked_at timestamptz NOT NULL,
        failure  text
    )
    """,
)
DOWN = (
    "DROP TABLE dataset_requests",
    "DROP INDEX datasets_by_time",
    "ALTER TABLE datasets RENAME COLUMN id TO training_id",
    "DROP TABLE unadopted_files",
    "DROP TABLE offline_ends",
    """
    ALTER TABLE segments DROP COLUMN path, DROP COLUMN size, DROP COLUMN first_arrival_ms,
                         DROP COLUMN last_arrival_ms, DROP COLUMN dropped_at
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
