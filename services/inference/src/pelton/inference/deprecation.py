"""Models and versions that are to be left: what their callers are told with each answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from urllib.parse import quote

from pelton.contracts.fact import Fact
from pelton.contracts.registry import DeprecationWithdrawn, ModelDeprecated
from pelton.eventkit.envelope import Received

Headers = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Notice:
    """A deprecation, by whoever declared it and since when."""

    fact: ModelDeprecated
    since: datetime

    @property
    def subject(self) -> str:
        """What is deprecated, in words."""
        return self.fact.model if self.fact.version is None else f"{self.fact.model} v{self.fact.version}"

    def is_over(self, now: datetime) -> bool:
        """Whether the time to leave has passed."""
        return self.fact.sunset is not None and self.fact.sunset <= now

    def headers(self, now: datetime) -> Headers:
        """The headers of an answer: `Deprecation` (RFC 9745), `Sunset` (RFC 8594), and a `Link` to the successor.

        After the sunset the answers go on, as to refuse them would be an outage of whoever still asks; a `Warning`
        (RFC 7234, code 299) says then that they may end.
        """
        found = [(b"deprecation", b"@%d" % int(self.since.timestamp()))]
        if self.fact.sunset is not None:
            found.append((b"sunset", format_datetime(self.fact.sunset.astimezone(UTC), usegmt=True).encode()))
        if self.fact.successor is not None:
            place = f"/v2/models/{quote(self.fact.model, safe='')}/versions/{self.fact.successor}"
            found.append((b"link", f'<{place}>; rel="successor-version"'.encode()))
        if self.is_over(now):
            found.append((b"warning", b'299 pelton "the sunset has passed: answers may end at any time"'))
        return found


@dataclass
class Deprecations:
    """What is deprecated now, by model and version; None stands for every version of the model."""

    _notices: dict[str, dict[int | None, Notice]] = field(default_factory=dict)

    async def see(self, event: Received[Fact]) -> None:
        """Keep or drop a notice; other facts of the registry change nothing."""
        match event.data:
            case ModelDeprecated() as fact:
                self._notices.setdefault(fact.model, {})[fact.version] = Notice(fact, event.time)
            case DeprecationWithdrawn() as fact:
                of_model = self._notices.get(fact.model, {})
                of_model.pop(fact.version, None)
                if not of_model:
                    self._notices.pop(fact.model, None)

    def of(self, model: str, versions: Iterable[int]) -> Notice | None:
        """The notice for whoever is answered by these versions: that of a version before that of the model."""
        notices = self._notices.get(model)
        if notices is None:
            return None
        return next((notices[one] for one in (*versions, None) if one in notices), None)
