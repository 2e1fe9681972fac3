"""Taking in what was set aside, once its rule, its schema or the record itself is mended."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol
from uuid import UUID

import msgspec

from pelton.eventkit.unit import Units
from pelton.feature.quality import quarantine
from pelton.feature.quality.quarantine import Record, Selection
from pelton.feature.submissions import Submission
from pelton.feature.validation import Fault

PAGE: Final = 1000
_decoder = msgspec.json.Decoder(dict[str, Any])


class Verdict(Protocol):
    """What became of an event."""

    @property
    def status(self) -> Literal["accepted", "duplicate", "rejected"]: ...  # noqa: D102 - fields
    @property
    def errors(self) -> Sequence[Fault]: ...  # noqa: D102


class Door(Protocol):
    """Takes in events that were set aside; those that it rejects are not set aside once more."""

    async def take_again(
        self, source: str, events: Sequence[Submission], actor: str, *, dry_run: bool = False
    ) -> Sequence[Verdict]:
        """What became of each; with `dry_run` what would become of it."""
        ...


@dataclass(slots=True)
class Replayed:
    """What became of the records of a selection; `rejected` are those that still wait, by the first reason."""

    accepted: int = 0
    duplicate: int = 0
    rejected: Counter[str] = field(default_factory=Counter)

    def told(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "accepted": self.accepted,
            "duplicate": self.duplicate,
            "rejected": self.rejected.total(),
            "reasons": dict(sorted(self.rejected.items())),
        }


class Replays:
    """Replays records of the quarantine, each under the id and the event time that it had."""

    def __init__(self, units: Units, door: Door) -> None:
        self._units = units
        self._door = door

    async def replay(self, selection: Selection, actor: str, *, dry_run: bool) -> Replayed:
        """Take in all records of a selection that wait and pass by now; with `dry_run` only say which would.

        A record that was published before a crash and not yet noted is published again, and counts once by its id.
        """
        total, after, until = Replayed(), None, self._units.clock()
        while True:
            async with self._units.begin() as unit:
                records = await quarantine.page(unit.connection, selection, "waiting", limit=PAGE, after=after)
            # What is set aside from here on, such as what is replayed and fails again, is of another time.
            records = [one for one in records if one.received_at <= until]
            if not records:
                return total
            after = records[-1].place
            done = await self._replay(selection.source, records, actor, total, dry_run=dry_run)
            if done and not dry_run:
                async with self._units.begin(actor=actor) as unit:
                    await quarantine.mark_replayed(unit.connection, done, actor, unit.now())

    async def _replay(
        self, source: str, records: Sequence[Record], actor: str, total: Replayed, *, dry_run: bool
    ) -> list[UUID]:
        """The ids of those that were taken in, or had been before."""
        events = {one.id: Submission(one.event_id or str(one.id), data) for one in records if (data := _data(one.raw))}
        total.rejected["body"] += len(records) - len(events)
        done: list[UUID] = []
        verdicts = await self._door.take_again(source, list(events.values()), actor, dry_run=dry_run)
        for id_, verdict in zip(events, verdicts, strict=True):
            if verdict.status == "rejected":
                total.rejected[verdict.errors[0].reason] += 1
                continue
            done.append(id_)
            if verdict.status == "accepted":
                total.accepted += 1
            else:
                total.duplicate += 1
        total.rejected += Counter()
        return done


def _data(raw: bytes) -> dict[str, Any] | None:
    try:
        return _decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
