"""Where a version stands between development and production, and which gates it passed on the way."""

from pelton.contracts.fact import Fact, Value, unchanged
from pelton.contracts.values import ModelVersion, Stage


class Gate(Value):
    """One condition that a version had to meet, and what it showed."""

    name: str
    passed: bool
    value: float | None
    limit: float | None
    reason: str


class ModelVersionValidated(Fact, owner="registry"):
    """A version passed every gate."""

    model: str
    version: int
    gates: tuple[Gate, ...]


class ModelVersionRejected(Fact, owner="registry"):
    """A version failed a gate and goes no further."""

    model: str
    version: int
    gates: tuple[Gate, ...]


class ModelStageChanged(Fact, owner="registry", version=2, upcasters={1: unchanged}):
    """A version moved to another stage; `details` are those of a version that Pelton trained and can serve."""

    model: str
    version: int
    from_stage: Stage
    to_stage: Stage
    reason: str
    details: ModelVersion | None


class ModelPromoted(Fact, owner="registry", version=2, upcasters={1: unchanged}):
    """A version is the champion from here on; `details` are those of a version that Pelton trained and can serve."""

    model: str
    version: int
    previous: int | None
    details: ModelVersion | None


class ModelRolledBack(Fact, owner="registry", version=2, upcasters={1: unchanged}):
    """The former champion is the champion again; `details` are those of a version that Pelton trained and can serve."""

    model: str
    from_version: int
    version: int
    reason: str
    details: ModelVersion | None


class ModelRetired(Fact, owner="registry"):
    """The champion left production and none took its place; `successor` stood in production beside it."""

    model: str
    version: int
    successor: int | None
