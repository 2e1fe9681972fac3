"""Why the registry says no. The message says what was wrong and what to do; the class says of which kind it is."""

from collections.abc import Sequence
from typing import ClassVar


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure
    """A command that the state of the model does not allow; nothing was changed."""

    slug: ClassVar[str] = "conflict"
    title: ClassVar[str] = "The model's state does not allow this"


class UnknownModel(Refusal):
    """There is no such model."""

    slug = "unknown-model"
    title = "No such model"

    def __init__(self, name: str) -> None:
        super().__init__(f"no model {name!r} is registered; declare it (`pelton apply`) or create it first")


class ModelExists(Refusal):
    """Another model has this name."""

    slug = "model-exists"
    title = "There is a model of this name"


class ConcurrentChange(Refusal):
    """Two people change the stages of a model at once: one wins, and this is what the other hears."""

    slug = "concurrent-change"
    title = "Somebody else was faster"


class InvalidName(Refusal):
    """A name that a model, a tag or an alias cannot have."""

    slug = "invalid-name"
    title = "The name is not valid"


class InvalidText(Refusal):
    """A text with a character that cannot be stored."""

    slug = "invalid-text"
    title = "The text cannot be stored"


class DeclaredModel(Refusal):
    """The model belongs to the loop, by its declaration: other services know it by its name and train its versions."""

    slug = "declared-model"
    title = "The model is declared in a project"


class UnknownAlias(Refusal):
    """No version has this alias."""

    slug = "unknown-alias"
    title = "No such alias"


class ReservedAlias(Refusal):
    """An alias that follows production by itself, or that names versions already."""

    slug = "reserved-alias"
    title = "This alias is not set by hand"


class StillNeeded(Refusal):
    """Something depends on what was to be deleted; `dependencies` names each."""

    slug = "still-needed"
    title = "Something depends on it"

    def __init__(self, what: str, dependencies: Sequence[str]) -> None:
        super().__init__(f"{what} cannot be deleted while it is needed: {'; '.join(dependencies)}")
        self.dependencies = tuple(dependencies)


class UnknownVersion(Refusal):
    """There is no such version."""

    slug = "unknown-version"
    title = "No such version"


class IllegalMove(Refusal):
    """The table of stages does not have this move, or not on this ground."""

    slug = "illegal-move"
    title = "A version may not move like this"


class NothingToDecide(Refusal):
    """No approval is pending, or somebody has decided already."""

    slug = "nothing-to-decide"
    title = "No approval is pending"


class ArtifactMismatch(Refusal):
    """What was approved is not what the version is."""

    slug = "artifact-mismatch"
    title = "This is not the version's artifact"


class OwnRequest(Refusal):
    """Who requests a promotion cannot approve it."""

    slug = "own-request"
    title = "Somebody else must approve this"


class AgreedAlready(Refusal):
    """Each of the persons needed counts once."""

    slug = "agreed-already"
    title = "Another person must approve this"


class RequestExpired(Refusal):
    """Nobody decided in time."""

    slug = "request-expired"
    title = "The request is void"


class NotYourRequest(Refusal):
    """Only who requested an approval can take the request back."""

    slug = "not-your-request"
    title = "Somebody else requested this"


class UnknownContent(Refusal):
    """What the version is, Pelton does not keep: nobody could say what was approved."""

    slug = "unknown-content"
    title = "The version's content is not kept here"


class GatesFailed(Refusal):
    """The version does not show what the stage's policy asks for."""

    slug = "gates-failed"
    title = "The version does not pass the gates"


class InvalidPolicy(Refusal):
    """A policy that could never be used."""

    slug = "invalid-policy"
    title = "The policy is not valid"


class InvalidVariants(Refusal):
    """Variants that make no test."""

    slug = "invalid-variants"
    title = "The variants are not valid"


class NoVariants(Refusal):
    """The champion answers alone."""

    slug = "no-variants"
    title = "No variants are configured"


class InvalidDeprecation(Refusal):
    """A deprecation that nobody could act on."""

    slug = "invalid-deprecation"
    title = "The deprecation is not valid"


class NotDeprecated(Refusal):
    """There is no deprecation to take back."""

    slug = "not-deprecated"
    title = "It is not deprecated"


class VersionChanged(Refusal):
    """What lies at the version's location is no longer what was asked about."""

    slug = "version-changed"
    title = "The version is no longer what was requested"


class NothingToRollBackTo(Refusal):
    """No version was in production before the present one."""

    slug = "nothing-to-roll-back-to"
    title = "There is no former champion"


class InvalidDefinition(Refusal):
    """A definition that can never work; `field` is the path of what is wrong in it."""

    slug = "invalid-definition"
    title = "The definition is not valid"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(detail)
        self.field = field
