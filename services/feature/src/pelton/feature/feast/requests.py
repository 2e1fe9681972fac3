"""What Feast's clients send to write and to materialize."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from pelton.feature.feast.errors import FeastError, InvalidRequestError

_TARGETS: Final = ("online", "offline", "online_and_offline")


class Push(msgspec.Struct, frozen=True):
    """Rows of a push source, by column. Feast's other fields change nothing here, and are passed over."""

    push_source_name: str
    df: dict[str, list[Any]]
    to: str = "online"

    def check_target(self) -> None:
        """Check where the rows are to go: an event is in both stores, so that one of them alone would be a lie.

        Raises:
            FeastError: the target is none that there is.
            InvalidRequestError: the target is the offline store alone.
        """
        if self.to not in _TARGETS:
            message = f"{self.to} is not a supported push format. Please specify one of these {list(_TARGETS)}."
            raise FeastError(500, None, message)
        if self.to == "offline":
            raise InvalidRequestError(
                "invalid", ["to"], "the rows would change online values too; send them `online_and_offline`"
            )


class Write(msgspec.Struct, frozen=True):
    """Rows of a feature view, by column."""

    feature_view_name: str
    df: dict[str, list[Any]]


class Materialization(msgspec.Struct, frozen=True):
    """Which views to bring up to date, of which span of time."""

    start_ts: str | None = None
    end_ts: str | None = None
    feature_views: list[str] | None = None
    disable_event_timestamp: bool = False


class IncrementalMaterialization(msgspec.Struct, frozen=True):
    """Which views to bring up to date, to which moment."""

    end_ts: str
    feature_views: list[str] | None = None


def span(form: Materialization) -> None:
    """Check the span of a materialization: whatever it is, values are live.

    Raises:
        FeastError: an end is missing or is no time, or they are the wrong way round.
    """
    if form.disable_event_timestamp:
        return
    if not form.start_ts or not form.end_ts:
        raise FeastError(500, None, "start_ts and end_ts are required when disable_event_timestamp is False")
    start, end = moment(form.start_ts), moment(form.end_ts)
    if start >= end:
        raise FeastError(500, None, f"start_ts ({start}) must be before end_ts ({end})")


def moment(text: str) -> datetime:
    """A time; in UTC when it has no zone.

    Raises:
        FeastError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise FeastError(500, None, f"Invalid timestamp format: Unknown string format: {text}") from error
    return found if found.tzinfo else found.replace(tzinfo=UTC)
