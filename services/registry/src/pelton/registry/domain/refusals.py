"""Why the registry says no. The message says what was wrong and what to do; the class says of which kind it is."""

from typing import ClassVar


class Refusal(Exception):  # noqa: N818 - it is an answer, not a failure
    """A command that the state of the model does not allow; nothing was changed."""

    slug: ClassVar[str] = "conflict"
    title: ClassVar[str] = "The model's state does not allow this"


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
