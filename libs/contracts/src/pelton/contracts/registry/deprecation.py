"""What is to be left, and by when."""

from pydantic import AwareDatetime

from pelton.contracts.fact import Fact


class ModelDeprecated(Fact, owner="registry"):
    """A model, or one version of it, is to be left by `sunset`, for the version `successor` where one is named."""

    model: str
    version: int | None
    sunset: AwareDatetime | None
    reason: str
    successor: int | None = None


class DeprecationWithdrawn(Fact, owner="registry"):
    """A model, or one version of it, is not deprecated any more."""

    model: str
    version: int | None
    reason: str
