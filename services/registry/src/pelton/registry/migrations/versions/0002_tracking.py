"""Experiments and runs of MLflow's clients: high-volume data, kept beside the facts.

Experiments and runs are marked as deleted and never removed, so that no foreign key is needed to watch over them: one
would lock the parent's row for every metric that is written.
"""

from alembic import op

revision = "registry_0002"
down_revision = "registry_0001"
branch_labels = None
depends_on = None

STATEMENTS = (
    """
    CREATE TABLE experiments (
        experiment_id     bigint PRIMARY KEY,
        name              text   COLLATE "C" NOT NULL UNIQUE,
        artifact_location text   NOT NULL,
        lifecycle_stage   text   NOT NULL DEFAULT 'active',
        creation_time     bigint NOT NULL,
        last_update_time  bigint NOT NULL
    )
    """,
    """
    CREATE SEQUENCE experiment_ids OWNED BY experiments.experiment_id
    """,
    """
    CREATE TABLE experiment_tags (
        experiment_id bigint NOT NULL,
        key           text   COLLATE "C" NOT NULL,
        value         text   COLLATE "C" NOT NULL,
        PRIMARY KEY (experiment_id, key)
    )
    """,
    """
    CREATE TABLE tracked_runs (
        run             bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        run_id          text   COLLATE "C" NOT NULL UNIQUE,
        experiment_id   bigint NOT NULL,
        run_name        text   COLLATE "C" NOT NULL,
        user_id         text   COLLATE "C" NOT NULL,
        status          text   COLLATE "C" NOT NULL,
        start_time      bigint NOT NULL,
        end_time        bigint,
        artifact_uri    text   COLLATE "C" NOT NULL,
        lifecycle_stage text   NOT NULL DEFAULT 'active'
    )
    """,
    """
    CREATE INDEX tracked_runs_by_start ON tracked_runs (experiment_id, start_time DESC, run_id)
    """,
    # What a run logs repeats the run's experiment and start, neither of which ever changes: so an index has the runs of
    # an experiment in the order of a value, and those of the same value in the order of their start. Of text it takes
    # 256 characters, as an entry of an index has a limit; longer text is found by its key alone.
    """
    CREATE TABLE run_params (
        run           bigint           NOT NULL,
        experiment_id bigint           NOT NULL,
        start_time    bigint           NOT NULL,
        key           text COLLATE "C" NOT NULL,
        value         text COLLATE "C" NOT NULL,
        PRIMARY KEY (run, key)
    )
    """,
    """
    CREATE INDEX run_params_by_value ON run_params (experiment_id, key, value, start_time DESC)
    WHERE length(value) <= 256
    """,
    """
    CREATE INDEX run_params_by_long_value ON run_params (experiment_id, key)
    WHERE length(value) > 256
    """,
    """
    CREATE TABLE run_tags (
        run           bigint           NOT NULL,
        experiment_id bigint           NOT NULL,
        start_time    bigint           NOT NULL,
        key           text COLLATE "C" NOT NULL,
        value         text COLLATE "C" NOT NULL,
        PRIMARY KEY (run, key)
    )
    """,
    """
    CREATE INDEX run_tags_by_value ON run_tags (experiment_id, key, value, start_time DESC)
    WHERE length(value) <= 256
    """,
    """
    CREATE INDEX run_tags_by_long_value ON run_tags (experiment_id, key)
    WHERE length(value) > 256
    """,
    # A series is one metric of one run, with its latest point. The index of values costs each new latest point two
    # entries of indexes, some microseconds; to search without it would read every run of an experiment.
    """
    CREATE TABLE run_metrics (
        series        bigint           GENERATED ALWAYS AS IDENTITY,
        run           bigint           NOT NULL,
        experiment_id bigint           NOT NULL,
        start_time    bigint           NOT NULL,
        key           text COLLATE "C" NOT NULL,
        value         double precision NOT NULL,
        timestamp     bigint           NOT NULL,
        step          bigint           NOT NULL,
        PRIMARY KEY (run, key)
    ) WITH (fillfactor = 70)
    """,
    """
    CREATE INDEX run_metrics_by_value ON run_metrics (experiment_id, key, value, start_time)
    """,
    # A point that is sent twice is here twice, and shown once: to look for each point before it is written would double
    # the cost of writing. The index is the order of a history, and holds all of it.
    """
    CREATE TABLE metric_points (
        series    bigint           NOT NULL,
        step      bigint           NOT NULL,
        timestamp bigint           NOT NULL,
        value     double precision NOT NULL
    )
    """,
    """
    CREATE INDEX metric_history ON metric_points (series, step, timestamp, value) WITH (deduplicate_items = off)
    """,
    """
    CREATE TABLE model_metrics (
        model_id       text COLLATE "C" NOT NULL,
        run            bigint           NOT NULL,
        key            text COLLATE "C" NOT NULL,
        value          double precision NOT NULL,
        timestamp      bigint           NOT NULL,
        step           bigint           NOT NULL,
        dataset_name   text,
        dataset_digest text,
        UNIQUE NULLS NOT DISTINCT (model_id, key, step, timestamp, value, run, dataset_name, dataset_digest)
    )
    """,
    """
    CREATE TABLE datasets (
        dataset       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        experiment_id bigint NOT NULL,
        name          text   NOT NULL,
        digest        text   NOT NULL,
        source_type   text   NOT NULL,
        source        text   NOT NULL,
        schema        text,
        profile       text,
        UNIQUE (experiment_id, name, digest)
    )
    """,
    """
    CREATE TABLE run_datasets (
        run     bigint NOT NULL,
        dataset bigint NOT NULL,
        context text,
        tags    json   NOT NULL,
        PRIMARY KEY (run, dataset)
    )
    """,
    """
    CREATE TABLE run_models (
        run      bigint NOT NULL,
        relation text   NOT NULL,
        model_id text   NOT NULL,
        step     bigint NOT NULL,
        PRIMARY KEY (run, relation, model_id, step)
    )
    """,
    # What a client logs at once is one call, one transaction and one round trip. Of each metric in `metric_keys`,
    # `newest` is the place of its latest point; point i has the metric `metric_keys[metrics[i]]`. Returns the lifecycle
    # stage of the run, or null when there is none, and has written unless that is 'active'. A param that has another
    # value already is error PT409, whose detail lists such params, and nothing is written. Rows are written in the
    # order of their keys, so that calls which share some wait for one another and never in a circle.
    """
    CREATE FUNCTION log_batch(
        given_run text, metric_keys text[], newest int[],
        metrics int[], vals double precision[], times bigint[], steps bigint[],
        models text[], dataset_names text[], dataset_digests text[],
        param_keys text[], param_values text[], tag_keys text[], tag_values text[]
    ) RETURNS text LANGUAGE plpgsql AS $$
    DECLARE
        the       tracked_runs;
        changed   json;
        series_of bigint[];
    BEGIN
        SELECT * INTO the FROM tracked_runs WHERE run_id = given_run;
        IF the.lifecycle_stage IS DISTINCT FROM 'active' THEN
            RETURN the.lifecycle_stage;
        END IF;
        IF cardinality(param_keys) > 0 THEN
            WITH given AS (
                SELECT * FROM unnest(param_keys, param_values) AS given (key, value)
            ), differing AS (
                INSERT INTO run_params AS kept (run, experiment_id, start_time, key, value)
                SELECT the.run, the.experiment_id, the.start_time, key, value FROM given ORDER BY key
                ON CONFLICT (run, key) DO UPDATE SET value = kept.value WHERE kept.value <> excluded.value
                RETURNING kept.key, kept.value
            )
            SELECT json_agg(json_build_object('key', key, 'old_value', differing.value, 'new_value', given.value))
            INTO changed FROM differing JOIN given USING (key) WHERE differing.value <> given.value;
            IF changed IS NOT NULL THEN
                RAISE EXCEPTION 'a param has another value' USING ERRCODE = 'PT409', DETAIL = changed;
            END IF;
        END IF;
        IF cardinality(tag_keys) > 0 THEN
            INSERT INTO run_tags (run, experiment_id, start_time, key, value)
            SELECT the.run, the.experiment_id, the.start_time, key, value
            FROM unnest(tag_keys, tag_values) AS given (key, value) ORDER BY key
            ON CONFLICT (run, key) DO UPDATE SET value = excluded.value;
            IF 'mlflow.runName' = ANY (tag_keys) THEN
                UPDATE tracked_runs SET run_name = tag.value
                FROM run_tags AS tag
                WHERE tracked_runs.run = the.run AND tag.run = the.run AND tag.key = 'mlflow.runName';
            END IF;
        END IF;
        IF cardinality(metric_keys) > 0 THEN
            WITH written AS (
                INSERT INTO run_metrics AS kept (run, experiment_id, start_time, key, value, timestamp, step)
                SELECT the.run, the.experiment_id, the.start_time, key, vals[place], times[place], steps[place]
                FROM unnest(metric_keys, newest) AS given (key, place) ORDER BY key
                ON CONFLICT (run, key) DO UPDATE
                SET value = CASE
                        WHEN (excluded.step, excluded.timestamp, excluded.value)
                            > (kept.step, kept.timestamp, kept.value) THEN excluded.value ELSE kept.value END,
                    timestamp = CASE
                        WHEN (excluded.step, excluded.timestamp) > (kept.step, kept.timestamp)
                        THEN excluded.timestamp ELSE kept.timestamp END,
                    step = greatest(excluded.step, kept.step)
                RETURNING kept.key, kept.series
            )
            SELECT array_agg(series ORDER BY key) INTO series_of FROM written;
            INSERT INTO metric_points (series, step, timestamp, value)
            SELECT series_of[metric], step, timestamp, value
            FROM unnest(metrics, steps, times, vals) AS given (metric, step, timestamp, value);
        END IF;
        IF cardinality(models) > 0 THEN
            INSERT INTO model_metrics (model_id, run, key, value, timestamp, step, dataset_name, dataset_digest)
            SELECT model_id, the.run, metric_keys[metric], value, timestamp, step, dataset_name, dataset_digest
            FROM unnest(models, metrics, vals, times, steps, dataset_names, dataset_digests)
                AS given (model_id, metric, value, timestamp, step, dataset_name, dataset_digest)
            WHERE model_id IS NOT NULL
            ON CONFLICT DO NOTHING;
        END IF;
        RETURN the.lifecycle_stage;
    END
    $$
    """,
)
TABLES = (
    "run_models",
    "run_datasets",
    "datasets",
    "model_metrics",
    "metric_points",
    "run_metrics",
    "run_tags",
    "run_params",
    "tracked_runs",
    "experiment_tags",
    "experiments",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP FUNCTION log_batch")
    for table in TABLES:
        op.execute(f"DROP TABLE {table}")
