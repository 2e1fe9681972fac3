"""How many events belong to each span of event time, and whether that is as a rule asks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from pelton.contracts.definitions import Volume, seconds

_DAY_MS: Final = 86_400_000
# A jump of event time passes any number of empty spans; only the newest of them are looked at.
MOST_SPANS: Final = 10_000


@dataclass(frozen=True, slots=True)
class VolumeState:
    """How far a rule is judged. Spans are numbered since 1970; that of the number `judged_to` is judged next.

    `first` is the first span that was counted from its beginning.
    """

    first: int
    judged_to: int
    broken: bool = False


@dataclass(frozen=True, slots=True)
class Turn:
    """From this span on the rule is broken, or kept again."""

    span: int
    events: int
    broken: bool
    detail: str


def span_ms(rule: Volume) -> int:
    """How long a span is, in milliseconds."""
    return seconds(rule.per) * 1000


def begin(span: int) -> VolumeState:
    """The state of a rule that counts from some event of a span on: that span is not whole."""
    return VolumeState(span + 1, span + 1)


def needed_from(rule: Volume, state: VolumeState) -> int:
    """The first span whose count is still needed."""
    return state.judged_to - (rule.days or 0) * (_DAY_MS // span_ms(rule))


def judge(
    rule: Volume, state: VolumeState, counts: Mapping[int, int], passed: int
) -> tuple[VolumeState, Sequence[Turn]]:
    """Judge the spans before the number `passed`, by their counts; a span without a count has no event."""
    turns: list[Turn] = []
    broken = state.broken
    for span in range(max(state.judged_to, passed - MOST_SPANS), passed):
        detail = _fault(rule, state.first, counts, span)
        if detail is not None and (detail != "") != broken:
            broken = not broken
            events = counts.get(span, 0)
            turns.append(Turn(span, events, broken, detail or f"a span of {rule.per} has {events} events again"))
    return VolumeState(state.first, max(state.judged_to, passed), broken), turns


def _fault(rule: Volume, first: int, counts: Mapping[int, int], span: int) -> str | None:
    """What is wrong with a span: empty when nothing is, None when there is nothing to compare it with."""
    events = counts.get(span, 0)
    said = f"a span of {rule.per} has {events} events"
    if rule.at_least is not None and events < rule.at_least:
        return f"{said}, and {rule.at_least} at least are asked for"
    if rule.at_most is not None and events > rule.at_most:
        return f"{said}, and {rule.at_most} at most are asked for"
    if rule.days is None:
        return ""
    a_day = _DAY_MS // span_ms(rule)
    before = [counts.get(one, 0) for one in (span - day * a_day for day in range(1, rule.days + 1)) if one >= first]
    if not before:
        return None if rule.at_least is None and rule.at_most is None else ""
    usual = median(before)
    beside = f"{said}; the median of the same span on {len(before)} days before is {usual:g}"
    if rule.least_share is not None and events < rule.least_share * usual:
        return f"{beside}, and a share of {rule.least_share:g} at least is asked for"
    if rule.most_share is not None and events > rule.most_share * usual:
        return f"{beside}, and a share of {rule.most_share:g} at most is asked for"
    return ""
