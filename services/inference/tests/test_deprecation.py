"""What callers of something deprecated are told, and when."""

import uuid
from datetime import UTC, datetime, timedelta

from pelton.contracts.fact import Fact
from pelton.contracts.registry import DeprecationWithdrawn, ModelDeprecated
from pelton.eventkit.envelope import Envelope, Received
from pelton.inference.deprecation import Deprecations

SINCE = datetime(2026, 3, 1, tzinfo=UTC)
SUNSET = datetime(2026, 12, 31, 23, 59, 59, tzinfo=UTC)


def told(fact: Fact) -> Received[Fact]:
    envelope = Envelope(
        id=uuid.uuid4(),
        owner="registry",
        type=fact.fact_type,
        subject="models/late",
        time=SINCE,
        correlation_id="story",
        causation_id=None,
        actor="ann",
        stream_version=1,
        position=1,
        traceparent=None,
    )
    return Received(envelope, fact)


def deprecated(version: int | None, **changes: object) -> ModelDeprecated:
    fields: dict[str, object] = {"model": "late", "version": version, "sunset": SUNSET, "reason": "old"}
    # as readers get it: from bytes
    return ModelDeprecated.from_bytes(ModelDeprecated.model_validate(fields | changes).to_bytes())


async def test_the_headers_are_those_of_the_standards() -> None:
    deprecations = Deprecations()
    await deprecations.see(told(deprecated(1, model="späte/züge", successor=3)))
    notice = deprecations.of("späte/züge", [1])
    assert notice is not None
    assert notice.headers(SUNSET - timedelta(seconds=1)) == [
        (b"deprecation", b"@1772323200"),
        (b"sunset", b"Thu, 31 Dec 2026 23:59:59 GMT"),
        (b"link", b'</v2/models/sp%C3%A4te%2Fz%C3%BCge/versions/3>; rel="successor-version"'),
    ]
    (name, warning) = notice.headers(SUNSET)[-1]
    assert (name, warning[:11]) == (b"warning", b"299 pelton ")


async def test_without_a_sunset_or_successor_there_is_only_the_deprecation() -> None:
    deprecations = Deprecations()
    await deprecations.see(told(deprecated(1, sunset=None)))
    notice = deprecations.of("late", [1])
    assert notice is not None
    assert [name for name, _ in notice.headers(SUNSET)] == [b"deprecation"]


async def test_a_version_is_deprecated_alone_or_with_its_model_and_what_is_withdrawn_is_gone() -> None:
    deprecations = Deprecations()
    await deprecations.see(told(deprecated(1)))
    assert deprecations.of("late", [2]) is None
    assert deprecations.of("other", [1]) is None
    await deprecations.see(told(deprecated(None)))
    for versions, subject in (([2], "late"), ([2, 1], "late v1")):
        notice = deprecations.of("late", versions)
        assert notice is not None
        assert notice.subject == subject
    await deprecations.see(told(DeprecationWithdrawn(model="late", version=1, reason="not so old")))
    assert (deprecations.of("late", [1]) or notice).subject == "late"
    await deprecations.see(told(DeprecationWithdrawn(model="late", version=None, reason="not so old")))
    assert deprecations.of("late", [1]) is None
    await deprecations.see(told(DeprecationWithdrawn(model="late", version=None, reason="again")))
