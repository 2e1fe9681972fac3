"""Rules of single events: what breaks them, one by one and many at once."""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from feature_definitions import source
from hypothesis import given, settings
from hypothesis import strategies as st

from pelton.contracts.definitions import (
    Holds,
    Length,
    NotNull,
    OneOf,
    Pattern,
    Range,
    Rule,
    ValueOf,
)
from pelton.feature.quality.rules import EventRules, RuleError, columns_of

RULES: tuple[Rule, ...] = (
    NotNull(name="has_carrier", field="carrier"),
    NotNull(name="has_delay", field="delay"),
    ValueOf(name="whole_delay", field="delay", type="integer"),
    ValueOf(name="true_delay", field="delay", type="boolean"),
    ValueOf(name="carrier_is_number", field="carrier", type="number"),
    ValueOf(name="carrier_is_time", field="carrier", type="time"),
    Range(name="closed", field="delay", ge=-1, le=2),
    Range(name="open", field="delay", gt=-1, lt=2),
    OneOf(name="known", field="carrier", allowed=("UA", "B6")),
    OneOf(name="unwanted", field="carrier", forbidden=("UA", "")),
    OneOf(name="gates", field="gate", allowed=(1, 2)),
    OneOf(name="no_gates", field="gate", forbidden=(1, 30)),
    Pattern(name="letters", field="carrier", regex="^[A-Z]+$"),
    Length(name="two", field="carrier", at_least=2, at_most=2),
    Length(name="short", field="carrier", at_most=1),
    Holds(name="sense", value='delay < gate or carrier == "UA"'),
)
CHECKED = EventRules(source("s", rules=RULES))


def is_time(text: str) -> bool:
    shape = re.fullmatch(r"[0-9]{4}-..-..[Tt ]..:..:..(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})", text)
    try:
        return bool(shape) and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def is_number(text: str) -> bool:
    return text.strip() == text and "_" not in text and text.isascii() and _floats(text) and text[-1] not in "fny"


def _floats(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def one_by_one(event: Mapping[str, Any]) -> set[str]:
    """The rules that an event breaks, in the words of Python."""
    carrier, gate, delay = event["carrier"], event["gate"], event["delay"]
    broken = {"has_carrier": carrier is None, "has_delay": delay is None}
    if delay is not None:
        broken |= {
            "whole_delay": delay != int(delay),
            "true_delay": delay not in (0, 1),
            "closed": not -1 <= delay <= 2,
            "open": not -1 < delay < 2,
        }
    if gate is not None:
        broken |= {"gates": gate not in (1, 2), "no_gates": gate in (1, 30)}
    if carrier is not None:
        broken |= {
            "carrier_is_number": not is_number(carrier),
            "carrier_is_time": not is_time(carrier),
            "known": carrier not in ("UA", "B6"),
            "unwanted": carrier in ("UA", ""),
            "letters": re.fullmatch("[A-Z]+", carrier) is None,
            "two": len(carrier) != 2,
            "short": len(carrier) > 1,
        }
    truths = [None if None in (delay, gate) else delay < gate, None if carrier is None else carrier == "UA"]
    broken["sense"] = True not in truths and None not in truths
    return {name for name, is_broken in broken.items() if is_broken}


TEXTS = st.sampled_from(
    ["UA", "B6", "", "ua", "1", "-1.5e3", ".5", "1.", "7x", "\u00e9\u00e9", "UA\n", "2013-01-01T00:00:00Z"]
) | st.text(st.sampled_from("UAB6\u00e9\U0001f600"), max_size=3)
NUMBERS = st.sampled_from([-1.0, 0.0, 1.0, 1.5, 2.0, 2.0000001, 1e300]) | st.floats(-3, 3)
EVENTS = st.fixed_dictionaries(
    {
        "carrier": st.none() | TEXTS,
        "gate": st.none() | st.sampled_from([1, 2, 30, 31]),
        "delay": st.none() | NUMBERS,
    }
)


@settings(max_examples=300, deadline=None)
@given(st.lists(EVENTS, max_size=20))
def test_many_events_at_once_break_the_rules_that_each_breaks_by_itself(events: list[dict[str, Any]]) -> None:
    found: list[set[str]] = [set() for _ in events]
    for broken in CHECKED.broken(columns_of(source("s"), events)):
        for place in broken.events:
            found[place].add(broken.rule.name)
    assert found == [one_by_one(event) for event in events]


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (NotNull(name="r", field="nothing"), "nothing"),
        (NotNull(name="r", field="legs"), "legs"),
        (Range(name="r", field="carrier", ge=1), "carrier"),
        (OneOf(name="r", field="carrier", allowed=(1,)), "carrier"),
        (Pattern(name="r", field="delay", regex="a"), "delay"),
        (Pattern(name="r", field="carrier", regex="(?=a)"), "regular expression"),
        (Holds(name="r", value="carrier > 1"), "text"),
        (Holds(name="r", value="nothing > 1"), "nothing"),
        (Holds(name="r", value="import os"), "expression"),
    ],
)
def test_a_rule_that_its_fields_cannot_be_asked_says_so(rule: Rule, said: str) -> None:
    with pytest.raises(RuleError, match=said):
        EventRules(source("s", rules=(rule,)))


def test_a_number_that_is_null_breaks_the_rule_of_nulls_alone() -> None:
    events = columns_of(source("s"), [{"carrier": None, "gate": None, "delay": None}])
    assert {one.rule.name for one in CHECKED.broken(events)} == {"has_carrier", "has_delay"}
    assert math.isnan(np.asarray(events["delay"])[0])
    assert isinstance(events["carrier"], pl.Series)
