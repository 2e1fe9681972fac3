"""Real models as ONNX, and the routes that tests put them in."""

import hashlib
import warnings
from typing import Literal

import numpy as np
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.linear_model import LogisticRegression

from pelton.contracts.deployer import TrafficShifted
from pelton.contracts.values import Artifact, Evaluation, ModelVersion
from pelton.inference.routes import Route
from pelton.inference.scorer import Scorer

EVALUATION = Evaluation(rows=1, positives=1, brier=0.1, brier_variance=0.0, log_loss=0.1, accuracy=1.0, auc=None)
DIGEST = f"sha256:{'0' * 64}"
INPUTS = ("x", "y", "z")


def onnx_bytes(columns: int, seed: int = 0) -> bytes:
    """A logistic regression that was fitted to random rows; every seed is another model."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(200, columns)).astype(np.float32)
    fitted = LogisticRegression().fit(rows, rows @ rng.normal(size=columns) > 0)
    with warnings.catch_warnings(action="ignore"):  # skl2onnx writes booleans as ints, which protobuf deprecates
        model = convert_sklearn(
            fitted,
            initial_types=[("inputs", FloatTensorType([None, columns]))],
            options={id(fitted): {"zipmap": False}},
            target_opset={"": 18, "ai.onnx.ml": 3},
        )
    return bytes(model.SerializeToString())


def version(
    number: int,
    artifact: bytes,
    *,
    request: tuple[str, ...] = INPUTS,
    features: tuple[str, ...] = (),
    views: dict[str, str] | None = None,
    transformations: dict[str, str] | None = None,
    kind: str = "onnx",
) -> ModelVersion:
    digest = f"sha256:{hashlib.sha256(artifact).hexdigest()}"
    return ModelVersion(
        model="late",
        version=number,
        training_id=f"t{number}",
        artifact=Artifact(digest=digest, size=len(artifact), format=kind),
        request=request,
        features=features,
        views=views or {},
        transformations=transformations or {},
        threshold=0.5,
        dataset=DIGEST,
        evaluation=EVALUATION,
    )


def scorer(number: int, request: tuple[str, ...] = INPUTS, seed: int | None = None) -> Scorer:
    artifact = onnx_bytes(len(request), number if seed is None else seed)
    return Scorer.load(version(number, artifact, request=request), artifact)


def route(
    champion: Scorer,
    challenger: Scorer | None = None,
    mode: Literal["champion", "shadow", "canary", "bake"] = "champion",
    weight: float = 0.0,
    challenger_version: int | None = None,
) -> Route:
    number = challenger.version.version if challenger else challenger_version
    return Route("late", 1, mode, champion, challenger, number, weight, "salt")


def shifted(
    revision: int, champion: ModelVersion, challenger: ModelVersion | None = None, weight: float = 0.0
) -> TrafficShifted:
    return TrafficShifted(
        model="late",
        revision=revision,
        mode="canary" if challenger else "champion",
        champion=champion,
        challenger=challenger,
        weight=weight,
        salt="salt",
    )
