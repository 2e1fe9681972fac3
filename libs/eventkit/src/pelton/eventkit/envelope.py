"""What surrounds a fact: CloudEvents 1.0 attributes, and their form as Kafka headers (binary mode)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Self, TypeVar
from uuid import UUID

from pelton.contracts.fact import Fact
from pelton.contracts.topics import control_topic

F_co = TypeVar("F_co", bound=Fact, covariant=True)
Headers = list[tuple[str, bytes]]


class InvalidEnvelopeError(ValueError):
    """A record whose headers are not those of a CloudEvent."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a new fact follows from: the ids it inherits."""

    event_id: str
    correlation_id: str
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class Envelope:
    """The attributes of one fact.

    `correlation_id` names the whole story, `causation_id` the record that led straight to this one.
    `position` is the fact's place among all facts of its owner, from 1, without a gap.
    """

    id: UUID
    owner: str
    type: str
    subject: str
    time: datetime
    correlation_id: str
    causation_id: str | None
    actor: str
    stream_version: int
    position: int
    traceparent: str | None

    @property
    def source(self) -> str:
        """The CloudEvents source, e.g. `/pelton/registry`."""
        return f"/pelton/{self.owner}"

    @property
    def topic(self) -> str:
        """The control topic of the owner."""
        return control_topic(self.owner)

    def as_cause(self) -> Cause:
        """What a fact that follows from this one inherits."""
        return Cause(str(self.id), self.correlation_id, self.traceparent)

    def headers(self) -> Headers:
        """The envelope as Kafka headers, in one fixed order."""
        pairs = [
            ("ce_specversion", "1.0"),
            ("ce_id", str(self.id)),
            ("ce_source", self.source),
            ("ce_type", self.type),
            ("ce_subject", self.subject),
            ("ce_time", self.time.isoformat()),
            ("ce_dataschema", f"urn:pelton:schema:{self.type}"),
            ("ce_correlationid", self.correlation_id),
            ("ce_causationid", self.causation_id),
            ("ce_actor", self.actor),
            ("ce_streamversion", str(self.stream_version)),
            ("ce_position", str(self.position)),
            ("ce_traceparent", self.traceparent),
            ("traceparent", self.traceparent),
            ("content-type", "application/json"),
        ]
        return [(name, value.encode()) for name, value in pairs if value is not None]

    @classmethod
    def from_row(cls, owner: str, row: Mapping[str, Any], meta: Mapping[str, Any]) -> Self:
        """The envelope of a numbered row of an owner's event store; `meta` is the row's, parsed."""
        return cls(
            id=row["id"],
            owner=owner,
            type=row["type"],
            subject=row["stream"],
            time=row["time"],
            correlation_id=meta["correlation_id"],
            causation_id=meta["causation_id"],
            actor=meta["actor"],
            stream_version=row["version"],
            position=row["position"],
            traceparent=meta["traceparent"],
        )

    @classmethod
    def from_headers(cls, headers: Iterable[tuple[str, bytes]]) -> Self:
        """Read the envelope of a control fact.

        Raises:
            InvalidEnvelopeError: an attribute is missing or malformed.
        """
        found = {name: value.decode("utf-8", "replace") for name, value in headers}
        try:
            return cls(
                id=UUID(found["ce_id"]),
                owner=found["ce_source"].removeprefix("/pelton/"),
                type=found["ce_type"],
                subject=found["ce_subject"],
                time=datetime.fromisoformat(found["ce_time"]),
                correlation_id=found["ce_correlationid"],
                causation_id=found.get("ce_causationid"),
                actor=found["ce_actor"],
                stream_version=int(found["ce_streamversion"]),
                position=int(found["ce_position"]),
                traceparent=found.get("traceparent"),
            )
        except KeyError as error:
            raise InvalidEnvelopeError(f"the record has no header {error.args[0]!r}: it is not a Pelton fact") from None
        except ValueError as error:
            raise InvalidEnvelopeError(f"a header is malformed: {error}") from None


@dataclass(frozen=True, slots=True)
class Received(Generic[F_co]):
    """A fact as a handler gets it."""

    envelope: Envelope
    data: F_co

    @property
    def id(self) -> str:
        """The fact's own id."""
        return str(self.envelope.id)

    @property
    def time(self) -> datetime:
        """When the owner recorded the fact."""
        return self.envelope.time

    @property
    def cause(self) -> Cause:
        """What a fact that follows from this one inherits."""
        return self.envelope.as_cause()
