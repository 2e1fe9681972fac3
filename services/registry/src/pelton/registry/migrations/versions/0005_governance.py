"""What is read about policies, approvals, aliases, variants and deprecations."""

from alembic import op

revision = "registry_0005"
down_revision = "registry_0004"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    ALTER TABLE models
        ADD COLUMN key         text,
        ADD COLUMN description text NOT NULL DEFAULT '',
        ADD COLUMN created_at  timestamptz,
        ADD COLUMN created_by  text,
        ADD COLUMN updated_at  timestamptz,
        ALTER COLUMN definition DROP NOT NULL,
        ALTER COLUMN definition_digest DROP NOT NULL,
        ALTER COLUMN code DROP NOT NULL,
        ALTER COLUMN registered_at DROP NOT NULL,
        ALTER COLUMN registered_by DROP NOT NULL
    """,
    """
    UPDATE models
    SET key = model, created_at = registered_at, created_by = registered_by, updated_at = registered_at
    """,
    """
    ALTER TABLE models
        ALTER COLUMN key SET NOT NULL,
        ALTER COLUMN created_at SET NOT NULL,
        ALTER COLUMN created_by SET NOT NULL,
        ALTER COLUMN updated_at SET NOT NULL,
        ADD CONSTRAINT models_key UNIQUE (key)
    """,
    """
    ALTER TABLE versions
        ADD COLUMN source          text NOT NULL DEFAULT '',
        ADD COLUMN location        text NOT NULL DEFAULT '',
        ADD COLUMN run_link        text NOT NULL DEFAULT '',
        ADD COLUMN logged_model_id text,
        ADD COLUMN logged_run      text,
        ADD COLUMN artifact        text,
        ADD COLUMN description     text NOT NULL DEFAULT '',
        ADD COLUMN created_by      text NOT NULL DEFAULT '',
        ADD COLUMN updated_at      timestamptz,
        ALTER COLUMN details DROP NOT NULL,
        ALTER COLUMN run_id DROP NOT NULL,
        ALTER COLUMN code DROP NOT NULL,
        ALTER COLUMN definition_digest DROP NOT NULL
    """,
    """
    UPDATE versions SET artifact = details::jsonb #>> '{artifact,digest}', updated_at = created_at
    """,
    """
    ALTER TABLE versions ALTER COLUMN updated_at SET NOT NULL
    """,
    """
    CREATE INDEX versions_by_run ON versions (run_id)
    """,
    """
    CREATE INDEX versions_by_location ON versions (location text_pattern_ops) WHERE location <> ''
    """,
    """
    CREATE INDEX versions_by_stage ON versions (model, stage, version DESC)
    """,
    # in the order of bytes, as the ids of logged models are where they are looked up from
    """
    CREATE INDEX versions_of_logged_models ON versions (logged_model_id COLLATE "C") WHERE logged_model_id IS NOT NULL
    """,
    """
    CREATE TABLE model_tags (
        model text NOT NULL,
        name  text NOT NULL,
        value text NOT NULL,
        PRIMARY KEY (model, name)
    )
    """,
    """
    CREATE TABLE version_tags (
        model   text    NOT NULL,
        version integer NOT NULL,
        name    text    NOT NULL,
        value   text    NOT NULL,
        PRIMARY KEY (model, version, name)
    )
    """,
    """
    CREATE TABLE aliases (
        model   text        NOT NULL,
        alias   text        NOT NULL,
        version integer     NOT NULL,
        set_by  text        NOT NULL,
        set_at  timestamptz NOT NULL,
        PRIMARY KEY (model, alias)
    )
    """,
    """
    CREATE INDEX aliases_of_version ON aliases (model, version)
    """,
    """
    CREATE TABLE policies (
        model  text        NOT NULL,
        stage  text        NOT NULL,
        policy text        NOT NULL,
        reason text        NOT NULL,
        set_by text        NOT NULL,
        set_at timestamptz NOT NULL,
        PRIMARY KEY (model, stage)
    )
    """,
    """
    CREATE TABLE evidence (
        model       text        NOT NULL,
        version     integer     NOT NULL,
        evidence    text        NOT NULL,
        recorded_by text        NOT NULL,
        recorded_at timestamptz NOT NULL,
        PRIMARY KEY (model, version)
    )
    """,
    """
    ALTER TABLE approvals
        ADD COLUMN to_stage   text    NOT NULL DEFAULT 'production',
        ADD COLUMN request    text    NOT NULL DEFAULT '',
        ADD COLUMN needed     integer NOT NULL DEFAULT 1,
        ADD COLUMN team       text,
        ADD COLUMN expires_at timestamptz
    """,
    """
    CREATE TABLE agreements (
        event_id uuid        PRIMARY KEY,
        request  uuid        NOT NULL REFERENCES approvals (event_id) ON DELETE CASCADE,
        by       text        NOT NULL,
        reason   text        NOT NULL,
        time     timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX agreements_of_request ON agreements (request)
    """,
    """
    CREATE TABLE comments (
        event_id uuid        PRIMARY KEY,
        request  uuid        NOT NULL REFERENCES approvals (event_id) ON DELETE CASCADE,
        by       text        NOT NULL,
        text     text        NOT NULL,
        time     timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX comments_of_request ON comments (request)
    """,
    """
    CREATE INDEX approvals_expiring ON approvals (expires_at) WHERE status = 'pending'
    """,
    """
    CREATE TABLE variants (
        model         text        PRIMARY KEY,
        variants      text        NOT NULL,
        key           text        NOT NULL,
        salt          text        NOT NULL,
        reason        text        NOT NULL,
        configured_by text        NOT NULL,
        configured_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE deprecations (
        model         text        NOT NULL,
        version       integer     NOT NULL,
        sunset        timestamptz,
        reason        text        NOT NULL,
        successor     integer,
        deprecated_by text        NOT NULL,
        deprecated_at timestamptz NOT NULL,
        PRIMARY KEY (model, version)
    )
    """,
    """
    CREATE TABLE usage (
        key     text        NOT NULL,
        version integer     NOT NULL,
        caller  text        NOT NULL,
        day     date        NOT NULL,
        source  text        NOT NULL,
        count   bigint      NOT NULL,
        last    timestamptz NOT NULL,
        PRIMARY KEY (key, version, caller, day, source)
    )
    """,
    """
    CREATE TABLE former_models (
        key        text        PRIMARY KEY,
        model      text        NOT NULL,
        deleted_at timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX former_models_by_name ON former_models (model, deleted_at DESC)
    """,
)
TABLES = (
    "former_models",
    "usage",
    "deprecations",
    "variants",
    "comments",
    "agreements",
    "evidence",
    "policies",
    "aliases",
    "version_tags",
    "model_tags",
)
# What programs logged has no place in the tables of before: it comes back with the next rebuild of the newer ones.
FORMER = (
    "DELETE FROM versions WHERE details IS NULL",
    "DELETE FROM models WHERE definition IS NULL",
    "DROP INDEX approvals_expiring",
    """
    ALTER TABLE approvals
        DROP COLUMN to_stage, DROP COLUMN request, DROP COLUMN needed, DROP COLUMN team, DROP COLUMN expires_at
    """,
    """
    ALTER TABLE versions
        DROP COLUMN source, DROP COLUMN location, DROP COLUMN run_link, DROP COLUMN logged_model_id,
        DROP COLUMN logged_run, DROP COLUMN artifact, DROP COLUMN description, DROP COLUMN created_by,
        DROP COLUMN updated_at,
        ALTER COLUMN details SET NOT NULL, ALTER COLUMN run_id SET NOT NULL, ALTER COLUMN code SET NOT NULL,
        ALTER COLUMN definition_digest SET NOT NULL
    """,
    "DROP INDEX versions_by_run",
    "DROP INDEX versions_by_stage",
    """
    ALTER TABLE models
        DROP COLUMN key, DROP COLUMN description, DROP COLUMN created_at, DROP COLUMN created_by,
        DROP COLUMN updated_at, ALTER COLUMN definition SET NOT NULL, ALTER COLUMN definition_digest SET NOT NULL,
        ALTER COLUMN code SET NOT NULL, ALTER COLUMN registered_at SET NOT NULL,
        ALTER COLUMN registered_by SET NOT NULL
    """,
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
    for statement in FORMER:
        op.execute(statement)
