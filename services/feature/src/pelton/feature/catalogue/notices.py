"""Views that are to be left: what their readers are told with each answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime

from pelton.contracts.feature import FeatureViewDeprecated

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Notice:
    """A deprecation, and since when it is known."""

    fact: FeatureViewDeprecated
    since: datetime

    def headers(self, now: datetime) -> Headers:
        """The headers: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), a `Link` to the successor, and a `Warning`.

        After the sunset the answers go on, as to refuse them would be an outage of whoever still asks; the warning
        (RFC 7234, code 299) says so.
        """
        found = [(b"deprecation", b"@%d" % int(self.since.timestamp()))]
        words = f"feature view {self.fact.view} is deprecated"
        if self.fact.sunset is not None:
            found.append((b"sunset", format_datetime(self.fact.sunset.astimezone(UTC), usegmt=True).encode()))
            if self.fact.sunset <= now:
                words += " and its sunset has passed: answers may end at any time"
        if self.fact.successor is not None:
            place = f"/v1/feature-views/{self.fact.successor}"
            found.append((b"link", f'<{place}>; rel="successor-version"'.encode()))
        return [*found, (b"warning", f'299 pelton "{words}"'.encode())]


def headers(notices: Mapping[str, Notice], views: Iterable[str], now: datetime) -> Headers:
    """The headers of an answer that was made of these views, by name; none where nothing of it is deprecated."""
    if not notices:
        return []
    told = [notices[name].headers(now) for name in sorted(set(views)) if name in notices]
    return [header for one in told for header in one]
