"""What can go wrong for somebody who uses the platform, in words that say what to do."""


class PeltonError(Exception):
    """Something the platform or the SDK refused; the message says what and what to do."""


class NotReachableError(PeltonError):
    """A service does not answer."""


class RefusedError(PeltonError):
    """A service answered with an error. `status` is HTTP's; `problem` the problem details, when it sent some."""

    def __init__(self, message: str, status: int, problem: dict[str, object]) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem


class LostEventsError(PeltonError):
    """Kafka did not take some events. `event_ids` are theirs, by source; they may be sent again under the same ids."""

    def __init__(self, message: str, event_ids: dict[str, list[str]]) -> None:
        super().__init__(message)
        self.event_ids = event_ids


class ProjectError(PeltonError):
    """A project folder that cannot be read."""
