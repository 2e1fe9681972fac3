"""Artifacts by path: which content each path of a run or model has."""

from alembic import op

revision = "registry_0004"
down_revision = "registry_0003"
branch_labels = None
depends_on = "eventkit_0001"

STATEMENTS: tuple[str, ...] = (
    # Paths are compared byte by byte: so a folder is one range of the index, in whatever script its names are.
    """
    CREATE TABLE files (
        path       text        COLLATE "C" PRIMARY KEY,
        digest     text        NOT NULL,
        size       bigint      NOT NULL,
        actor      text        NOT NULL,
        written_at timestamptz NOT NULL
    )
    """,
    """
    CREATE INDEX files_by_digest ON files (digest)
    """,
    # What the files' own area of the object store holds, when somebody last put it, and why loading it could run code:
    # empty where it cannot, and nothing where nobody has looked yet.
    """
    CREATE TABLE contents (
        digest  text        PRIMARY KEY,
        size    bigint      NOT NULL,
        put_at  timestamptz NOT NULL,
        verdict text
    )
    """,
    """
    CREATE INDEX contents_by_age ON contents (put_at)
    """,
    """
    CREATE TABLE manifest_contents (
        manifest text NOT NULL,
        digest   text NOT NULL,
        PRIMARY KEY (manifest, digest)
    )
    """,
    """
    CREATE INDEX manifests_by_content ON manifest_contents (digest)
    """,
    """
    CREATE TABLE allowed_artifacts (
        digest text        PRIMARY KEY,
        reason text        NOT NULL,
        actor  text        NOT NULL,
        time   timestamptz NOT NULL
    )
    """,
    # By the key that a model's facts have for good: a rename changes nothing here.
    """
    CREATE TABLE signatures (
        key            text        NOT NULL,
        version        integer     NOT NULL,
        artifact       text        NOT NULL,
        event_id       uuid        NOT NULL,
        correlation_id text        NOT NULL,
        signature      text,
        provenance     text,
        key_id         text,
        signed_at      timestamptz,
        PRIMARY KEY (key, version)
    )
    """,
    """
    CREATE INDEX signatures_waiting ON signatures (event_id) WHERE signature IS NULL
    """,
    """
    INSERT INTO signatures (key, version, artifact, event_id, correlation_id)
    SELECT split_part(stream, '/', 2), (fact #>> '{version,version}')::integer, fact #>> '{version,artifact,digest}',
           id, meta ->> 'correlation_id'
    FROM (SELECT id, stream, meta, convert_from(data, 'UTF8')::jsonb AS fact FROM events
          WHERE type = 'pelton.registry.model_version_created.v1') AS made
    """,
    # Where runs and logged models kept their files that were seen to be deleted.
    """
    CREATE TABLE deleted_places (
        path    text        COLLATE "C" PRIMARY KEY,
        seen_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE uploads (
        upload_id  text        PRIMARY KEY,
        path       text        NOT NULL,
        actor      text        NOT NULL,
        parts      integer     NOT NULL,
        created_at timestamptz NOT NULL
    )
    """,
    """
    CREATE TABLE upload_parts (
        upload_id text    NOT NULL REFERENCES uploads ON DELETE CASCADE,
        number    integer NOT NULL,
        digest    text    NOT NULL,
        size      bigint  NOT NULL,
        PRIMARY KEY (upload_id, number)
    )
    """,
)
TABLES: tuple[str, ...] = (
    "upload_parts",
    "uploads",
    "deleted_places",
    "signatures",
    "allowed_artifacts",
    "manifest_contents",
    "contents",
    "files",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
