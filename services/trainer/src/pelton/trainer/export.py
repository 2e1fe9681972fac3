"""A fitted classifier as an ONNX graph: data, not code, and the same bytes for the same fit."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from sklearn.ensemble import HistGradientBoostingClassifier

Matrix = NDArray[np.float32]

INPUT: Final = "inputs"
TOLERANCE: Final = 1e-4
_OPSETS: Final = {"": 18, "ai.onnx.ml": 3}


class ExportError(ValueError):
    """A fitted estimator that ONNX cannot say, or not exactly enough."""


def to_onnx(estimator: Any, inputs: Sequence[str], metadata: Mapping[str, str]) -> bytes:  # noqa: ANN401 - scikit-learn is untyped
    """The graph of a fitted binary classifier: `inputs` float32 [n, k] to `label` and `probabilities` [n, 2].

    The names of the inputs and the metadata are written into the file; nothing that differs between two runs is.

    Raises:
        ExportError: skl2onnx has no converter for a part of it.
    """
    _round_thresholds_down(estimator)
    try:
        with warnings.catch_warnings(action="ignore"):  # skl2onnx writes booleans as ints, which protobuf deprecates
            model = convert_sklearn(
                estimator,
                name="pelton",
                initial_types=[(INPUT, FloatTensorType([None, len(inputs)]))],
                options={id(estimator): {"zipmap": False}},
                target_opset=_OPSETS,
            )
    except Exception as error:
        raise ExportError(
            f"skl2onnx cannot export {type(estimator).__name__}: {error}; use estimators that it supports"
        ) from error
    model.graph.name = "pelton"
    model.doc_string = ""
    del model.metadata_props[:]
    onnx.helper.set_model_props(model, {"pelton.inputs": ",".join(inputs), **metadata})
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _round_thresholds_down(estimator: Any) -> None:  # noqa: ANN401 - scikit-learn is untyped
    """Make the float64 thresholds of histogram trees float32 ones that part float32 inputs exactly alike.

    skl2onnx rounds a threshold to the nearest float32, which can be the next input value itself: then rows change
    sides. `x <= t` for float32 x is `x <= t'` with t' the largest float32 not above t. Other trees of scikit-learn
    are converted with that care already.
    """
    trees = (tree for part in _histogram_boosters(estimator) for round_ in part for tree in round_)
    for tree in trees:
        thresholds = tree.nodes["num_threshold"]
        with np.errstate(over="ignore"):
            nearest = thresholds.astype(np.float32)
        below = np.nextafter(nearest, np.float32(-np.inf))
        tree.nodes["num_threshold"] = np.where(nearest > thresholds, below, nearest)


def _histogram_boosters(value: object) -> Iterator[Any]:
    """The fitted trees, by round, of every histogram booster that an estimator is made of."""
    if isinstance(value, HistGradientBoostingClassifier):
        yield getattr(value, "_predictors", ())  # skl2onnx reads them too; an unfitted template has none
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _histogram_boosters(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _histogram_boosters(part)
    elif type(value).__module__.startswith("sklearn.") and hasattr(value, "__dict__"):
        yield from _histogram_boosters(vars(value))


def session(artifact: bytes) -> onnxruntime.InferenceSession:
    """An artifact ready to score, on one thread as in serving."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])


def score(artifact: bytes, matrix: Matrix) -> NDArray[np.float64]:
    """The probability of a 1 for each row, as serving computes it: float32 [n, k] to float64 [n]."""
    return run(session(artifact), matrix)


def run(session: onnxruntime.InferenceSession, matrix: Matrix) -> NDArray[np.float64]:
    """As `score`, in a session that is there already."""
    (probabilities,) = session.run([session.get_outputs()[1].name], {session.get_inputs()[0].name: matrix})
    # float32 sums of trees can pass 1 by a rounding; a probability cannot
    return np.clip(np.asarray(probabilities, dtype=np.float64)[:, 1], 0.0, 1.0)


def require_parity(served: NDArray[np.float64], fitted: NDArray[np.float64]) -> None:
    """Refuse an artifact that does not answer as the estimator does.

    Raises:
        ExportError: a probability differs by more than `TOLERANCE`.
    """
    gaps = np.abs(served - fitted)
    row = int(np.argmax(gaps))
    if not gaps[row] <= TOLERANCE:
        raise ExportError(
            f"ONNX and scikit-learn differ by {gaps[row]:.3g} on held-out row {row} ({served[row]:.6g} against "
            f"{fitted[row]:.6g}), {int((gaps > TOLERANCE).sum())} rows by more than {TOLERANCE}: "
            "the export of this estimator is not exact"
        )
