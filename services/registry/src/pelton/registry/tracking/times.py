"""Times as MLflow's clients count them."""

from datetime import UTC, datetime, timedelta
from typing import Final

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND: Final = timedelta(milliseconds=1)


def milliseconds(time: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (time - BEGINNING) // MILLISECOND
