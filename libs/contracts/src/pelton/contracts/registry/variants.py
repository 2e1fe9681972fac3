"""An A/B test: several versions answer, each a share of the keys."""

from typing import Annotated

from pydantic import Field

from pelton.contracts.fact import Fact, Value
from pelton.contracts.values import ModelVersion, Name


class Variant(Value):
    """One arm of an A/B test, the version that answers in it, and its share of the keys."""

    name: Name
    version: int
    weight: Annotated[float, Field(gt=0, le=1)]


class VariantsConfigured(Fact, owner="registry"):
    """Requests are answered by several versions, each by a share of the keys: the values of the field `key`.

    Weights add up to one. The same key under the same `salt` gets the same variant. `details` are those of the
    versions that Pelton can serve, in the order of the variants; with any missing, none is served so.
    """

    model: str
    variants: tuple[Variant, ...]
    key: str
    salt: str
    reason: str
    details: tuple[ModelVersion, ...] = ()


class VariantsEnded(Fact, owner="registry"):
    """The champion answers every request again."""

    model: str
    reason: str
