"""The SQL of policies, evidence, approvals, variants and deprecations."""

from sqlalchemy import text

SAVE_POLICY = text("""
    INSERT INTO policies (model, stage, policy, reason, set_by, set_at)
    VALUES (:model, :stage, :policy, :reason, :actor, :time)
    ON CONFLICT (model, stage) DO UPDATE
    SET policy = EXCLUDED.policy, reason = EXCLUDED.reason, set_by = EXCLUDED.set_by, set_at = EXCLUDED.set_at
""")
DELETE_POLICY = text("DELETE FROM policies WHERE model = :model AND stage = :stage")
SAVE_EVIDENCE = text("""
    INSERT INTO evidence (model, version, evidence, recorded_by, recorded_at)
    VALUES (:model, :version, :evidence, :by, :time)
    ON CONFLICT (model, version) DO UPDATE
    SET evidence = EXCLUDED.evidence, recorded_by = EXCLUDED.recorded_by, recorded_at = EXCLUDED.recorded_at
""")
DELETE_EVIDENCE = text("DELETE FROM evidence WHERE model = :model AND version = :version")

SAVE_REQUEST = text("""
    INSERT INTO approvals
        (event_id, correlation_id, model, version, artifact, role, requested_by, requested_at, status,
         to_stage, request, needed, team, expires_at)
    VALUES
        (:event_id, :correlation_id, :model, :version, :artifact, :role, :requested_by, :time, 'pending',
         :to_stage, :request, :needed, :team, :expires_at)
""")
SAVE_AGREEMENT = text("""
    INSERT INTO agreements (event_id, request, by, reason, time)
    SELECT :event_id, event_id, :by, :reason, :time FROM approvals
    WHERE model = :model AND version = :version AND status = 'pending'
""")
SAVE_COMMENT = text("""
    INSERT INTO comments (event_id, request, by, text, time)
    SELECT :event_id, event_id, :by, :text, :time FROM approvals
    WHERE model = :model AND version = :version AND status = 'pending'
""")
END_REQUEST = text("""
    UPDATE approvals SET status = :status, decided_by = :by, reason = :reason, decided_at = :time
    WHERE model = :model AND version = :version AND status = 'pending'
""")
END_REQUESTS_TO = text("""
    UPDATE approvals SET status = :status, decided_by = :by, reason = :reason, decided_at = :time
    WHERE model = :model AND to_stage = :stage AND status = 'pending'
""")
SAVE_UNASKED = text("""
    INSERT INTO approvals
        (event_id, correlation_id, model, version, artifact, requested_at, status, decided_by, reason, decided_at)
    VALUES (:event_id, :correlation_id, :model, :version, :artifact, :time, :status, :by, :reason, :time)
""")

SAVE_VARIANTS = text("""
    INSERT INTO variants (model, variants, key, salt, reason, configured_by, configured_at)
    VALUES (:model, :variants, :key, :salt, :reason, :actor, :time)
    ON CONFLICT (model) DO UPDATE
    SET variants = EXCLUDED.variants, key = EXCLUDED.key, salt = EXCLUDED.salt, reason = EXCLUDED.reason,
        configured_by = EXCLUDED.configured_by, configured_at = EXCLUDED.configured_at
""")
DELETE_VARIANTS = text("DELETE FROM variants WHERE model = :model")
# version 0 stands for the model itself
SAVE_DEPRECATION = text("""
    INSERT INTO deprecations (model, version, sunset, reason, successor, deprecated_by, deprecated_at)
    VALUES (:model, :version, :sunset, :reason, :successor, :actor, :time)
    ON CONFLICT (model, version) DO UPDATE
    SET sunset = EXCLUDED.sunset, reason = EXCLUDED.reason, successor = EXCLUDED.successor,
        deprecated_by = EXCLUDED.deprecated_by, deprecated_at = EXCLUDED.deprecated_at
""")
DELETE_DEPRECATION = text("DELETE FROM deprecations WHERE model = :model AND version = :version")

POLICIES = text("SELECT stage, policy, reason, set_by, set_at FROM policies WHERE model = :model ORDER BY stage")
VARIANTS = text("""
    SELECT model, variants, key, salt, reason, configured_by, configured_at FROM variants WHERE model = :model
""")
# A version's number stands in its facts by itself, or within all that is known of it.
HISTORY = text("""
    SELECT id, version AS number, type, data, meta, time FROM events
    WHERE stream = 'models/' || :key AND version < :before AND (
        CAST(:version AS integer) IS NULL OR :version = ANY (ARRAY[
            CASE WHEN json_typeof(convert_from(data, 'UTF8')::json -> 'version') = 'number'
                 THEN (convert_from(data, 'UTF8')::json ->> 'version')::integer END,
            CASE WHEN json_typeof(convert_from(data, 'UTF8')::json -> 'version') = 'object'
                 THEN (convert_from(data, 'UTF8')::json #>> '{version,version}')::integer END
        ])
    )
    ORDER BY version DESC LIMIT :limit
""")
KEY = text("""
    SELECT key FROM models WHERE model = :model
    UNION ALL
    (SELECT key FROM former_models WHERE model = :model ORDER BY deleted_at DESC LIMIT 1)
    LIMIT 1
""")
