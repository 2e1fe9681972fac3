"""Pelton's own trainings, shown as runs: so MLflow's clients see them beside their own."""

from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from pelton.contracts.registry import RunFinished
from pelton.registry.store import StoredFact
from pelton.registry.tracking.runs import RUN_NAME
from pelton.registry.tracking.times import milliseconds

# The experiment of a model is made with its first run, and may be there already by a client's hand.
BEGIN_EXPERIMENT: Final = text("""
    INSERT INTO experiments (experiment_id, name, artifact_location, creation_time, last_update_time)
    SELECT id, :model, 'mlflow-artifacts:/' || id, :time, :time
    FROM (SELECT nextval('experiment_ids') AS id
          WHERE NOT EXISTS (SELECT FROM experiments WHERE name = :model)) AS next
    ON CONFLICT (name) DO NOTHING
""")
BEGIN_RUN: Final = text("""
    INSERT INTO tracked_runs (run_id, experiment_id, run_name, user_id, status, start_time, end_time, artifact_uri)
    SELECT :run_id, experiment_id, :name, :user, 'FINISHED', :time, :time,
           artifact_location || '/' || :run_id || '/artifacts'
    FROM experiments WHERE name = :model
    ON CONFLICT (run_id) DO NOTHING
""")
LOG: Final = text("""
    SELECT log_batch(:run_id, :metrics, :places, :places, :values, :times, :steps, '{}', '{}', '{}',
                     :params, :param_values, :tags, :tag_values)
""")


async def show_run_finished(connection: AsyncConnection, stored: StoredFact) -> None:
    """Show a finished training of Pelton's as a finished run of the experiment that is named after its model.

    A training that is shown already is left as it is, with what people have done to the run since: facts may be
    projected again.
    """
    fact = stored.fact
    assert isinstance(fact, RunFinished)  # noqa: S101 - the projection calls it for this fact alone
    time = milliseconds(stored.time)
    await connection.execute(BEGIN_EXPERIMENT, {"model": fact.model, "time": time})
    begun = await connection.execute(
        BEGIN_RUN,
        {
            "run_id": fact.run_id,
            "name": fact.training_id,
            "user": stored.actor,
            "time": time,
            "model": fact.model,
        },
    )
    if not begun.rowcount:
        return
    tags = {RUN_NAME: fact.training_id, "pelton.training_id": fact.training_id, "pelton.model": fact.model}
    metrics, params = sorted(fact.metrics), sorted(fact.parameters)
    await connection.execute(
        LOG,
        {
            "run_id": fact.run_id,
            "metrics": metrics,
            "places": list(range(1, len(metrics) + 1)),
            "values": [fact.metrics[name] for name in metrics],
            "times": [time] * len(metrics),
            "steps": [0] * len(metrics),
            "params": params,
            "param_values": [str(fact.parameters[name]) for name in params],
            "tags": list(tags),
            "tag_values": list(tags.values()),
        },
    )
