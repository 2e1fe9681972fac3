"""Why something that was asked of an experiment or a run is not done."""

from collections.abc import Sequence


class Refusal(Exception):  # noqa: N818 - each kind is an error
    """The message says what is the matter, and what to do."""


class MissingError(Refusal):
    """There is no such experiment, run or tag."""


class InactiveError(Refusal):
    """It is deleted, and is restored before it changes again."""


class NameTakenError(Refusal):
    """An experiment, deleted or not, has the name."""


class NeededError(Refusal):
    """Versions of registered models were made from a run that was to be deleted; the message names them."""

    def __init__(self, what: str, versions: Sequence[str]) -> None:
        super().__init__(
            f"{what} is needed by {', '.join(versions)}: "
            "delete these versions first, or keep it, for it is what they were made from"
        )


class ParamChangedError(Refusal):
    """A param has another value already; the message lists such params. Nothing was written."""
