"""The graph of what was made of what, the facts of other services that it is made from, and the models' cards."""

from alembic import op

revision = "registry_0006"
down_revision = "registry_0005"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE lineage_nodes (
        kind       text        NOT NULL,
        id         text        NOT NULL,
        attributes text        NOT NULL,
        told_at    timestamptz NOT NULL,
        told_by    uuid        NOT NULL,
        PRIMARY KEY (kind, id)
    )
    """,
    """
    CREATE TABLE lineage_edges (
        kind        text NOT NULL,
        id          text NOT NULL,
        role        text NOT NULL,
        parent_kind text NOT NULL,
        parent_id   text NOT NULL,
        PRIMARY KEY (kind, id, role, parent_kind, parent_id)
    )
    """,
    """
    CREATE INDEX lineage_children ON lineage_edges (parent_kind, parent_id)
    """,
    """
    CREATE TABLE lineage_facts (
        id   uuid        PRIMARY KEY,
        type text        NOT NULL,
        data bytea       NOT NULL,
        time timestamptz NOT NULL
    )
    """,
)
TABLES: tuple[str, ...] = ("lineage_facts", "lineage_edges", "lineage_nodes")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
