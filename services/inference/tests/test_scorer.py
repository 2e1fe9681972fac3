import pickle

import numpy as np
import pytest
from inference_models import onnx_bytes, scorer, version

from pelton.inference.scorer import Scorer, UnusableArtifactError


def test_an_onnx_classifier_gives_a_probability_a_row() -> None:
    found = scorer(1).score(np.zeros((4, 3), dtype=np.float32))
    assert found.shape == (4,)
    assert ((found > 0) & (found < 1)).all()


@pytest.mark.parametrize(
    ("artifact", "kind", "reason"),
    [
        (pickle.dumps({"a": 1}), "pickle", "only onnx is served"),
        (pickle.dumps({"a": 1}), "onnx", "cannot be loaded"),
        (b"garbage", "onnx", "cannot be loaded"),
        (b"", "onnx", "cannot be loaded"),
        (onnx_bytes(4), "onnx", "cannot be loaded"),
    ],
    ids=["pickle", "pickle called onnx", "garbage", "empty", "other inputs"],
)
def test_what_is_no_classifier_of_these_inputs_is_refused(artifact: bytes, kind: str, reason: str) -> None:
    with pytest.raises(UnusableArtifactError, match=reason):
        Scorer.load(version(1, artifact, kind=kind), artifact)


def test_an_artifact_over_the_limit_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    artifact = onnx_bytes(3)
    monkeypatch.setattr("pelton.inference.scorer.MAX_ARTIFACT_BYTES", len(artifact) - 1)
    with pytest.raises(UnusableArtifactError, match="are allowed"):
        Scorer.load(version(1, artifact), artifact)
