"""What is watched, how far it has come, and the windows that closed."""

from alembic import op

revision = "monitor_0001"
down_revision = None
branch_labels = ("monitor",)
depends_on = None

TABLES = ("windows", "label_marks", "progress", "pins", "sources", "models", "configuration")


def upgrade() -> None:
    op.execute("CREATE TABLE configuration (revision bigint NOT NULL)")
    op.execute("INSERT INTO configuration VALUES (0)")
    op.execute("CREATE TABLE models (model text PRIMARY KEY, definition jsonb NOT NULL)")
    op.execute("CREATE TABLE sources (source text PRIMARY KEY, definition jsonb NOT NULL)")
    op.execute("""
        CREATE TABLE pins (
            model text NOT NULL,
            version integer NOT NULL,
            event_id text,
            threshold double precision NOT NULL,
            evaluation jsonb NOT NULL,
            reference jsonb,
            error text,
            PRIMARY KEY (model, version)
        )
    """)
    op.execute("""
        CREATE TABLE progress (
            model text PRIMARY KEY,
            drift_until bigint NOT NULL,
            settled_until bigint NOT NULL
        )
    """)
    op.execute("""
        CREATE TABLE label_marks (
            topic text NOT NULL,
            partition integer NOT NULL,
            watermark bigint NOT NULL,
            PRIMARY KEY (topic, partition)
        )
    """)
    op.execute("""
        CREATE TABLE windows (
            id bigserial PRIMARY KEY,
            model text NOT NULL,
            version integer NOT NULL,
            window_start bigint NOT NULL,
            window_end bigint NOT NULL,
            rows integer NOT NULL,
            labelled integer,
            unlabelled integer,
            drift_verdict text NOT NULL,
            drift jsonb,
            performance_verdict text,
            performance jsonb,
            UNIQUE (model, version, window_start)
        )
    """)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
