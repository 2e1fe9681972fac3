"""Rules of sources, and why records were set aside."""

from alembic import op

revision = "feature_0003"
down_revision = "feature_0002"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    ALTER TABLE quarantine
        ADD COLUMN reasons        text[] NOT NULL DEFAULT '{}',
        ADD COLUMN source_digest  text   NOT NULL DEFAULT '',
        ADD COLUMN discarded_at   timestamptz,
        ADD COLUMN settled_by     text,
        ADD COLUMN discard_reason text
    """,
    """
    UPDATE quarantine SET reasons = ARRAY(
        SELECT DISTINCT coalesce(nullif(fault ->> 'field', ''), 'body') FROM jsonb_array_elements(faults) AS fault
    )
    """,
    "DROP INDEX quarantine_by_source",
    "CREATE INDEX quarantine_in_order ON quarantine (source, received_at, id)",
    """
    CREATE INDEX quarantine_waiting ON quarantine (source, received_at, id)
        WHERE replayed_at IS NULL AND discarded_at IS NULL
    """,
    # What each partition's records were counted into, up to which offset.
    """
    CREATE TABLE quality_progress (
        source     text    NOT NULL,
        partition  integer NOT NULL,
        end_offset bigint  NOT NULL,
        newest_ms  bigint  NOT NULL,
        PRIMARY KEY (source, partition)
    )
    """,
    "CREATE TABLE quality_arrivals (source text PRIMARY KEY, arrived_at timestamptz NOT NULL)",
    """
    CREATE TABLE rule_breaks (
        source        text        NOT NULL,
        rule          text        NOT NULL,
        source_digest text        NOT NULL,
        events        bigint      NOT NULL,
        last_at       timestamptz NOT NULL,
        PRIMARY KEY (source, rule, source_digest)
    )
    """,
    """
    CREATE TABLE rule_states (
        source      text        NOT NULL,
        rule        text        NOT NULL,
        rule_digest text        NOT NULL,
        first_span  bigint,
        judged_to   bigint,
        broken      boolean     NOT NULL,
        detail      text        NOT NULL,
        since       timestamptz NOT NULL,
        PRIMARY KEY (source, rule)
    )
    """,
    """
    CREATE TABLE source_volumes (
        source  text   NOT NULL,
        span_ms bigint NOT NULL,
        span    bigint NOT NULL,
        events  bigint NOT NULL,
        PRIMARY KEY (source, span_ms, span)
    )
    """,
    """
    CREATE TABLE unique_values (
        source  text   NOT NULL,
        value   bytea  NOT NULL,
        event   bytea  NOT NULL,
        time_ms bigint NOT NULL,
        PRIMARY KEY (source, value, event)
    )
    """,
    "CREATE INDEX unique_values_by_time ON unique_values (source, time_ms)",
    "CREATE TABLE known_keys (source text NOT NULL, key bytea NOT NULL, PRIMARY KEY (source, key))",
    "CREATE TABLE known_keys_complete (source text PRIMARY KEY)",
)
TABLES = (
    "known_keys_complete",
    "known_keys",
    "unique_values",
    "source_volumes",
    "rule_states",
    "rule_breaks",
    "quality_arrivals",
    "quality_progress",
)
DOWN = (
    *(f"DROP TABLE {table}" for table in TABLES),
    "DROP INDEX quarantine_waiting",
    "DROP INDEX quarantine_in_order",
    "CREATE INDEX quarantine_by_source ON quarantine (source, received_at DESC)",
    """
    ALTER TABLE quarantine DROP COLUMN reasons, DROP COLUMN source_digest, DROP COLUMN discarded_at,
                           DROP COLUMN settled_by, DROP COLUMN discard_reason
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for statement in DOWN:
        op.execute(statement)
