"""A request to move a version on, until it is decided, taken back or void."""

from typing import Literal

from pydantic import AwareDatetime

from pelton.contracts.fact import Fact
from pelton.contracts.values import Digest, Stage


class ApprovalRequested(Fact, owner="registry"):
    """So many persons with the role, of the team where one is named, must decide before `expires_at`.

    The request binds the digest of the artifact.
    """

    model: str
    version: int
    artifact: Digest
    role: str
    requested_by: str
    to_stage: Stage = "production"
    reason: str = ""
    count: int = 1
    team: str | None = None
    expires_at: AwareDatetime | None = None


class ApprovalGranted(Fact, owner="registry"):
    """A person, or the policy, agreed that the version moves on; it does when nobody of those needed remains."""

    model: str
    version: int
    artifact: Digest
    by: str
    mode: Literal["automatic", "person"]
    reason: str
    remaining: int = 0


class ApprovalDenied(Fact, owner="registry"):
    """A person kept the version out of the stage that it was requested for."""

    model: str
    version: int
    artifact: Digest
    by: str
    reason: str


class ApprovalWithdrawn(Fact, owner="registry"):
    """Who requested takes the request back."""

    model: str
    version: int
    by: str
    reason: str


class ApprovalExpired(Fact, owner="registry"):
    """Nobody decided in time: the request is void."""

    model: str
    version: int
    expired_at: AwareDatetime


class ApprovalCommented(Fact, owner="registry"):
    """Somebody said something about a request that waits."""

    model: str
    version: int
    by: str
    text: str
