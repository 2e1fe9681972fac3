"""Time and identifiers, passed in so that tests steer them."""

from collections.abc import Callable
from datetime import UTC, datetime
from uuid import UUID

import uuid_utils

Clock = Callable[[], datetime]
NewId = Callable[[], UUID]


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


def uuid7() -> UUID:
    """A time-ordered identifier (RFC 9562)."""
    return UUID(bytes=uuid_utils.uuid7().bytes)
