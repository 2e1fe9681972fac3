"""A model is declared with the code that trains it; what its trainings yield becomes its versions."""

from typing import Annotated

from pydantic import Field, StringConstraints

from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.fact import Fact, Value, unchanged
from pelton.contracts.values import Artifact, Digest, Environment, ModelVersion

GitCommit = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{40}([0-9a-f]{24})?$")]
FileName = Annotated[str, StringConstraints(min_length=1, max_length=255, pattern=r"^[^/\x00]+$")]


class CodeOrigin(Value):
    """Where declared code came from: the git commit that was checked out, and what differed from it.

    The project is `dirty` when a file of it is changed or is not in git; `diff` is then the difference from the
    commit as a patch of the project's folder, where it was not too long to keep. `notebooks` are the folder's, by
    name. Diff and notebooks are in the object store.
    """

    commit: GitCommit
    dirty: bool
    diff: Digest | None = None
    notebooks: dict[FileName, Digest] = Field(default_factory=dict)


class ModelRegistered(Fact, owner="registry", version=3, upcasters={1: unchanged, 2: unchanged}):
    """A model was declared, or declared anew with a different definition or different code.

    `origin` is where the code came from, where whoever declared it could say.
    """

    model: str
    definition: ModelDefinition
    definition_digest: Digest
    code: Artifact
    origin: CodeOrigin | None = None


class RunFinished(Fact, owner="registry"):
    """A training run ended well and is on record; records from before seeds were kept have none."""

    model: str
    run_id: str
    training_id: str
    parameters: dict[str, str | int | float | bool | None]
    metrics: dict[str, float]
    environment: Environment
    seed: int | None = None


class ModelVersionCreated(Fact, owner="registry"):
    """A run's artifact became the next version of its model, in development."""

    model: str
    version: ModelVersion
    run_id: str
    code: Digest
    definition_digest: Digest
