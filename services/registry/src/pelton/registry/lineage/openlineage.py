"""A part of the graph as OpenLineage run events: each training and each materialization as one that began and ended."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

from openlineage.client.event_v2 import InputDataset, Job, OutputDataset, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    JobFacet,
    RunFacet,
    data_quality_metrics_input_dataset,
    dataset_version_dataset,
    datasource_dataset,
    job_type_job,
    nominal_time_run,
    parent_run,
    schema_dataset,
    source_code_location_job,
)
from openlineage.client.serde import Serde

from pelton.contracts.feature import DatasetProfile
from pelton.contracts.topics import data_topic
from pelton.registry.lineage.graph import Graph, Key, Kind, Node, Role

NAMESPACE: Final = "pelton"
PRODUCER: Final = "urn:pelton:registry"
_ENDS: Final = {"FAILED": RunState.FAIL, "KILLED": RunState.ABORT, "FINISHED": RunState.COMPLETE}


def run_events(graph: Graph, profiles: Mapping[Key, DatasetProfile]) -> list[RunEvent]:
    """The events of every described run and dataset in the graph, in the order of time.

    `profiles` are those of the datasets that have one: their columns' statistics are facets. The same graph gives the
    same events, with the same run ids.
    """
    story = _Story(graph, profiles)
    events = [event for node in graph.nodes for event in story.of(node)]
    return sorted(events, key=lambda event: (event.eventTime, event.run.runId, event.eventType is not RunState.START))


def json_lines(events: list[RunEvent]) -> str:
    """One event a line, as OpenLineage's own client writes them."""
    return "".join(f"{Serde.to_json(event)}\n" for event in events)


class _Story:
    """One graph, looked up by its nodes."""

    def __init__(self, graph: Graph, profiles: Mapping[Key, DatasetProfile]) -> None:
        self._graph = graph
        self._nodes = {node.key: node for node in graph.nodes}
        self._profiles = profiles

    def of(self, node: Node) -> Iterator[RunEvent]:
        match node.key.kind:
            case Kind.RUN if node.attributes:
                began, ended, end = _times(node.attributes)
                outputs = [self._output(edge.child) for edge in self._graph.edges if edge.parent == node.key]
                run = Run(_run_id(node.key), self._run_facets(node))
                job = Job(NAMESPACE, _job(node), self._job_facets(node, "TRAINING"))
                produced = [one for one in outputs if one is not None]
            case Kind.DATASET if "made_at" in node.attributes:
                began = ended = datetime.fromisoformat(node.attributes["made_at"])
                end = RunState.COMPLETE
                run = Run(_run_id(node.key))
                job = Job(NAMESPACE, "materialize", self._job_facets(node, "DATASET"))
                produced = [OutputDataset(NAMESPACE, _name(node), facets=self._facets(node))]
            case _:
                return
        inputs = [one for one in map(self._input, self._parents(node.key)) if one is not None]
        common: dict[str, Any] = {"run": run, "job": job, "producer": PRODUCER, "inputs": inputs}
        yield RunEvent(eventTime=began.isoformat(), eventType=RunState.START, outputs=[], **common)
        if end is not None and ended is not None:
            yield RunEvent(eventTime=ended.isoformat(), eventType=end, outputs=produced, **common)

    def _parents(self, key: Key) -> list[Node]:
        return [self._nodes[edge.parent] for edge in self._graph.edges if edge.child == key]

    def _input(self, node: Node) -> InputDataset | None:
        """A parent as a dataset that was read, if it is one."""
        match node.key.kind:
            case Kind.DATASET | Kind.SOURCE | Kind.VIEW | Kind.VERSION:
                return InputDataset(
                    NAMESPACE, _name(node), facets=self._facets(node), inputFacets=self._input_facets(node)
                )
            case _:
                return None

    def _output(self, key: Key) -> OutputDataset | None:
        if key.kind is not Kind.VERSION:
            return None
        node = self._nodes[key]
        return OutputDataset(NAMESPACE, _name(node), facets=self._facets(node))

    def _facets(self, node: Node) -> dict[str, DatasetFacet]:
        facets: dict[str, DatasetFacet] = {}
        fields = self._fields(node)
        if fields:
            facets["schema"] = schema_dataset.SchemaDatasetFacet(fields, producer=PRODUCER)
        version = (node.attributes.get("artifact") or {}).get("digest") or node.attributes.get("digest") or node.key.id
        facets["version"] = dataset_version_dataset.DatasetVersionDatasetFacet(version, producer=PRODUCER)
        facets["dataSource"] = datasource_dataset.DatasourceDatasetFacet(
            name=_name(node), uri=f"urn:pelton:{node.key.kind}:{node.key.id}", producer=PRODUCER
        )
        return facets

    def _fields(self, node: Node) -> list[schema_dataset.SchemaDatasetFacetFields]:
        if node.key.kind is Kind.SOURCE and node.attributes:
            properties = node.attributes["definition"]["json_schema"].get("properties", {})
            types = {name: one.get("type") if isinstance(one, dict) else None for name, one in properties.items()}
        elif node.key in self._profiles:
            types = {name: one.type for name, one in self._profiles[node.key].columns.items()}
        else:
            types = dict.fromkeys(node.attributes.get("columns") or node.attributes.get("inputs") or ())
        return [
            schema_dataset.SchemaDatasetFacetFields(name, str(type_) if type_ is not None else None)
            for name, type_ in types.items()
        ]

    def _input_facets(self, node: Node) -> dict[str, InputDatasetFacet]:
        profile = self._profiles.get(node.key)
        if profile is None:
            return {}
        columns = {
            name: data_quality_metrics_input_dataset.ColumnMetrics(
                nullCount=one.missing,
                distinctCount=one.distinct,
                count=float(profile.rows - one.missing),
                min=one.minimum,
                max=one.maximum,
                quantiles=dict(one.quantiles) or None,
            )
            for name, one in profile.columns.items()
        }
        metrics = data_quality_metrics_input_dataset.DataQualityMetricsInputDatasetFacet(
            columns, rowCount=profile.rows, producer=PRODUCER
        )
        return {"dataQualityMetrics": metrics}

    def _run_facets(self, node: Node) -> dict[str, RunFacet]:
        facets: dict[str, RunFacet] = {}
        span = node.attributes.get("train_span")
        if span:
            facets["nominalTime"] = nominal_time_run.NominalTimeRunFacet(span["start"], span["end"], producer=PRODUCER)
        for edge in self._graph.edges:
            if edge.child == node.key and edge.role is Role.NESTED_IN:
                outer = parent_run.Run(_run_id(edge.parent))
                job = parent_run.Job(NAMESPACE, _job(self._nodes[edge.parent]))
                facets["parent"] = parent_run.ParentRunFacet(outer, job, producer=PRODUCER)
        return facets

    def _job_facets(self, node: Node, type_: str) -> dict[str, JobFacet]:
        facets: dict[str, JobFacet] = {
            "jobType": job_type_job.JobTypeJobFacet("BATCH", "PELTON", type_, producer=PRODUCER)
        }
        source = node.attributes.get("source") or {}
        for code in self._parents(node.key):
            if code.key.kind is Kind.CODE:
                facets["sourceCodeLocation"] = _location(code.key.id, source if isinstance(source, dict) else {})
        return facets


def _location(code: str, source: Mapping[str, str]) -> source_code_location_job.SourceCodeLocationJobFacet:
    if code.startswith("sha256:"):
        return source_code_location_job.SourceCodeLocationJobFacet(
            "pelton-bundle", f"urn:pelton:code:{code}", version=code, producer=PRODUCER
        )
    repository = source.get("mlflow.source.git.repoURL")
    return source_code_location_job.SourceCodeLocationJobFacet(
        "git",
        repository or f"urn:git:commit:{code}",
        repoUrl=repository,
        path=source.get("mlflow.source.name"),
        version=code,
        branch=source.get("mlflow.source.git.branch"),
        producer=PRODUCER,
    )


def _times(told: Mapping[str, Any]) -> tuple[datetime, datetime | None, RunState | None]:
    """When a run began, when it ended, and how: of Pelton's own trainings as their facts say, of others as logged."""
    if "finished_at" in told:
        ended = datetime.fromisoformat(told["finished_at"])
        return ended - timedelta(seconds=told["duration_seconds"]), ended, RunState.COMPLETE
    began = datetime.fromtimestamp(told["start_time"] / 1000, UTC)
    if told["end_time"] is None:
        return began, None, None
    return began, datetime.fromtimestamp(told["end_time"] / 1000, UTC), _ENDS.get(told["status"])


def _run_id(key: Key) -> str:
    """A UUID, as OpenLineage asks: MLflow's run ids are some already, and of others it is made of the id."""
    try:
        return str(UUID(key.id))
    except ValueError:
        return str(uuid5(NAMESPACE_URL, f"urn:pelton:{key.kind}:{key.id}"))


def _job(node: Node) -> str:
    model = node.attributes.get("model")
    return f"{model}.train" if model else f"experiments/{node.attributes.get('experiment_id', 'unknown')}"


def _name(node: Node) -> str:
    if node.key.kind is Kind.SOURCE:
        return data_topic(node.attributes["name"]) if node.attributes else f"sources/{node.key.id}"
    folder = {Kind.DATASET: "datasets", Kind.VIEW: "views", Kind.VERSION: "models"}[node.key.kind]
    return f"{folder}/{node.key.id}"
