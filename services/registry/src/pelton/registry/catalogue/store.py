"""The SQL of the catalogue: names of models and the keys of their facts, versions, tags and aliases."""

from typing import Final

from sqlalchemy import text

# Whoever changes a model waits here for who does already: of many clients that log versions at once each gets one.
LOCK_MODEL = text("SELECT key FROM models WHERE model = :model FOR UPDATE")
LOCK_NAME = text("SELECT pg_advisory_xact_lock(hashtextextended('pelton.model/' || :model, 0))")
# Two that change stages at once are no queue: the second decided on what it saw before the first.
LOCK_STAGES = text("SELECT pg_try_advisory_xact_lock(hashtextextended('pelton.stages/' || :model, 0)) AS first")
IS_USED = text("SELECT 1 FROM events WHERE stream = 'models/' || :key AND version = 1")
FACTS_OF = text("""
    SELECT id, version, type, data FROM events WHERE stream = :stream AND version >= :since ORDER BY version
""")

CREATE = text("""
    WITH tags AS (
        INSERT INTO model_tags (model, name, value)
        SELECT :model, name, value FROM jsonb_each_text(CAST(:tags AS jsonb)) AS tag (name, value)
    )
    INSERT INTO models (key, model, description, created_at, created_by, updated_at)
    VALUES (:key, :model, :description, :time, :actor, :time)
""")
LOG = text("""
    WITH tags AS (
        INSERT INTO version_tags (model, version, name, value)
        SELECT :model, CAST(:version AS integer), name, value
        FROM jsonb_each_text(CAST(:tags AS jsonb)) AS tag (name, value)
    ), touched AS (
        UPDATE models SET updated_at = :time WHERE model = :model
    )
    INSERT INTO versions
        (model, version, stage, source, location, run_id, run_link, logged_model_id, logged_run, artifact, description,
         created_at, created_by, updated_at)
    VALUES
        (:model, :version, 'development', :source, :location, :run_id, :run_link, :logged_model_id, :logged_run,
         :artifact, :description, :time, :actor, :time)
""")
CHANGE = text("""
    UPDATE versions SET artifact = :artifact, gates = '[]', updated_at = :time
    WHERE model = :model AND version = :version
""")
DESCRIBE_MODEL = text("UPDATE models SET description = :description, updated_at = :time WHERE model = :model")
DESCRIBE_VERSION = text("""
    UPDATE versions SET description = :description, updated_at = :time WHERE model = :model AND version = :version
""")
TAG_MODEL = text("""
    INSERT INTO model_tags (model, name, value) VALUES (:model, :name, :value)
    ON CONFLICT (model, name) DO UPDATE SET value = EXCLUDED.value
""")
UNTAG_MODEL = text("DELETE FROM model_tags WHERE model = :model AND name = :name")
TAG_VERSION = text("""
    INSERT INTO version_tags (model, version, name, value) VALUES (:model, :version, :name, :value)
    ON CONFLICT (model, version, name) DO UPDATE SET value = EXCLUDED.value
""")
UNTAG_VERSION = text("DELETE FROM version_tags WHERE model = :model AND version = :version AND name = :name")
SET_ALIAS = text("""
    INSERT INTO aliases (model, alias, version, set_by, set_at) VALUES (:model, :alias, :version, :actor, :time)
    ON CONFLICT (model, alias) DO UPDATE
    SET version = EXCLUDED.version, set_by = EXCLUDED.set_by, set_at = EXCLUDED.set_at
""")
REMOVE_ALIAS = text("DELETE FROM aliases WHERE model = :model AND alias = :alias")
# Of a governed model alone: of others the alias is whatever its users make it.
FOLLOW_PRODUCTION = text("""
    INSERT INTO aliases (model, alias, version, set_by, set_at)
    SELECT model, :alias, champion, :actor, :time FROM models
    WHERE model = :model AND champion IS NOT NULL AND (
        definition IS NOT NULL OR EXISTS (SELECT FROM policies WHERE policies.model = models.model)
    )
    ON CONFLICT (model, alias) DO UPDATE
    SET version = EXCLUDED.version, set_by = EXCLUDED.set_by, set_at = EXCLUDED.set_at
""")
FORGET_FORMER = text("""
    UPDATE models SET former = array_remove(former, :version), updated_at = :time WHERE model = :model
""")

BURY = text("""
    INSERT INTO former_models (key, model, deleted_at) VALUES (:key, :model, :time)
""")

OF_MODEL: Final = (
    "versions",
    "stage_changes",
    "model_tags",
    "version_tags",
    "aliases",
    "policies",
    "evidence",
    "approvals",
    "variants",
    "deprecations",
)
OF_VERSION: Final = ("versions", "stage_changes", "version_tags", "evidence", "approvals", "deprecations")
# S608: the names of the tables are those above
RENAME_MODEL = text("UPDATE models SET model = :to, updated_at = :time WHERE model = :model")
RENAME = tuple(text(f"UPDATE {table} SET model = :to WHERE model = :model") for table in OF_MODEL)  # noqa: S608
DELETE_MODEL = tuple(text(f"DELETE FROM {table} WHERE model = :model") for table in (*OF_MODEL, "models"))  # noqa: S608
DELETE_VERSION = tuple(
    text(f"DELETE FROM {table} WHERE model = :model AND version = :version")  # noqa: S608
    for table in OF_VERSION
)
FORGET = tuple(
    text(f"DELETE FROM {table}")  # noqa: S608
    for table in (
        "former_models",
        "model_tags",
        "version_tags",
        "aliases",
        "policies",
        "evidence",
        "variants",
        "deprecations",
    )
)
