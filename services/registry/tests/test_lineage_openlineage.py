"""The graph in OpenLineage's words, read back by OpenLineage's own classes."""

import json
from datetime import datetime
from typing import Any

import attr
import pytest
from lineage_facts import hear, logged, materialized, record, tell_everything
from openlineage.client import event_v2, facet_v2
from registry_door import Door
from registry_facts import CODE, define

from pelton.contracts.canonical import canonical_json, sha256
from pelton.contracts.feature import ColumnProfile, DatasetProfile
from pelton.contracts.registry import LoggedRun
from pelton.eventkit.identity import Role

FACETS = {
    "schema": facet_v2.schema_dataset.SchemaDatasetFacet,
    "version": facet_v2.dataset_version_dataset.DatasetVersionDatasetFacet,
    "dataSource": facet_v2.datasource_dataset.DatasourceDatasetFacet,
    "dataQualityMetrics": facet_v2.data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet,
    "jobType": facet_v2.job_type_job.JobTypeJobFacet,
    "sourceCodeLocation": facet_v2.source_code_location_job.SourceCodeLocationJobFacet,
    "nominalTime": facet_v2.nominal_time_run.NominalTimeRunFacet,
    "parent": facet_v2.parent_run.ParentRunFacet,
}


async def export(door: Door, path: str, **params: str | int) -> list[dict[str, Any]]:
    answer = await door.ask("GET", f"/lineage/{path}/openlineage", role=Role.VIEWER, params=params)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("application/x-ndjson")
    events = [json.loads(line) for line in answer.text.splitlines()]
    for event in events:
        check(event)
    return events


def check(event: dict[str, Any]) -> None:
    """Every name in an event is one of OpenLineage's, and its values pass the checks of its classes."""
    assert {"eventTime", "eventType", "producer", "schemaURL", "run", "job"} <= event.keys()
    datetime.fromisoformat(event["eventTime"])
    event_v2.RunState(event["eventType"])
    run, job = event["run"], event["job"]
    event_v2.RunEvent(
        eventTime=event["eventTime"],
        run=event_v2.Run(run["runId"], facets(run.get("facets", {}))),
        job=event_v2.Job(job["namespace"], job["name"], facets(job.get("facets", {}))),
        producer=event["producer"],
        inputs=[event_v2.InputDataset(one["namespace"], one["name"]) for one in event.get("inputs", ())],
    )
    for one in (*event.get("inputs", ()), *event.get("outputs", ())):
        facets(one.get("facets", {}) | one.get("inputFacets", {}))


def facets(told: dict[str, Any]) -> dict[str, Any]:
    made = {}
    for name, content in told.items():
        kind = FACETS[name]
        assert content["_schemaURL"].startswith("https://openlineage.io/spec/facets/")
        given = {key: value for key, value in content.items() if not key.startswith("_")}
        unknown = given.keys() - {field.name for field in attr.fields(kind)}
        assert not unknown
        made[name] = kind(**given)
    return made


async def test_a_version_s_training_and_dataset_are_runs_that_began_and_ended(door: Door) -> None:
    profile = DatasetProfile(rows=1000, columns={"distance": ColumnProfile(type="Float64", missing=3, distinct=9)})
    stored = await door.backend.objects.put(canonical_json(profile))
    await door.declare(define(), CODE.digest)
    await hear(door, materialized(1, profile=stored))
    await tell_everything(door)
    events = await export(door, "version/late@1")
    assert [(event["job"]["name"], event["eventType"]) for event in events] == [
        ("materialize", "START"),
        ("materialize", "COMPLETE"),
        ("late.train", "START"),
        ("late.train", "COMPLETE"),
    ]
    *_, train = events
    (output,) = train["outputs"]
    assert output["name"] == "models/late@1"
    data = next(one for one in train["inputs"] if one["name"] == f"datasets/{sha256(b'dataset 1')}")
    assert data["inputFacets"]["dataQualityMetrics"]["rowCount"] == 1000
    assert data["inputFacets"]["dataQualityMetrics"]["columnMetrics"]["distance"]["nullCount"] == 3
    assert data["facets"]["version"]["datasetVersion"] == sha256(b"dataset 1")
    assert train["job"]["facets"]["sourceCodeLocation"]["version"] == CODE.digest
    materialize = events[1]
    assert {one["name"] for one in materialize["inputs"]} >= {"pelton.data.departures"}
    assert [one["name"] for one in materialize["outputs"]] == [f"datasets/{sha256(b'dataset 1')}"]
    assert await export(door, "version/late@1") == events


@pytest.mark.parametrize(("status", "end"), [("FINISHED", "COMPLETE"), ("FAILED", "FAIL"), ("KILLED", "ABORT")])
async def test_a_client_s_run_ends_as_it_was_logged(door: Door, status: str, end: str) -> None:
    tags = {"mlflow.source.git.commit": "c0ffee", "mlflow.parentRunId": "0" * 32}
    body = {"experiment_id": "0", "start_time": 1000, "tags": [{"key": k, "value": v} for k, v in tags.items()]}
    made = await door.mlflow("POST", "2.0/mlflow/runs/create", json=body)
    run_id = made.json()["run"]["info"]["run_id"]
    await record(door, logged("m", 1, run=LoggedRun(run_id=run_id)))
    assert [event["eventType"] for event in await export(door, "version/m@1")] == ["START"]
    body = {"run_id": run_id, "status": status, "end_time": 5000}
    assert (await door.mlflow("POST", "2.0/mlflow/runs/update", json=body)).status_code == 200
    _, ended = await export(door, "version/m@1")
    assert (ended["eventType"], ended["eventTime"]) == (end, "1970-01-01T00:00:05+00:00")
    assert ended["run"]["runId"].replace("-", "") == run_id
    assert ended["run"]["facets"]["parent"]["run"]["runId"] == "00000000-0000-0000-0000-000000000000"
    assert ended["job"]["facets"]["sourceCodeLocation"]["type"] == "git"


async def test_what_is_not_known_is_not_exported(door: Door) -> None:
    assert (await door.ask("GET", "/lineage/version/x@1/openlineage")).status_code == 404
