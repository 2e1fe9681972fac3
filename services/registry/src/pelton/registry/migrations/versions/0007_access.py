"""Teams, restrictions and webhooks."""

from alembic import op

revision = "registry_0007"
down_revision = "registry_0006"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE teams (
        team       text        PRIMARY KEY,
        details    text        NOT NULL,
        changed_at timestamptz NOT NULL,
        changed_by text        NOT NULL
    )
    """,
    """
    CREATE TABLE restrictions (
        restriction text        PRIMARY KEY,
        details     text        NOT NULL,
        set_at      timestamptz NOT NULL,
        set_by      text        NOT NULL
    )
    """,
    # What signs and where it goes is in no fact, and so these tables are not made anew from facts.
    """
    CREATE TABLE webhooks (
        webhook     uuid        PRIMARY KEY,
        name        text        NOT NULL,
        url         text        NOT NULL,
        description text        NOT NULL,
        format      text        NOT NULL,
        events      text[]      NOT NULL,
        models      text        NOT NULL,
        active      boolean     NOT NULL,
        owner       text        NOT NULL,
        owner_role  text        NOT NULL,
        created_at  timestamptz NOT NULL,
        changed_at  timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX webhooks_by_age ON webhooks (created_at, webhook)
    """,
    """
    CREATE TABLE webhook_secrets (
        webhook    uuid        NOT NULL REFERENCES webhooks ON DELETE CASCADE,
        secret     text        NOT NULL,
        created_at timestamptz NOT NULL,
        expires_at timestamptz,
        PRIMARY KEY (webhook, created_at)
    )
    """,
    """
    CREATE TABLE webhook_deliveries (
        webhook    uuid        NOT NULL REFERENCES webhooks ON DELETE CASCADE,
        position   bigint      NOT NULL,
        event_id   uuid        NOT NULL,
        type       text        NOT NULL,
        state      text        NOT NULL,
        tries      integer     NOT NULL DEFAULT 0,
        created_at timestamptz NOT NULL,
        next_at    timestamptz,
        tried_at   timestamptz,
        status     integer,
        error      text,
        response   text        NOT NULL DEFAULT '',
        PRIMARY KEY (webhook, position)
    )
    """,
    """
    CREATE INDEX webhook_deliveries_to_try ON webhook_deliveries (webhook, position) WHERE state = 'pending'
    """,
    """
    CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at) WHERE state <> 'pending'
    """,
    """
    CREATE TABLE webhook_cursor (
        single   boolean PRIMARY KEY DEFAULT true CHECK (single),
        position bigint  NOT NULL
    )
    """,
)
TABLES: tuple[str, ...] = (
    "webhook_cursor",
    "webhook_deliveries",
    "webhook_secrets",
    "webhooks",
    "restrictions",
    "teams",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
