"""What each fact tells of the graph. Pure: the same fact tells the same, whenever and however often it is read.

One kind of fact describes a node, and one tells an edge, so that the order in which facts of different services
arrive makes no difference.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from pelton.contracts.canonical import digest
from pelton.contracts.definitions import StagePolicy
from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.fact import Fact
from pelton.contracts.feature import DatasetMaterialized, FeatureViewApplied, SourceRegistered, TransformationApplied
from pelton.contracts.registry import (
    CodeOrigin,
    ModelPolicySet,
    ModelRegistered,
    ModelStageChanged,
    ModelVersionCreated,
    ModelVersionLogged,
    RunFinished,
)
from pelton.contracts.trainer import TrainingCompleted, TrainingRequested
from pelton.contracts.values import Stage
from pelton.registry.domain.stages import MOVES, Ground
from pelton.registry.lineage.graph import Edge, Graph, Key, Kind, Node, Role
from pelton.registry.lineage.references import InvalidReferenceError, read_reference

PARENT: Final = "pelton.parent"
"""The tag of a version, or the parameter of its run, that names the version it was fine-tuned from."""


def graph_of(fact: Fact, at: datetime) -> Graph:
    """What a fact, recorded `at` a time, tells of the graph; most tell nothing."""
    match fact:
        case SourceRegistered():
            return _source(fact)
        case FeatureViewApplied() | TransformationApplied():
            return _features(fact)
        case DatasetMaterialized():
            return _dataset(fact, at)
        case TrainingRequested():
            return _request(fact)
        case TrainingCompleted():
            return Graph((_training(fact, at),))
        case TrafficShifted():
            return _traffic(fact, at)
        case ModelRegistered():
            return _definition(fact)
        case ModelPolicySet(stage=stage, policy=StagePolicy() as policy):
            told = {"model": fact.model, "stage": stage, "policy": policy.model_dump(mode="json")}
            return Graph((Node(_rules(stage, policy), told),))
        case RunFinished():
            return _environment(fact)
        case ModelVersionCreated():
            return _version(fact, at)
        case ModelVersionLogged():
            return _logged(fact, at)
        case _:
            return Graph()


def judged(fact: ModelStageChanged, policy: StagePolicy) -> Graph:
    """The stage's rules that a version entered it under, by the policy in force then.

    A rollback asks no rules, and nor does giving a version up: these tell nothing.
    """
    if MOVES.get((fact.from_stage, fact.to_stage)) not in {Ground.GATES, Ground.APPROVAL}:
        return Graph()
    version = Key.version(fact.model, fact.version)
    return Graph(edges=(Edge(version, Role.JUDGED_BY, _rules(fact.to_stage, policy)),))


def _rules(stage: Stage, policy: StagePolicy) -> Key:
    """A policy of a stage: the same one for another stage is another one."""
    return Key(Kind.RULES, digest({"stage": stage, "policy": policy.model_dump(mode="json")}))


def _source(fact: SourceRegistered) -> Graph:
    source = Key(Kind.SOURCE, fact.definition_digest)
    schema = Key(Kind.SCHEMA, digest(fact.definition.json_schema))
    return Graph(
        (
            Node(source, {"name": fact.source, "definition": fact.definition.model_dump(mode="json")}),
            Node(schema, {"schema": fact.definition.json_schema}),
        ),
        (Edge(source, Role.INCLUDES, schema),),
    )


def _features(fact: FeatureViewApplied | TransformationApplied) -> Graph:
    kind = Kind.VIEW if isinstance(fact, FeatureViewApplied) else Kind.TRANSFORMATION
    definition = fact.definition.model_dump(mode="json")
    return Graph((Node(Key(kind, fact.definition_digest), {"name": fact.definition.name, "definition": definition}),))


def _dataset(fact: DatasetMaterialized, at: datetime) -> Graph:
    dataset = Key(Kind.DATASET, fact.dataset)
    told = {"artifact", "rows", "positives", "columns", "span", "as_of", "offsets", "profile"}
    return Graph(
        (Node(dataset, fact.model_dump(mode="json", include=told) | {"made_at": at.isoformat()}),),
        (
            *_edges(dataset, Role.DERIVED_FROM, Kind.SOURCE, fact.sources.values()),
            *_edges(dataset, Role.DERIVED_FROM, Kind.VIEW, fact.views.values()),
            *_edges(dataset, Role.DERIVED_FROM, Kind.TRANSFORMATION, fact.transformations.values()),
        ),
    )


def _request(fact: TrainingRequested) -> Graph:
    decision = Key(Kind.DECISION, fact.trigger.event_id)
    run = Key(Kind.RUN, fact.training_id)
    described = fact.trigger.model_dump(mode="json", exclude={"event_id"})
    return Graph((Node(decision, described),), (Edge(run, Role.TRIGGERED_BY, decision),))


def _training(fact: TrainingCompleted, at: datetime) -> Node:
    told = {"model", "train_span", "holdout_span", "seed", "duration_seconds"}
    described = fact.model_dump(mode="json", include=told) | {"finished_at": at.isoformat()}
    return Node(Key(Kind.RUN, fact.training_id), described)


def _traffic(fact: TrafficShifted, at: datetime) -> Graph:
    predictions = Key.predictions(fact.model, fact.revision)
    edges = [Edge(predictions, Role.SERVED_BY, Key.version(fact.model, fact.champion.version))]
    if fact.challenger is not None:
        role = Role.SERVED_BY if fact.mode == "canary" else Role.SHADOWED_BY
        edges.append(Edge(predictions, role, Key.version(fact.model, fact.challenger.version)))
    told = fact.model_dump(mode="json", include={"model", "revision", "mode", "weight"})
    return Graph((Node(predictions, told | {"since": at.isoformat()}),), tuple(edges))


def _definition(fact: ModelRegistered) -> Graph:
    definition = Key(Kind.DEFINITION, fact.definition_digest)
    rules = Key(Kind.RULES, digest(fact.definition.gates))
    code = Key(Kind.CODE, fact.code.digest)
    notebooks, edges = ((), ()) if fact.origin is None else _origin(code, fact.origin)
    dirty = {} if fact.origin is None else {"dirty": fact.origin.dirty}
    return Graph(
        (
            Node(definition, {"model": fact.model, "definition": fact.definition.model_dump(mode="json")}),
            Node(rules, {"gates": fact.definition.gates.model_dump(mode="json")}),
            Node(code, fact.code.model_dump(mode="json", exclude={"digest"}) | dirty),
            *notebooks,
        ),
        (Edge(definition, Role.INCLUDES, rules), *edges),
    )


def _origin(code: Key, origin: CodeOrigin) -> tuple[Sequence[Node], Sequence[Edge]]:
    """Where a bundle came from: the same bundle declared from several commits came from each of them."""
    notebooks = {Key(Kind.NOTEBOOK, one): {"name": name} for name, one in origin.notebooks.items()}
    edges = [Edge(code, Role.DERIVED_FROM, Key(Kind.CODE, origin.commit))]
    if origin.diff is not None:
        edges.append(Edge(code, Role.DERIVED_FROM, Key(Kind.DIFF, origin.diff)))
    edges += [Edge(code, Role.INCLUDES, notebook) for notebook in notebooks]
    return [Node(key, told) for key, told in notebooks.items()], edges


def _environment(fact: RunFinished) -> Graph:
    environment = Key(Kind.ENVIRONMENT, digest(fact.environment))
    lock = Key(Kind.LOCK, fact.environment.lock_digest)
    return Graph(
        (Node(environment, fact.environment.model_dump(mode="json")),),
        (
            Edge(Key(Kind.RUN, fact.run_id), Role.USED, environment),
            Edge(environment, Role.INCLUDES, lock),
        ),
    )


def _version(fact: ModelVersionCreated, at: datetime) -> Graph:
    version = Key.version(fact.model, fact.version.version)
    run = Key(Kind.RUN, fact.run_id)
    told = {"artifact", "request", "features", "threshold", "evaluation"}
    described = fact.version.model_dump(mode="json", include=told) | {"created_at": at.isoformat()}
    return Graph(
        (Node(version, described),),
        (
            Edge(version, Role.PRODUCED_BY, run),
            Edge(run, Role.TRAINED_ON, Key(Kind.DATASET, fact.version.dataset)),
            Edge(run, Role.USED, Key(Kind.CODE, fact.code)),
            Edge(run, Role.USED, Key(Kind.DEFINITION, fact.definition_digest)),
            *_edges(run, Role.USED, Kind.VIEW, fact.version.views.values()),
            *_edges(run, Role.USED, Kind.TRANSFORMATION, fact.version.transformations.values()),
        ),
    )


def _logged(fact: ModelVersionLogged, at: datetime) -> Graph:
    version = Key.version(fact.model, fact.version)
    told = {"source", "artifact", "inputs", "logged_model_id"}
    described = Node(version, fact.model_dump(mode="json", include=told) | {"created_at": at.isoformat()})
    if fact.run is None:
        return Graph((described,), tuple(_parent(version, fact.tags.get(PARENT))))
    run = Key(Kind.RUN, fact.run.run_id)
    edges = [Edge(version, Role.PRODUCED_BY, run)]
    if fact.run.commit is not None:
        edges.append(Edge(run, Role.USED, Key(Kind.CODE, fact.run.commit)))
    named = fact.tags.get(PARENT) or fact.run.parameters.get(PARENT)
    return Graph((described,), (*edges, *_parent(version, named)))


def _parent(version: Key, named: str | None) -> Iterable[Edge]:
    """The edge to a version that somebody named as the parent; what names none is no edge."""
    try:
        parent = read_reference(named) if named else None
    except InvalidReferenceError:
        return
    if isinstance(parent, Key) and parent.kind is Kind.VERSION and parent != version:
        yield Edge(version, Role.DERIVED_FROM, parent)


def _edges(child: Key, role: Role, kind: Kind, ids: Iterable[str]) -> tuple[Edge, ...]:
    return tuple(Edge(child, role, Key(kind, one)) for one in ids)
