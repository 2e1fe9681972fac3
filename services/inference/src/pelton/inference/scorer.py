"""A loaded version: an ONNX session, which can compute and do nothing else."""

from dataclasses import dataclass

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from pelton.contracts.values import ModelVersion

MAX_ARTIFACT_BYTES = 512 * 1024 * 1024


class UnusableArtifactError(Exception):
    """An artifact that cannot be served; the message says why."""


@dataclass(frozen=True, slots=True)
class Scorer:
    """Scores matrices with one version of a model."""

    version: ModelVersion
    session: ort.InferenceSession
    input_name: str
    output_name: str

    @classmethod
    def load(cls, version: ModelVersion, artifact: bytes) -> "Scorer":
        """Make a session of an artifact and try it once.

        An ONNX file is data: no code that it carries is run. Custom operators are not registered.

        Raises:
            UnusableArtifactError: not ONNX, too large, or not a classifier of so many inputs.
        """
        if version.artifact.format != "onnx":
            raise UnusableArtifactError(f"the artifact's format is {version.artifact.format!r}; only onnx is served")
        if len(artifact) > MAX_ARTIFACT_BYTES:
            raise UnusableArtifactError(f"the artifact has {len(artifact)} bytes, and {MAX_ARTIFACT_BYTES} are allowed")
        options = ort.SessionOptions()
        # One request is one thread's work; requests are what there are many of.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            session = ort.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])
            inputs = [one.name for one in session.get_inputs()]
            outputs = [one.name for one in session.get_outputs()]
            if len(inputs) != 1:
                raise UnusableArtifactError(f"the model has the inputs {inputs}, and one matrix is expected")
            output = next((name for name in outputs if "prob" in name.lower()), outputs[-1])
            scorer = cls(version, session, inputs[0], output)
            scorer.score(np.zeros((2, len(version.inputs)), dtype=np.float32))
        except UnusableArtifactError:
            raise
        except Exception as error:
            raise UnusableArtifactError(f"the artifact cannot be loaded: {error}") from error
        return scorer

    def score(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """The probability of the positive class of each row, shape (n,), of a matrix of shape (n, inputs).

        Raises:
            ValueError: a probability that is not a number.
        """
        probabilities = self.session.run([self.output_name], {self.input_name: matrix})[0]
        positive = np.asarray(probabilities, dtype=np.float64)
        positive = positive[:, -1] if positive.ndim > 1 else positive
        if not np.isfinite(positive).all():
            raise ValueError(f"version {self.version.version} gave a score that is not a number")
        return positive
