"""Spans of event time against what a rule asks of them."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pelton.contracts.definitions import Volume
from pelton.feature.quality.neighbours import Claim, Claims, digest_of
from pelton.feature.quality.volumes import MOST_SPANS, VolumeState, begin, judge, needed_from

HOURLY = Volume(name="v", per="1h", at_least=2, at_most=5)
DAILY = Volume(name="v", per="12h", days=3, least_share=0.5, most_share=2)


def turns(rule: Volume, counts: list[int], first: int = 0) -> list[tuple[int, bool]]:
    """The spans at which the rule is broken or kept again, when each of the spans is over."""
    state = VolumeState(first, first)
    _, found = judge(rule, state, dict(enumerate(counts)), len(counts))
    return [(one.span, one.broken) for one in found]


@pytest.mark.parametrize(
    ("rule", "counts", "told"),
    [
        (HOURLY, [2, 5, 3], []),
        (HOURLY, [2, 1, 0, 2], [(1, True), (3, False)]),
        (HOURLY, [6, 7, 5], [(0, True), (2, False)]),
        # Each half of a day beside the same half of the days before; the first day has none.
        (DAILY, [0, 10, 100, 10, 100, 10], [(2, True), (3, False)]),
        (DAILY, [100, 10, 100, 10, 49, 10, 50, 21], [(4, True), (5, False), (7, True)]),
        (DAILY, [100, 10, 201, 10], [(2, True), (3, False)]),
    ],
)
def test_a_span_that_is_over_breaks_the_rule_or_keeps_it_again(
    rule: Volume, counts: list[int], told: list[tuple[int, bool]]
) -> None:
    assert turns(rule, counts) == told


def test_the_span_in_which_counting_began_is_not_judged_and_neither_is_one_that_is_not_over() -> None:
    state = begin(7)
    assert judge(HOURLY, state, {7: 1, 8: 0}, 8) == (state, [])
    after, (turn,) = judge(HOURLY, state, {7: 1, 8: 0}, 9)
    assert (turn.span, turn.events, turn.broken, after.judged_to) == (8, 0, True, 9)
    assert judge(HOURLY, after, {}, 9) == (after, [])


def test_a_jump_over_years_is_judged_by_its_newest_spans() -> None:
    state, (turn,) = judge(HOURLY, begin(0), {}, 10 * MOST_SPANS)
    assert turn.span == 9 * MOST_SPANS
    assert state.judged_to == 10 * MOST_SPANS


@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_it_does_not_matter_in_how_many_steps_spans_pass_or_whether_old_counts_are_gone(
    counts: list[int], chance: random.Random
) -> None:
    for rule in (HOURLY, DAILY):
        whole = turns(rule, counts)
        kept, state, found, passed = dict(enumerate(counts)), VolumeState(0, 0), [], 0
        while passed < len(counts):
            passed = chance.randint(passed + 1, len(counts))
            state, some = judge(rule, state, kept, passed)
            found += [(one.span, one.broken) for one in some]
            kept = {span: events for span, events in kept.items() if span >= needed_from(rule, state)}
        assert found == whole


def test_a_value_is_admitted_beside_itself_and_beyond_the_span_of_the_others() -> None:
    value, one, other = digest_of(["UA", 1.0]), digest_of(["a"]), digest_of(["b"])
    claims = Claims([Claim(value, one, 1000)])
    assert claims.admits(Claim(value, one, 1000), 10)
    assert not claims.admits(Claim(value, other, 1009), 10)
    assert not claims.admits(Claim(value, other, 991), 10)
    assert claims.admits(Claim(value, other, 1010), 10)
    assert claims.admits(Claim(digest_of(["UA", 2.0]), other, 1000), 10)
    claims.add(Claim(value, other, 1010))
    assert not claims.admits(Claim(value, digest_of(["c"]), 1015), 10)
