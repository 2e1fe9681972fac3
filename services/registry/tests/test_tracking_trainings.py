"""Pelton's own trainings, as MLflow's clients see them."""

from registry_door import Door
from registry_facts import CODE, define, trained
from tracking_client import EXPERIMENTS, RUNS, answered, pairs, refused

from pelton.contracts.registry import RunFinished
from pelton.registry import store


async def finished(door: Door) -> list[RunFinished]:
    """What is on record of trainings that ended well."""
    async with door.units.begin() as unit:
        found = await store.facts_after(unit.connection, 0, 100)
    return [one.fact for _, one in found if isinstance(one.fact, RunFinished)]


async def test_a_training_is_a_finished_run_of_the_experiment_that_is_named_after_its_model(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    for number in (1, 2):
        await door.receive(trained(number))
    facts = await finished(door)
    answer = await door.mlflow("GET", f"{EXPERIMENTS}/get-by-name", params={"experiment_name": "late"})
    experiment = answered(answer)["experiment"]
    search = {"experiment_ids": [experiment["experiment_id"]], "order_by": ["attributes.run_name"]}
    runs = answered(await door.mlflow("POST", f"{RUNS}/search", json=search))["runs"]
    assert [run["info"]["run_id"] for run in runs] == [fact.run_id for fact in facts]
    info, data = runs[0]["info"], runs[0]["data"]
    assert (info["status"], info["run_name"]) == ("FINISHED", "late-1")
    assert info["start_time"] == info["end_time"] > 1_000_000_000_000
    assert info["artifact_uri"] == f"{experiment['artifact_location']}/{info['run_id']}/artifacts"
    assert pairs(data["params"]) == {key: str(value) for key, value in facts[0].parameters.items()}
    assert pairs(data["metrics"]) == facts[0].metrics
    assert pairs(data["tags"]) == {"mlflow.runName": "late-1", "pelton.training_id": "late-1", "pelton.model": "late"}


async def test_what_people_did_to_a_trainings_run_outlives_a_rebuild(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    (fact,) = await finished(door)
    tag = {"run_id": fact.run_id, "key": "mlflow.runName", "value": "the good one"}
    answered(await door.mlflow("POST", f"{RUNS}/set-tag", json=tag))
    before = answered(await door.mlflow("GET", f"{RUNS}/get", params={"run_id": fact.run_id}))
    assert (await door.ask("POST", "/projections/rebuild")).status_code == 200
    assert answered(await door.mlflow("GET", f"{RUNS}/get", params={"run_id": fact.run_id})) == before
    assert before["run"]["info"]["run_name"] == "the good one"


async def test_a_version_keeps_the_run_that_it_was_made_from(door: Door) -> None:
    await door.declare(define(), CODE.digest)
    await door.receive(trained(1))
    (fact,) = await finished(door)
    answer = await door.mlflow("POST", f"{RUNS}/delete", json={"run_id": fact.run_id})
    message = refused(answer, 409, "RESOURCE_CONFLICT")
    assert message.startswith(f"Run {fact.run_id} is needed by version 1 of late: delete these versions first")
    answer = await door.mlflow("GET", f"{EXPERIMENTS}/get-by-name", params={"experiment_name": "late"})
    body = {"experiment_id": answered(answer)["experiment"]["experiment_id"]}
    answer = await door.mlflow("POST", f"{EXPERIMENTS}/delete", json=body)
    assert "version 1 of late" in refused(answer, 409, "RESOURCE_CONFLICT")
    run = answered(await door.mlflow("GET", f"{RUNS}/get", params={"run_id": fact.run_id}))["run"]
    assert run["info"]["lifecycle_stage"] == "active"
