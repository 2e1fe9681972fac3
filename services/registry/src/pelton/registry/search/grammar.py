"""What each search may be asked: its attributes, the other names they go by, and the prefixes it knows."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Final

from pelton.registry.search.terms import Kind, Operator


class Type(Enum):
    """What an attribute's values are."""

    TEXT = "text"
    NUMBER = "number"


NUMERIC: Final = frozenset(
    {
        Operator.EQUAL,
        Operator.NOT_EQUAL,
        Operator.GREATER,
        Operator.GREATER_OR_EQUAL,
        Operator.LESS,
        Operator.LESS_OR_EQUAL,
    }
)
TEXTUAL: Final = frozenset(
    {Operator.EQUAL, Operator.NOT_EQUAL, Operator.LIKE, Operator.ILIKE, Operator.IN, Operator.NOT_IN}
)
OPTIONAL: Final = TEXTUAL | {Operator.IS_NULL, Operator.IS_NOT_NULL}

PREFIXES: Final[Mapping[str, Kind]] = MappingProxyType(
    {
        "attribute": Kind.ATTRIBUTE,
        "attributes": Kind.ATTRIBUTE,
        "attr": Kind.ATTRIBUTE,
        "run": Kind.ATTRIBUTE,
        "metric": Kind.METRIC,
        "metrics": Kind.METRIC,
        "param": Kind.PARAM,
        "params": Kind.PARAM,
        "parameter": Kind.PARAM,
        "parameters": Kind.PARAM,
        "tag": Kind.TAG,
        "tags": Kind.TAG,
        "dataset": Kind.DATASET,
        "datasets": Kind.DATASET,
    }
)
DATASET_KEYS: Final = ("name", "digest", "context")


@dataclass(frozen=True, slots=True, eq=False)
class Grammar:
    """What one search knows. Compared by identity, so that what was read can be remembered by it.

    `aliases` are other names of attributes; `ordering` are attributes that only an order may name, and `ordered` the
    kinds that it may name.
    """

    searched: str
    attributes: Mapping[str, Type]
    kinds: frozenset[Kind]
    ordered: frozenset[Kind]
    aliases: Mapping[str, str] = field(default_factory=dict)
    ordering: tuple[str, ...] = ()

    def known(self, *, ordering: bool) -> tuple[str, ...]:
        """The attributes that a filter may name, or an order."""
        return (*self.attributes, *self.ordering) if ordering else tuple(self.attributes)

    def attribute(self, name: str, *, ordering: bool) -> str | None:
        """The attribute that goes by a name; None where there is none."""
        attribute = self.aliases.get(name, name)
        return attribute if attribute in self.known(ordering=ordering) else None

    def type_of(self, kind: Kind, key: str) -> Type:
        """Whether what a comparison looks at is a number or text."""
        if kind is Kind.ATTRIBUTE:
            return self.attributes[key]
        return Type.NUMBER if kind is Kind.METRIC else Type.TEXT

    def operators(self, kind: Kind, key: str) -> frozenset[Operator]:
        """How it may be compared."""
        if self.type_of(kind, key) is Type.NUMBER:
            return NUMERIC
        return OPTIONAL if kind in {Kind.PARAM, Kind.TAG} else TEXTUAL


RUNS: Final = Grammar(
    searched="runs",
    attributes={
        "run_id": Type.TEXT,
        "run_name": Type.TEXT,
        "user_id": Type.TEXT,
        "status": Type.TEXT,
        "artifact_uri": Type.TEXT,
        "start_time": Type.NUMBER,
        "end_time": Type.NUMBER,
    },
    kinds=frozenset(Kind),
    ordered=frozenset({Kind.ATTRIBUTE, Kind.METRIC, Kind.PARAM, Kind.TAG}),
    aliases={
        "created": "start_time",
        "Created": "start_time",
        "run name": "run_name",
        "Run name": "run_name",
        "Run Name": "run_name",
    },
)
EXPERIMENTS: Final = Grammar(
    searched="experiments",
    attributes={
        "name": Type.TEXT,
        "experiment_id": Type.TEXT,
        "creation_time": Type.NUMBER,
        "last_update_time": Type.NUMBER,
    },
    kinds=frozenset({Kind.ATTRIBUTE, Kind.TAG}),
    ordered=frozenset({Kind.ATTRIBUTE}),
)
REGISTERED_MODELS: Final = Grammar(
    searched="registered models",
    attributes={"name": Type.TEXT},
    kinds=frozenset({Kind.ATTRIBUTE, Kind.TAG}),
    ordered=frozenset({Kind.ATTRIBUTE}),
    ordering=("creation_timestamp", "last_updated_timestamp"),
)
MODEL_VERSIONS: Final = Grammar(
    searched="model versions",
    attributes={"name": Type.TEXT, "version_number": Type.NUMBER, "run_id": Type.TEXT, "source_path": Type.TEXT},
    kinds=frozenset({Kind.ATTRIBUTE, Kind.TAG}),
    ordered=frozenset({Kind.ATTRIBUTE}),
    ordering=("creation_timestamp", "last_updated_timestamp"),
)
LOGGED_MODELS: Final = Grammar(
    searched="logged models",
    attributes={
        "name": Type.TEXT,
        "model_id": Type.TEXT,
        "experiment_id": Type.TEXT,
        "model_type": Type.TEXT,
        "status": Type.TEXT,
        "source_run_id": Type.TEXT,
        "creation_timestamp": Type.NUMBER,
        "last_updated_timestamp": Type.NUMBER,
    },
    kinds=frozenset({Kind.ATTRIBUTE, Kind.METRIC, Kind.PARAM, Kind.TAG}),
    ordered=frozenset({Kind.ATTRIBUTE, Kind.METRIC}),
    aliases={"creation_time": "creation_timestamp", "last_updated_time": "last_updated_timestamp"},
)
