"""The catalogue of models and of the versions that other programs log, as MLflow's clients keep it."""

from pydantic import Field

from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import Artifact


class RegisteredModelCreated(Fact, owner="registry"):
    """A model has a name in the catalogue; its versions are logged by whoever trains it."""

    model: str
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class RegisteredModelRenamed(Fact, owner="registry"):
    """A model goes by the name `to` from here on; facts before this one call it `model`."""

    model: str
    to: str


class RegisteredModelDeleted(Fact, owner="registry"):
    """A model and its versions are in the catalogue no longer; the name is free."""

    model: str
    reason: str = ""


class ModelDescribed(Fact, owner="registry"):
    """A model, or one version of it, has another description."""

    model: str
    version: int | None = None
    description: str


class ModelTagged(Fact, owner="registry"):
    """A tag of a model, or of one version of it, has this value; without one it is gone."""

    model: str
    version: int | None = None
    name: str
    value: str | None


class ModelAliasSet(Fact, owner="registry"):
    """An alias of a model names this version; without one it is gone."""

    model: str
    alias: str
    version: int | None


class LoggedRun(Value):
    """What the run that made a version had on record when the version was made: gates read it."""

    run_id: str
    parameters: dict[str, str] = Field(default_factory=dict)
    metrics: dict[str, float] = Field(default_factory=dict)
    commit: str | None = None


class ModelVersionLogged(Fact, owner="registry"):
    """Somebody's program made a version of a model.

    `source` is the place that the program named, and `location` the artifact location behind it, where that is
    another. `artifact` is what lies there, by content, where Pelton keeps it.
    """

    model: str
    version: int
    source: str
    run: LoggedRun | None = None
    run_link: str = ""
    logged_model_id: str | None = None
    location: str = ""
    artifact: Artifact | None = None
    description: str = ""
    tags: dict[str, str] = Field(default_factory=dict)


class ModelVersionChanged(Fact, owner="registry"):
    """What lies at a version's location is no longer what was logged: whatever was approved or requested is void."""

    model: str
    version: int
    artifact: Artifact | None


class ModelVersionDeleted(Fact, owner="registry"):
    """A version is in the catalogue no longer; its number is not given again."""

    model: str
    version: int
    reason: str = ""
