"""The graph of what was made of what, the facts of other services that it is made from, and the models' cards."""

from alembic import op

revision = "registry_0006"
down_revision = "registry_0005"
branch_labels = None
depends_on = None

STATEMENTS: tuple[str, ...] = (
    """
    CREATE TABLE lineage_nodes (
        kind       text        COLLATE "C" NOT NULL,
        id         text        COLLATE "C" NOT NULL,
        attributes text        NOT NULL,
        told_at    timestamptz NOT NULL,
        told_by    uuid        NOT NULL,
        PRIMARY KEY (kind, id)
    )
    """,
    # Ids are compared byte by byte, as those of runs are: else no index could be used for both.
    """
    CREATE TABLE lineage_edges (
        kind        text COLLATE "C" NOT NULL,
        id          text COLLATE "C" NOT NULL,
        role        text COLLATE "C" NOT NULL,
        parent_kind text COLLATE "C" NOT NULL,
        parent_id   text COLLATE "C" NOT NULL,
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
    # Keyed as models are: whatever its name becomes, a model keeps its cards.
    """
    CREATE TABLE card_sections (
        key        text        NOT NULL,
        section    text        NOT NULL,
        text       text        NOT NULL,
        written_by text        NOT NULL,
        written_at timestamptz NOT NULL,
        PRIMARY KEY (key, section)
    )
    """,
    """
    CREATE TABLE cards (
        event_id     uuid        PRIMARY KEY,
        key          text        NOT NULL,
        version      integer     NOT NULL,
        card         text        NOT NULL,
        published_at timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX cards_of_version ON cards (key, version, published_at DESC)
    """,
    # What MLflow's clients tell of their runs is no fact: it is read where they keep it, and so is never out of step.
    # No name in the graph is longer than 512 characters, and no index could hold a longer one.
    """
    CREATE INDEX run_tags_of_lineage ON run_tags (key, value)
    WHERE key IN ('mlflow.source.git.commit', 'mlflow.parentRunId', 'pelton.parent') AND length(value) <= 512
    """,
    # The hash of a diff is in no index, as its digest depends on the text's encoding: there are few of them.
    """
    CREATE INDEX run_diffs_of_lineage ON run_tags (run) WHERE key = 'mlflow.source.git.diff'
    """,
    """
    CREATE INDEX model_commits_of_lineage ON logged_model_tags (value)
    WHERE key = 'mlflow.source.git.commit' AND length(value) <= 512
    """,
    """
    CREATE INDEX model_diffs_of_lineage ON logged_model_tags (model_id) WHERE key = 'mlflow.source.git.diff'
    """,
    """
    CREATE INDEX versions_of_lineage ON versions (((model || '@' || version::text) COLLATE "C"))
    WHERE logged_model_id IS NOT NULL
    """,
    """
    CREATE INDEX datasets_of_lineage ON datasets ((('mlflow:' || name || ':' || digest) COLLATE "C"))
    """,
    """
    CREATE INDEX run_datasets_of_lineage ON run_datasets (dataset)
    """,
    """
    CREATE VIEW lineage_links (kind, id, role, parent_kind, parent_id) AS
    SELECT kind, id, role, parent_kind, parent_id FROM lineage_edges
    UNION ALL
    SELECT 'run', run_id COLLATE "C",
           CASE WHEN context ~* 'eval|valid|test' THEN 'evaluated_on' ELSE 'trained_on' END,
           'dataset', ('mlflow:' || datasets.name || ':' || datasets.digest) COLLATE "C"
    FROM tracked_runs JOIN run_datasets USING (run) JOIN datasets USING (dataset)
    UNION ALL
    SELECT 'run', run_id COLLATE "C", 'used', 'code', value COLLATE "C"
    FROM tracked_runs JOIN run_tags USING (run) WHERE key = 'mlflow.source.git.commit' AND length(value) <= 512
    UNION ALL
    SELECT 'run', run_id COLLATE "C", 'used', 'diff',
           ('sha256:' || encode(sha256(convert_to(value, 'UTF8')), 'hex')) COLLATE "C"
    FROM tracked_runs JOIN run_tags USING (run) WHERE key = 'mlflow.source.git.diff'
    UNION ALL
    SELECT 'version', (versions.model || '@' || versions.version::text) COLLATE "C", 'used', 'code', value COLLATE "C"
    FROM versions JOIN logged_model_tags ON model_id = logged_model_id COLLATE "C"
    WHERE key = 'mlflow.source.git.commit' AND length(value) <= 512
    UNION ALL
    SELECT 'version', (versions.model || '@' || versions.version::text) COLLATE "C", 'used', 'diff',
           ('sha256:' || encode(sha256(convert_to(value, 'UTF8')), 'hex')) COLLATE "C"
    FROM versions JOIN logged_model_tags ON model_id = logged_model_id COLLATE "C"
    WHERE key = 'mlflow.source.git.diff'
    UNION ALL
    SELECT 'run', run_id COLLATE "C", 'nested_in', 'run', value COLLATE "C"
    FROM tracked_runs JOIN run_tags USING (run) WHERE key = 'mlflow.parentRunId' AND length(value) <= 512
    UNION ALL
    SELECT 'run', run_id COLLATE "C", 'derived_from', 'version', value COLLATE "C"
    FROM tracked_runs JOIN run_tags USING (run)
    WHERE key = 'pelton.parent' AND length(value) <= 512 AND value ~ '^.+@[1-9][0-9]*$'
    """,
    """
    CREATE VIEW lineage_things (kind, id, attributes) AS
    SELECT kind, id, attributes FROM lineage_nodes
    UNION ALL
    SELECT 'dataset', ('mlflow:' || name || ':' || digest) COLLATE "C",
           json_build_object('name', name, 'digest', digest, 'source_type', source_type, 'source', source,
                             'schema', schema, 'profile', profile)::text
    FROM datasets
    UNION ALL
    SELECT 'run', run_id COLLATE "C",
           json_build_object('name', run_name, 'user', user_id, 'status', status, 'experiment_id', experiment_id::text,
                             'start_time', start_time, 'end_time', end_time, 'source', (
                                 SELECT coalesce(json_object_agg(key, value ORDER BY key), '{}') FROM run_tags
                                 WHERE run_tags.run = tracked_runs.run
                                   AND key <> 'mlflow.source.git.diff'
                                   AND (key LIKE 'mlflow.source.%' OR key LIKE 'mlflow.git.%'
                                        OR key LIKE 'mlflow.databricks.notebook%')))::text
    FROM tracked_runs
    """,
)
TABLES: tuple[str, ...] = ("cards", "card_sections", "lineage_facts", "lineage_edges", "lineage_nodes")


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for view in ("lineage_things", "lineage_links"):
        op.execute(f"DROP VIEW {view}")
    for index in (
        "run_datasets_of_lineage",
        "datasets_of_lineage",
        "versions_of_lineage",
        "model_diffs_of_lineage",
        "model_commits_of_lineage",
        "run_diffs_of_lineage",
        "run_tags_of_lineage",
    ):
        op.execute(f"DROP INDEX {index}")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
