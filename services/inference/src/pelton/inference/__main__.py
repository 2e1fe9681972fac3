"""Inference: the one place that wires the data plane together."""

import gc
import time

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.feature import FeatureViewApplied, TransformationApplied
from pelton.contracts.topics import PREDICTIONS, USAGE
from pelton.eventkit.host import Service
from pelton.eventkit.tail import Tail, only
from pelton.inference.deprecation import Deprecations
from pelton.inference.features import FeatureReader
from pelton.inference.front import Front
from pelton.inference.prediction_log import PredictionLog
from pelton.inference.routes import RouteTable
from pelton.inference.settings import InferenceSettings
from pelton.inference.usage import Usage
from pelton.inference.verification import Signatures, SignedArtifacts, both
from pelton.objects import Objects
from pelton.tiles.reader import TileReader


def main() -> None:
    """Run until told to stop."""
    settings = InferenceSettings()
    service = Service("inference", settings, stateless=True)
    deprecations = Deprecations()
    signatures = Signatures()
    registry = Tail(settings.kafka, "registry", both(signatures.see, deprecations.see))
    objects = Objects(settings.objects_url)
    table = RouteTable(SignedArtifacts(objects, settings.public_keys, signatures, registry.caught_up))
    features = FeatureReader(TileReader(settings.home / "online"))
    predictions = PredictionLog(service.publisher)
    usage = Usage(service.publisher, deprecations, time.time)

    service.needs_topics({PREDICTIONS: 1, USAGE: 1})
    service.follows(
        Tail(
            settings.kafka,
            "feature",
            both(only(FeatureViewApplied, features.see_view), only(TransformationApplied, features.see_transformation)),
        )
    )
    service.follows(Tail(settings.kafka, "deployer", only(TrafficShifted, table.see)))
    service.follows(registry)
    service.ready_when(table.missing)
    service.fronted_by(
        lambda app: Front(app, table, features, predictions, deprecations, usage, service.metrics, service.missing)
    )
    service.runs(table.look_again)
    service.runs(predictions.run)
    service.runs(usage.run)
    service.closes(predictions.drain)
    service.closes(usage.drain)
    # What is loaded by now lives as long as the process: the collector need not walk it while requests wait.
    gc.freeze()
    service.run()


if __name__ == "__main__":
    main()
