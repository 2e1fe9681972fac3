"""The test of one step: exact state that grows with the records, and the evidence it gives. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from pelton.contracts.deployer import Evidence, StepSettings
from pelton.contracts.records import OutcomeBatch
from pelton.contracts.values import OffsetRange
from pelton.deployer.counted_keys import CountedKeys
from pelton.deployer.sequential import (
    GuardrailVerdict,
    NonInferiority,
    RateGuardrail,
    SplitDesign,
    UnfitObservationsError,
    paired_gains,
)

# Losses are summed in integer units of this size, so that the sums do not depend on the order.
LOSS_UNIT: Final = 2.0**-40
_LAST_MOMENT: Final = 253_402_300_799_000  # the end of the year 9999: datetime knows no later one
Place = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Answers:
    """What a prediction record says of the version on trial: how many rows it was asked for, and how many it failed."""

    answers: int
    errors: int


@dataclass(frozen=True, slots=True)
class LossSum:
    """An exact sum of losses."""

    rows: int = 0
    units: int = 0

    def add(self, losses: NDArray[np.float64]) -> Self:
        """The sum with these losses, shape (n,), in [0, 1]."""
        units = int(np.rint(losses / LOSS_UNIT).astype(np.int64).sum())
        return replace(self, rows=self.rows + losses.size, units=self.units + units)

    @property
    def mean(self) -> float | None:
        """The mean to 12 digits; None of nothing."""
        return float(f"{self.units * LOSS_UNIT / self.rows:.12g}") if self.rows else None


@dataclass(frozen=True)
class StepTest:
    """The state of a step's test: sums of integers, and the bounds of what was counted.

    `ranges` holds the first and the last offset counted of each partition; `seen` the outcome batches counted; `keys`
    what a split has counted of them.
    """

    settings: StepSettings
    quality: NonInferiority
    guardrail: RateGuardrail
    champion: LossSum = LossSum()
    challenger: LossSum = LossSum()
    since: int | None = None
    until: int | None = None
    ranges: Mapping[tuple[str, int], tuple[int, int]] = field(default_factory=dict)
    seen: frozenset[tuple[int, int]] = frozenset()
    keys: CountedKeys = field(default_factory=CountedKeys)

    @classmethod
    def begin(cls, settings: StepSettings) -> Self:
        """No evidence yet."""
        guardrail = RateGuardrail(ceiling=settings.max_error_rate, alpha=settings.alpha)
        return cls(settings, _quality(settings), guardrail)

    def with_outcomes(self, batch: OutcomeBatch, place: Place) -> Self:
        """Count the labelled rows of a batch; one of another revision, or counted before, changes nothing.

        Raises:
            UnfitObservationsError: columns of different lengths, labels other than 0 and 1, outputs that are no
                probabilities, or a window that is none.
        """
        settings = self.settings
        chunk = (batch.window_start, batch.chunk)
        if (batch.model, batch.revision) != (settings.model, settings.revision) or chunk in self.seen:
            return self
        _require_sound(batch)
        since = batch.window_start if self.since is None else min(self.since, batch.window_start)
        until = batch.window_end if self.until is None else max(self.until, batch.window_end)
        counted = self._paired(batch) if settings.kind == "paired" else self._split(batch)
        return replace(counted, since=since, until=until, seen=self.seen | {chunk}, ranges=self._reaching(place))

    def with_answers(self, answers: Answers, place: Place) -> Self:
        """Count what the version on trial was asked and failed."""
        if answers.answers == 0:
            return self
        guardrail = self.guardrail.update(answers=answers.answers, failures=answers.errors)
        return replace(self, guardrail=guardrail, ranges=self._reaching(place))

    def out_of_time(self, allowed_seconds: int) -> bool:
        """Whether the step has counted as much event time as it may take."""
        return self.since is not None and self.until is not None and self.until - self.since >= allowed_seconds * 1000

    def evidence(self) -> Evidence:
        """What the test shows now."""
        return Evidence(
            settings=self.settings,
            rows=self.quality.observations,
            champion_loss=self.champion.mean,
            challenger_loss=self.challenger.mean,
            log_e_no_worse=self.quality.log_e_no_worse,
            log_e_worse=self.quality.log_e_worse,
            verdict=self.quality.verdict.value,
            answers=self.guardrail.answers,
            errors=self.guardrail.failures,
            log_e_errors=self.guardrail.log_e,
            breached=self.guardrail.verdict is GuardrailVerdict.BREACHED,
            since=_moment(self.since),
            until=_moment(self.until),
            offsets=tuple(
                OffsetRange(topic=topic, partition=partition, start=first, end=last + 1)
                for (topic, partition), (first, last) in sorted(self.ranges.items())
            ),
        )

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON can say it; `from_dict` gives the same state back."""
        return {
            "settings": self.settings.model_dump(mode="json"),
            "quality": self.quality.to_dict(),
            "guardrail": self.guardrail.to_dict(),
            "champion": [self.champion.rows, self.champion.units],
            "challenger": [self.challenger.rows, self.challenger.units],
            "since": self.since,
            "until": self.until,
            "ranges": [[topic, partition, *bounds] for (topic, partition), bounds in sorted(self.ranges.items())],
            "seen": _runs(self.seen),
            "keys": self.keys.to_text(),
        }

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The state that `to_dict` wrote."""
        return cls(
            StepSettings.model_validate(state["settings"]),
            NonInferiority.from_dict(state["quality"]),
            RateGuardrail.from_dict(state["guardrail"]),
            LossSum(*state["champion"]),
            LossSum(*state["challenger"]),
            state["since"],
            state["until"],
            {(topic, partition): (first, last) for topic, partition, first, last in state["ranges"]},
            frozenset((start, chunk) for start, *run in state["seen"] for chunk in range(run[0], run[-1] + 1)),
            CountedKeys.from_text(state["keys"]) if "keys" in state else CountedKeys(),
        )

    def _paired(self, batch: OutcomeBatch) -> Self:
        champion = _losses(batch, self.settings.champion)
        challenger = _losses(batch, self.settings.challenger)
        both = ~(np.isnan(champion) | np.isnan(challenger))
        champion, challenger = champion[both], challenger[both]
        return replace(
            self,
            quality=self.quality.update(paired_gains(champion, challenger)),
            champion=self.champion.add(champion),
            challenger=self.challenger.add(challenger),
        )

    def _split(self, batch: OutcomeBatch) -> Self:
        """Rows of one key share their arm, so that the key is the unit: its loss is the mean over its rows.

        Those of the first batch that has the key: who answers its later rows is known by then and no draw any more.
        """
        settings = self.settings
        to_challenger = np.array([version == settings.challenger for version in batch.served], dtype=np.bool_)
        answered = np.where(to_challenger, _losses(batch, settings.challenger), _losses(batch, settings.champion))
        fit = ~np.isnan(answered)
        named = np.asarray(batch.keys, dtype=object)[fit]
        keys, first, unit = np.unique(named, return_index=True, return_inverse=True)
        losses = np.bincount(unit, weights=answered[fit]) / np.bincount(unit) if unit.size else np.empty(0)
        fresh = self.keys.fresh(keys.tolist())
        losses, arms = losses[fresh], to_challenger[fit][first][fresh]
        design = SplitDesign(share=settings.weight, centre=settings.centre)
        return replace(
            self,
            quality=self.quality.update(design.gains(arms, losses)),
            champion=self.champion.add(losses[~arms]),
            challenger=self.challenger.add(losses[arms]),
            keys=self.keys.with_keys(keys.tolist()),
        )

    def _reaching(self, place: Place) -> dict[tuple[str, int], tuple[int, int]]:
        topic, partition, offset = place
        first, last = self.ranges.get((topic, partition), (offset, offset))
        return {**self.ranges, (topic, partition): (min(first, offset), max(last, offset))}


def answers_of(settings: StepSettings, revision: int, served: Iterable[int], errors: Mapping[str, int]) -> Answers:
    """What a prediction record of this model says of the version on trial; nothing if it is of another revision.

    Raises:
        UnfitObservationsError: a negative count of errors.
    """
    if revision != settings.revision:
        return Answers(0, 0)
    served = list(served)
    failed = errors.get(str(settings.challenger), 0)
    if failed < 0:
        raise UnfitObservationsError(f"{failed} errors of version {settings.challenger}: a count is 0 at least")
    if settings.kind == "paired":
        return Answers(max(len(served), failed), failed)
    return Answers(sum(version == settings.challenger for version in served) + failed, failed)


def _quality(settings: StepSettings) -> NonInferiority:
    if settings.kind == "paired":
        return NonInferiority.paired(margin=settings.margin, alpha=settings.alpha)
    design = SplitDesign(share=settings.weight, centre=settings.centre)
    return NonInferiority.split(design, margin=settings.margin, alpha=settings.alpha)


def _require_sound(batch: OutcomeBatch) -> None:
    rows = len(batch.labels)
    columns: dict[str, Sequence[object]] = {"keys": batch.keys, "served": batch.served, **batch.outputs}
    place = f"outcomes of {batch.model} from {batch.window_start}, chunk {batch.chunk}"
    for name, column in columns.items():
        if len(column) != rows:
            raise UnfitObservationsError(f"{place}: {len(column)} values in {name!r} for {rows} labels")
    if not set(batch.labels) <= {0, 1}:
        raise UnfitObservationsError(f"{place}: labels other than 0 and 1")
    for version, outputs in batch.outputs.items():
        if not all(output is None or 0.0 <= output <= 1.0 for output in outputs):
            raise UnfitObservationsError(f"{place}: version {version} gave outputs outside [0, 1]")
    if not 0 <= batch.window_start < batch.window_end <= _LAST_MOMENT:
        raise UnfitObservationsError(f"{place}: a window that ends at {batch.window_end}")


def _losses(batch: OutcomeBatch, version: int) -> NDArray[np.float64]:
    """The Brier score of a version on each row, shape (n,); not a number where it did not score."""
    outputs = batch.outputs.get(str(version))
    if outputs is None:
        return np.full(len(batch.labels), np.nan)
    scores = np.array([np.nan if output is None else output for output in outputs], dtype=np.float64)
    return np.asarray((scores - np.asarray(batch.labels, dtype=np.float64)) ** 2)


def _runs(seen: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Chunks as runs: a window, its first and its last. The chunks of a large window come one after the other."""
    runs: list[list[int]] = []
    for start, chunk in sorted(seen):
        if runs and runs[-1][0] == start and runs[-1][2] == chunk - 1:
            runs[-1][2] = chunk
        else:
            runs.append([start, chunk, chunk])
    return runs


def _moment(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, UTC)
