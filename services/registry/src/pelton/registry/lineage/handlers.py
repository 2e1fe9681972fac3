"""The facts of other services that the graph is made from."""

from typing import Final

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.fact import Fact
from pelton.contracts.feature import DatasetMaterialized, FeatureViewApplied, SourceRegistered, TransformationApplied
from pelton.contracts.trainer import TrainingCompleted, TrainingRequested
from pelton.eventkit.handlers import Handler
from pelton.registry.lineage.projector import take_in

_IDS: Final[dict[type[Fact], str]] = {
    SourceRegistered: "registry.lineage_sources",
    FeatureViewApplied: "registry.lineage_views",
    TransformationApplied: "registry.lineage_transformations",
    DatasetMaterialized: "registry.lineage_datasets",
    TrainingRequested: "registry.lineage_requests",
    TrainingCompleted: "registry.lineage_trainings",
    TrafficShifted: "registry.lineage_traffic",
}

HANDLERS: Final[tuple[Handler, ...]] = tuple(Handler(fact, id_, take_in) for fact, id_ in _IDS.items())
