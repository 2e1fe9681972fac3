"""What the writer keeps, forgets and refuses."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from memory import MemoryRecordStore
from taking import ENTITIES, EVENTS, VIEW, batch

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition, Latest
from pelton.tiles.addresses import entity_name, nodes_at, scope_of
from pelton.tiles.entities import entity_key
from pelton.tiles.errors import ForeignRecordError, StaleWriterError
from pelton.tiles.expressions import ExpressionError
from pelton.tiles.plan import plan_of
from pelton.tiles.reader import TileReader
from pelton.tiles.records import Commit
from pelton.tiles.writer import DUPLICATE, LATE, ON_TIME, TOO_LATE, Batch, TileWriter

HOUR, DAY = 3_600_000, 86_400_000
PARTITION = ("pelton.data.landings", 0)
COUNT = FeatureViewDefinition(
    name="landings",
    source="landings",
    entity="origin",
    aggregates=(Aggregate(name="n", function="count", windows=("1h", "24h")),),
)


@pytest.fixture
def writer() -> TileWriter:
    return TileWriter(MemoryRecordStore())


def happened(
    times: list[int],
    *,
    start: int = 0,
    ids: list[str] | None = None,
    view: FeatureViewDefinition = COUNT,
    entity: str = "EWR",
) -> Batch:
    """Events of an entity, at offsets from `start` on."""
    moments = np.array(times, np.int64)
    return Batch(
        partition=PARTITION,
        source="landings",
        lateness_ms=HOUR,
        offsets=np.arange(start, start + len(times)),
        next_offset=start + len(times),
        ids=pl.Series(ids or [f"event {start + place}" for place in range(len(times))]),
        times_ms=moments,
        arrivals_ms=np.maximum.accumulate(np.maximum(moments, 0)),
        events={"origin": pl.Series([entity] * len(times)), "delay": np.zeros(len(times))},
        views=[view],
    )


def counts(writer: TileWriter, at_ms: int, entity: str = "EWR", view: FeatureViewDefinition = COUNT) -> list[float]:
    found = TileReader.over(writer.records).features(view, [entity], np.array([at_ms]))
    return [float(column[0]) for column in found.columns.values()]


def test_an_event_is_judged_by_what_came_before_it(writer: TileWriter) -> None:
    times = [5 * HOUR, 4 * HOUR, 4 * HOUR - 1, 5 * HOUR, 9 * HOUR, 8 * HOUR]
    (taken,) = writer.take([happened(times)])
    assert taken.verdicts.tolist() == [ON_TIME, LATE, TOO_LATE, ON_TIME, ON_TIME, LATE]
    statistics = writer.statistics("landings")
    assert statistics is not None
    assert (statistics.events, statistics.late, statistics.too_late, statistics.duplicates) == (6, 2, 1, 0)
    assert (statistics.watermark_ms, statistics.first_ms) == (9 * HOUR, 4 * HOUR - 1)


def test_an_id_counts_once_within_a_batch_and_across_batches_and_writers(writer: TileWriter) -> None:
    (taken,) = writer.take([happened([HOUR, HOUR, HOUR + 1], ids=["a", "b", "a"])])
    assert taken.verdicts.tolist() == [ON_TIME, ON_TIME, DUPLICATE]
    again = TileWriter(writer.records)
    (taken,) = again.take([happened([HOUR, HOUR + 2], start=3, ids=["b", "c"])])
    assert taken.verdicts.tolist() == [DUPLICATE, ON_TIME]
    assert again.seen("landings", ["a", "b", "c", "d"]) == [True, True, True, False]
    assert counts(again, 2 * HOUR) == [3.0, 3.0]


def test_an_id_is_forgotten_once_its_event_would_be_too_late(writer: TileWriter) -> None:
    (taken,) = writer.take([happened([HOUR, 2 * HOUR, 2 * HOUR, HOUR + 1], ids=["a", "b", "a", "c"])])
    assert taken.verdicts.tolist() == [ON_TIME, ON_TIME, DUPLICATE, LATE]
    for start in range(4, 80):
        writer.take([happened([2 * HOUR + start * HOUR], start=start)])
    (taken,) = writer.take([happened([80 * HOUR], start=80, ids=["a"])])
    assert taken.verdicts.tolist() != [DUPLICATE]
    # What is kept of ids is of those alone that a duplicate could still be of.
    assert len(writer._partitions[PARTITION].remembered) < 40
    assert len(writer._partitions[PARTITION].id_records) <= 3


def test_what_comes_again_for_the_offline_store_gets_the_verdict_it_got_until_it_is_covered(writer: TileWriter) -> None:
    (first,) = writer.take([batch(0, 0, EVENTS // 2)])
    assert set(first.verdicts.tolist()) == {ON_TIME, LATE, TOO_LATE, DUPLICATE}
    again = TileWriter(writer.records)
    (both,) = again.take([batch(0, 10, EVENTS)])
    assert both.verdicts[: EVENTS // 2 - 10].tolist() == first.verdicts[10:].tolist()
    whole = TileWriter(MemoryRecordStore())
    (expected,) = whole.take([batch(0, 0, EVENTS)])
    assert both.verdicts.tolist() == expected.verdicts[10:].tolist()
    covering = replace(happened([10 * DAY], start=EVENTS, view=VIEW), covered=EVENTS + 1, views=[])
    again.take([covering])
    assert again._partitions[PARTITION].judged == {}
    (taken,) = again.take([batch(0, 0, EVENTS, covered=EVENTS + 1)])
    assert set(taken.verdicts.tolist()) == {DUPLICATE}


def test_a_writer_that_lost_its_partition_is_refused_and_changes_nothing(writer: TileWriter) -> None:
    writer.take([happened([HOUR])])
    other = TileWriter(writer.records)
    other.take([happened([HOUR + 1], start=1)])
    with pytest.raises(StaleWriterError):
        writer.take([happened([HOUR + 2], start=1)])
    assert counts(writer, 2 * HOUR) == [2.0, 2.0]
    writer.forget([PARTITION])
    writer.take([happened([HOUR + 3], start=2)])
    assert counts(writer, 2 * HOUR) == [3.0, 3.0]


def test_offsets_move_on_over_records_that_are_no_events(writer: TileWriter) -> None:
    writer.take([replace(happened([]), next_offset=7, ids=pl.Series([], dtype=pl.String))])
    assert writer.offsets() == {PARTITION: 7}
    assert writer.statistics("landings") is None
    assert writer.watermark("landings") is None


def test_versions_of_a_view_live_side_by_side(writer: TileWriter) -> None:
    other = COUNT.model_copy(update={"description": "another version"})
    writer.take([happened([HOUR])])
    writer.take([replace(happened([HOUR + 1], start=1), views=[COUNT, other])])
    assert counts(writer, 2 * HOUR) == [2.0, 2.0]
    assert counts(writer, 2 * HOUR, view=other) == [1.0, 1.0]


def test_what_is_kept_is_bounded_by_what_windows_reach_and_expiry_changes_no_answer() -> None:
    slack = 2 * HOUR
    short, long = TileWriter(MemoryRecordStore(), slack_ms=slack), TileWriter(MemoryRecordStore(), slack_ms=400 * DAY)
    sizes = []
    for start in range(0, 6000, 100):
        times = [place * 600_000 for place in range(start, start + 100)]
        for one in (short, long):
            one.take([happened(times, start=start)])
        now = times[-1] + 1
        for at_ms in (now, now - slack + 1, now + 5 * HOUR, now - slack // 2):
            assert counts(short, at_ms) == counts(long, at_ms)
        sizes.append(short.kept(COUNT))
    assert max(size.records for size in sizes[10:]) < 80
    assert sizes[-1].bytes < 20_000
    assert long.kept(COUNT).entries > 6000
    held = sum(len(records) for bucket, records in short.records.buckets.items() if bucket[:1] == b"T")  # type: ignore[attr-defined]
    assert short.kept(COUNT).records == held


def test_a_clock_that_is_ahead_expires_nothing(writer: TileWriter) -> None:
    writer.take([happened([HOUR, 2 * HOUR])])
    ahead = replace(happened([4000 * DAY], start=2), arrivals_ms=np.array([2 * HOUR]))
    writer.take([ahead])
    assert counts(writer, 2 * HOUR + 1) == [1.0, 2.0]


@pytest.mark.parametrize("name", ["", "x" * 400, "x" * 401, "x" * 100_000, "ü" * 300, "a\0b", "\U0001f6eb" * 120])
def test_an_entity_may_have_any_name(writer: TileWriter, name: str) -> None:
    writer.take([happened([HOUR], entity=name)])
    writer.take([happened([HOUR, HOUR], start=1, entity=name + "x")])
    assert [counts(writer, 2 * HOUR, key)[0] for key in (name, name + "x", name + "y")] == [1.0, 2.0, 0.0]


def test_an_entity_may_have_several_keys(writer: TileWriter) -> None:
    view = COUNT.model_copy(update={"keys": ("origin", "gate")})
    events = {"origin": pl.Series(["a\x1f1", "a", "a", None]), "gate": np.array([1.0, 1.0, np.nan, 2.0])}
    writer.take([replace(happened([HOUR] * 4, view=view), events=events)])
    keys = [entity_key(["a\x1f1", 1]), entity_key(["a", "1"]), entity_key(["a", 2])]
    assert [counts(writer, 2 * HOUR, key or "", view)[0] for key in keys] == [1.0, 1.0, 0.0]
    assert entity_key(["a", None]) is None


def test_a_field_that_events_do_not_have_is_named(writer: TileWriter) -> None:
    events = {"carrier": pl.Series(["UA"])}
    with pytest.raises(ExpressionError, match=r"'landings' is by 'origin'.*: carrier"):
        writer.take([replace(happened([HOUR]), events=events)])
    assert writer.offsets() == {}


@pytest.mark.parametrize(
    "damaged",
    [
        lambda raw: raw[:4],
        lambda raw: raw[:-1],
        lambda raw: raw + bytes(8),
        lambda raw: raw[:-8],
        lambda raw: b"\x02" + raw[1:],  # a former format
        lambda raw: raw[:2] + b"\xff\xff\xff" + raw[5:],  # another number of entries
    ],
)
@pytest.mark.parametrize("rows", [1, 20])
def test_a_foreign_or_damaged_record_is_refused_not_read(writer: TileWriter, damaged: object, rows: int) -> None:
    assert callable(damaged)
    writer.take([happened([HOUR, HOUR + 5])])
    address = (nodes_at(scope_of(plan_of(COUNT), PARTITION), 0, 0), entity_name("EWR"))
    (raw,) = writer.records.get([address])
    writer.records.commit(Commit(puts=[(address, damaged(raw))]))
    with pytest.raises(ForeignRecordError, match="delete the online store"):
        TileReader.over(writer.records).features(COUNT, ["EWR"] * rows, np.array([2 * HOUR] * rows))
    with pytest.raises(ForeignRecordError):
        writer.take([happened([HOUR + 9], start=2)])
    assert writer.offsets() == {PARTITION: 2}


def test_values_too_large_are_refused_and_counted(writer: TileWriter) -> None:
    view = COUNT.model_copy(
        update={"aggregates": (Aggregate(name="total", function="sum", value="delay", windows=("1h",)),)}
    )
    events = {"origin": pl.Series(["EWR"] * 4), "delay": np.array([1.0, 1e300, -np.inf, np.nan])}
    (taken,) = writer.take([replace(happened([HOUR] * 4, view=view), events=events)])
    assert taken.refused == 2
    assert counts(writer, 2 * HOUR, view=view) == [1.0]


@pytest.mark.parametrize("sign", [1, -1])
def test_sums_and_squares_beyond_64_bits_are_exact(writer: TileWriter, sign: int) -> None:
    view = COUNT.model_copy(
        update={
            "aggregates": tuple(
                Aggregate(name=function, function=function, value="delay", windows=("24h",))  # type: ignore[arg-type]
                for function in ("sum", "variance", "mean")
            )
        }
    )
    rows = 20_000
    delays = np.full(rows, sign * 1e9)
    delays[::2] -= sign * 1e-6
    events = {"origin": pl.Series(["EWR"] * rows), "delay": delays}
    writer.take([replace(happened([HOUR + place for place in range(rows)], view=view), events=events)])
    total = sign * (rows * 10**15 - rows // 2)
    assert counts(writer, DAY, view=view) == [total / 1e6, 0.25e-12, total / (rows * 1e6)]


def test_entities_of_one_batch_do_not_mix(writer: TileWriter) -> None:
    writer.take([batch(partition, 0, EVENTS) for partition in (0, 1)])
    at_ms = 2 * EVENTS * 7000
    together = TileReader.over(writer.records).features(VIEW, ENTITIES * 5, np.array([at_ms] * 25))
    for place, entity in enumerate(ENTITIES):
        alone = TileReader.over(writer.records).features(VIEW, [entity], np.array([at_ms]))
        for name, column in alone.columns.items():
            assert repr(column[0]) == repr(together.columns[name][place])


@pytest.mark.parametrize("rows", [1, 20])
def test_the_tail_of_a_short_window_counts_once_in_a_longer_one(writer: TileWriter, rows: int) -> None:
    times = list(range(0, 30 * HOUR, 240_000))
    writer.take([happened(times)])
    at_ms = 26 * HOUR + 420_001
    found = TileReader.over(writer.records).features(COUNT, ["EWR"] * rows, np.array([at_ms] * rows))
    for name, window in (("n_1h", HOUR), ("n_24h", DAY)):
        inside = sum(at_ms - window <= time < at_ms for time in times)
        assert found.columns[name].tolist() == [inside] * rows


def test_a_latest_value_is_of_before_the_moment_whatever_a_clock_that_is_ahead_says(writer: TileWriter) -> None:
    view = FeatureViewDefinition(
        name="l", source="landings", entity="origin", latest=(Latest(name="delay", value="delay"),), max_age="1h"
    )
    times = [HOUR, HOUR + 7, 2 * HOUR]
    ahead = replace(happened(times, view=view), arrivals_ms=np.array([HOUR, HOUR + 7, HOUR + 8]))
    writer.take([replace(ahead, events={"origin": pl.Series(["EWR"] * 3), "delay": np.array([1.0, 2.0, 3.0])})])
    moments = np.array([HOUR + 8, 2 * HOUR, 2 * HOUR + 1, 3 * HOUR, 3 * HOUR + 1])
    found = TileReader.over(writer.records).features(view, ["EWR"] * 5, moments)
    assert found.columns["delay"][:4].tolist() == [2.0, 2.0, 3.0, 3.0]
    assert np.isnan(found.columns["delay"][4])
    assert found.newest_ms is not None
    assert found.newest_ms.tolist() == [HOUR + 7, HOUR + 7, 2 * HOUR, 2 * HOUR, 2 * HOUR]
