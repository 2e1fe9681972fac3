"""The graph of what was made of what. An edge leads from a thing to one that it was made of, by, or under."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Self


class Kind(StrEnum):
    """What a node is, and by what it is known.

    By the digest of its content: `source`, `schema`, `view`, `transformation`, `definition`, `rules` (what gates ask,
    or a stage's policy), `code`, a `diff` from its commit, a `notebook`, `environment`, `lock` and a `dataset` of
    Pelton's own. A `run` and a `decision` (the fact that asked for a training) go by their ids, a `version` by
    `model@version`, `predictions` by `model:revision`: those that one revision of the model's traffic answered. `code`
    goes by its git commit too, and MLflow's clients name a `dataset` `mlflow:name:digest`.
    """

    SOURCE = "source"
    SCHEMA = "schema"
    VIEW = "view"
    TRANSFORMATION = "transformation"
    DATASET = "dataset"
    CODE = "code"
    DIFF = "diff"
    NOTEBOOK = "notebook"
    ENVIRONMENT = "environment"
    LOCK = "lock"
    DEFINITION = "definition"
    RULES = "rules"
    DECISION = "decision"
    RUN = "run"
    VERSION = "version"
    PREDICTIONS = "predictions"


class Role(StrEnum):
    """What the parent is to the child: a run was `trained_on` a dataset, a version `judged_by` a stage's rules."""

    DERIVED_FROM = "derived_from"
    EVALUATED_ON = "evaluated_on"
    INCLUDES = "includes"
    JUDGED_BY = "judged_by"
    NESTED_IN = "nested_in"
    PRODUCED_BY = "produced_by"
    SERVED_BY = "served_by"
    SHADOWED_BY = "shadowed_by"
    TRAINED_ON = "trained_on"
    TRIGGERED_BY = "triggered_by"
    USED = "used"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which node."""

    kind: Kind
    id: str

    @classmethod
    def version(cls, model: str, number: int) -> Self:
        """The node of a model's version."""
        return cls(Kind.VERSION, f"{model}@{number}")

    @classmethod
    def predictions(cls, model: str, revision: int) -> Self:
        """The node of what a revision of a model's traffic answered."""
        return cls(Kind.PREDICTIONS, f"{model}:{revision}")

    def __str__(self) -> str:
        return f"{self.kind} {self.id}"


@dataclass(frozen=True, slots=True)
class Node:
    """A thing, described; `attributes` is what JSON can say."""

    key: Key
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """The child was made of, by, or under the parent."""

    child: Key
    role: Role
    parent: Key


@dataclass(frozen=True, slots=True)
class Graph:
    """Nodes and edges. An edge may lead to a node that nothing describes."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
