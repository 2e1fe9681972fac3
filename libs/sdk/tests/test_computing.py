"""Views computed of tables, without a platform."""

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from pelton.contracts.definitions import FeatureViewDefinition
from pelton.sdk import Aggregate, Entity, FeatureView, Source
from pelton.sdk.frames import FrameError

DAY = datetime(2013, 3, 1, tzinfo=UTC)
landings = Source(
    name="landings",
    json_schema={"type": "object", "properties": {}},
    event_time="landed_at",
    key="flight",
    lateness="1h",
)
by_carrier = FeatureView(
    name="by_carrier",
    source=landings,
    entity="carrier",
    aggregates=(
        Aggregate(name="landings", function="count", windows=("3h",)),
        Aggregate(name="delay", function="mean", value="delay", windows=("3h",)),
    ),
)


def hours(count: float) -> datetime:
    return DAY + timedelta(hours=count)


EVENTS = pl.DataFrame(
    {
        "id": ["a", "b", "c", "d", "b"],
        "landed_at": [hours(1), hours(2), hours(2), hours(1.5), hours(2)],
        "arrival": [hours(1), hours(2), hours(2), hours(2.5), hours(2.6)],
        "carrier": ["UA", "UA", "AA", "UA", "UA"],
        "delay": [10.0, None, 3.0, 40.0, 100.0],
    }
)


def test_every_entity_at_a_moment() -> None:
    found = by_carrier.compute(EVENTS, at=hours(3), event_id="id")
    assert found.to_dicts() == [
        {"carrier": "AA", "event_time": hours(3), "landings_3h": 1.0, "delay_3h": 3.0},
        {"carrier": "UA", "event_time": hours(3), "landings_3h": 3.0, "delay_3h": 25.0},
    ]


def test_rows_of_entities_at_their_moments_keep_their_order_and_columns() -> None:
    rows = pl.DataFrame({"carrier": ["UA", "AA", "UA"], "event_time": [hours(3), hours(2), hours(1)], "row": [1, 2, 3]})
    found = by_carrier.compute(EVENTS, at=rows, event_id="id")
    assert found.columns == ["carrier", "event_time", "row", "landings_3h", "delay_3h"]
    assert found["landings_3h"].to_list() == [3.0, 0.0, 0.0]
    assert found["delay_3h"].to_list() == [25.0, None, None]


def test_as_it_was_known_then() -> None:
    known = [
        by_carrier.compute(EVENTS, at=hours(3), known_at=hours(moment)).filter(carrier="UA")["landings_3h"].item()
        for moment in (1, 2, 2.5, 3)
    ]
    assert known == [1, 2, 3, 4]


def test_each_row_may_be_as_it_was_known_at_its_own_time() -> None:
    rows = pl.DataFrame({"carrier": ["UA"] * 3, "event_time": [hours(2.1), hours(2.55), hours(3)]})
    found = by_carrier.compute(EVENTS, at=rows, known_at="event_time", event_id="id")
    alone = [
        by_carrier.compute(EVENTS, at=moment, known_at=moment, event_id="id").filter(carrier="UA")
        for moment in rows["event_time"]
    ]
    assert found["landings_3h"].to_list() == [2.0, 3.0, 3.0]
    assert found["delay_3h"].to_list() == [one["delay_3h"].item() for one in alone]


def test_an_entity_of_several_keys_is_their_values_together() -> None:
    view = FeatureView(
        name="gates",
        source=landings,
        entity=Entity(name="gate", keys=("carrier", "id")),
        aggregates=(Aggregate(name="n", function="count", windows=("3h",)),),
    )
    found = view.compute(EVENTS, at=hours(3))
    assert found.select("carrier", "id", "n_3h").rows() == [
        ("AA", "c", 1.0),
        ("UA", "a", 1.0),
        ("UA", "b", 2.0),
        ("UA", "d", 1.0),
    ]


def test_what_comes_later_than_the_lateness_was_never_known() -> None:
    late = EVENTS.with_columns(landed_at=pl.Series([hours(0.5), hours(2), hours(2), hours(0.9), hours(1)]))
    assert by_carrier.compute(late, at=hours(3), known_at=hours(3)).filter(carrier="UA")["landings_3h"].item() == 3
    assert by_carrier.compute(late, at=hours(3)).filter(carrier="UA")["landings_3h"].item() == 4


def test_pandas_and_arrow_are_read_and_given_back() -> None:
    expected = by_carrier.compute(EVENTS, at="2013-03-01T03:00:00Z")
    for frame in (EVENTS.to_pandas(), EVENTS.to_arrow()):
        found = by_carrier.compute(frame, at=hours(3))
        assert type(found) is type(frame)
        assert pl.DataFrame(found)["delay_3h"].fill_nan(None).to_list() == expected["delay_3h"].to_list()


def test_times_are_times_texts_or_milliseconds() -> None:
    expected = by_carrier.compute(EVENTS, at=hours(3))
    texts = EVENTS.with_columns(landed_at=EVENTS["landed_at"].dt.to_string("iso:strict"))
    milliseconds = EVENTS.with_columns(landed_at=EVENTS["landed_at"].dt.epoch("ms"))
    assert by_carrier.compute(texts, at=hours(3)).equals(expected)
    assert by_carrier.compute(milliseconds, at=hours(3)).equals(expected)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (EVENTS.drop("carrier"), "view 'by_carrier' is by carrier, which the table lacks"),
        (EVENTS.drop("landed_at"), "reads the column 'landed_at'"),
        (EVENTS.with_columns(delay=pl.lit([1, 2])), "'delay', which is List.*: it must have numbers, texts"),
        (EVENTS.with_columns(landed_at=pl.lit(DAY.replace(tzinfo=None))), "it must have times with a zone"),
        (EVENTS.with_columns(landed_at=pl.lit("yesterday")), "'yesterday' is no RFC 3339 time"),
        (EVENTS.with_columns(landed_at=pl.lit("2013-03-01T00:00:00")), "has no time zone"),
        (EVENTS.with_columns(landed_at=pl.lit(None, pl.Int64)), "which has 5 nulls"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(changed: pl.DataFrame, words: str) -> None:
    with pytest.raises(FrameError, match=words):
        by_carrier.compute(changed, at=hours(3))


def test_a_view_of_a_source_by_name_asks_for_the_column_of_times() -> None:
    declared = by_carrier.model_dump(exclude_unset=True)
    named = FeatureView(**declared)
    assert named.digest == by_carrier.digest == FeatureViewDefinition.model_validate(declared).digest
    with pytest.raises(FrameError, match="say which column is the `event_time`"):
        named.compute(EVENTS, at=hours(3))
    assert named.compute(EVENTS, at=hours(3), event_time="landed_at").height == 2


def test_an_entity_gives_its_name_and_its_keys() -> None:
    kept: dict[str, Any] = {"name": "v", "source": landings, "aggregates": by_carrier.aggregates}
    carrier, gate = Entity(name="carrier", keys=("carrier",)), Entity(name="gate", keys=("airport", "number"))
    assert FeatureView(entity=carrier, **kept).digest == FeatureView(entity="carrier", **kept).digest
    assert FeatureView(entity=gate, **kept).join_keys == ("airport", "number")
