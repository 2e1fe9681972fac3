import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracle import ENTITIES, LARGEST, TILE, VIEW, Event, bits, columns, events, features, times

from pelton.contracts.definitions import Aggregate, FeatureViewDefinition
from pelton.tiles.expressions import ExpressionError
from pelton.tiles.fold import fold
from pelton.tiles.plan import plan_of
from pelton.tiles.reader import TileReader
from pelton.tiles.store import LmdbTileStore
from pelton.tiles.tiles import Tiles, merge
from pelton.tiles.values import values

moments = st.lists(st.tuples(st.sampled_from((*ENTITIES, "nowhere")), times), min_size=1, max_size=12)


@contextmanager
def opened() -> Iterator[LmdbTileStore]:
    with TemporaryDirectory() as folder:
        store = LmdbTileStore(Path(folder))
        try:
            yield store
        finally:
            store.close()


def folded(batch: list[Event]) -> Tiles:
    return fold(VIEW, *columns(batch))


def written(tiles: Tiles) -> dict[str, bytes]:
    return {name: tiles.series(name).to_bytes() for name in tiles.keys()}  # noqa: SIM118 - no mapping


@st.composite
def shuffled_batches(draw: st.DrawFn) -> tuple[list[Event], list[list[Event]]]:
    whole = draw(events)
    order = draw(st.permutations(whole))
    cuts = sorted(draw(st.lists(st.integers(0, len(whole)), max_size=4)))
    edges = [0, *cuts, len(whole)]
    return whole, [order[start:end] for start, end in pairwise(edges)]


@given(shuffled_batches())
def test_any_order_and_any_batches_give_the_same_bytes(drawn: tuple[list[Event], list[list[Event]]]) -> None:
    whole, batches = drawn
    expected = folded(whole)
    parts = [folded(batch) for batch in batches]
    for found in (merge(plan_of(VIEW), parts), merge(plan_of(VIEW), parts[::-1])):
        assert written(found) == written(expected)
        assert found.keys() == expected.keys()
        assert found.refused == expected.refused


@given(shuffled_batches(), moments)
@settings(max_examples=40)
def test_online_is_offline_is_the_definition_to_the_bit(
    drawn: tuple[list[Event], list[list[Event]]], asked: list[tuple[str, int]]
) -> None:
    whole, batches = drawn
    keys, at = [key for key, _ in asked], np.array([moment for _, moment in asked], dtype=np.int64)
    with opened() as store:
        for batch in batches:
            with store.transaction() as transaction:
                transaction.merge(VIEW, folded(batch))
        stored = TileReader.over(store).read(VIEW, sorted(set(keys)))
    online, offline = values(VIEW, stored, keys, at), values(VIEW, folded(whole), keys, at)
    expected = [features(whole, key, moment) for key, moment in asked]
    assert list(online) == list(offline) == list(VIEW.feature_names)
    for name in VIEW.feature_names:
        truth = [bits(row[name]) for row in expected]
        assert [bits(value) for value in online[name]] == truth, name
        assert [bits(value) for value in offline[name]] == truth, name


@given(events, moments)
@settings(max_examples=40)
def test_a_row_does_not_depend_on_the_rows_beside_it(whole: list[Event], asked: list[tuple[str, int]]) -> None:
    tiles = folded(whole)
    keys, at = [key for key, _ in asked], np.array([moment for _, moment in asked], dtype=np.int64)
    together = values(VIEW, tiles, keys, at)
    for row, key in enumerate(keys):
        alone = values(VIEW, tiles, [key], at[row : row + 1])
        assert {name: bits(column[row]) for name, column in together.items()} == {
            name: bits(column[0]) for name, column in alone.items()
        }


@pytest.mark.parametrize(
    ("event_ms", "at_ms", "minute", "three_minutes"),
    [
        (0, 0, 0, 0),  # at its own moment an event is not known
        (0, TILE - 1, 0, 0),  # nor in its own tile
        (TILE - 1, TILE, 1, 1),  # the tile that has just ended counts
        (0, 2 * TILE - 1, 1, 1),  # and still counts at the end of the next
        (TILE - 1, 2 * TILE, 0, 1),  # a window is left tile by tile
        (0, 4 * TILE - 1, 0, 1),
        (TILE - 1, 4 * TILE, 0, 0),
        (-1, 0, 1, 1),  # floor rounds down before 1970 too
        (-TILE, -1, 0, 0),
    ],
)
def test_a_window_is_made_of_whole_tiles_before_the_moment(
    event_ms: int, at_ms: int, minute: int, three_minutes: int
) -> None:
    found = values(VIEW, folded([Event("EWR", 1.0, "UA", event_ms)]), ["EWR"], np.array([at_ms]))
    assert (found["landings_1m"][0], found["landings_3m"][0]) == (minute, three_minutes)


def test_without_events_counts_and_sums_are_zero_and_the_rest_is_unknown() -> None:
    for tiles in (Tiles.empty(plan_of(VIEW).width), folded([Event("JFK", 1.0, "UA", 0)])):
        found = values(VIEW, tiles, ["EWR"], np.array([TILE]))
        assert found["landings_1m"] == found["total_1m"] == 0.0
        assert all(np.isnan(found[name][0]) for name in ("seconds_1m", "least_1m", "most_1m"))


def test_no_rows_are_asked_for() -> None:
    found = values(VIEW, folded([Event("JFK", 1.0, "UA", 0)]), [], np.empty(0, dtype=np.int64))
    assert {column.shape for column in found.values()} == {(0,)}


@given(st.lists(st.sampled_from([1.0, math.inf, -math.inf, 2 * LARGEST, -1e300, math.nan]), min_size=1, max_size=20))
def test_values_too_large_are_refused_and_told_and_nulls_are_not(given_values: list[float]) -> None:
    view = FeatureViewDefinition(
        name="v", source="s", entity="e", aggregates=(Aggregate(name="x", function="sum", value="v", windows=("1h",)),)
    )
    rows = len(given_values)
    tiles = fold(
        view, {"e": np.array(["a"] * rows, dtype=object), "v": np.array(given_values)}, np.zeros(rows, dtype=np.int64)
    )
    assert tiles.refused == sum(abs(value) > LARGEST for value in given_values)
    assert values(view, tiles, ["a"], np.array([3_600_000]))["x_1h"][0] == given_values.count(1.0)


@pytest.mark.parametrize(
    ("column", "known"),
    [
        (np.array(["7", None, "x"], dtype=object), {"7", "x"}),
        (np.array([7.0, math.nan, 7.5]), {"7", "7.5"}),
        (np.array([7, 8, 7]), {"7", "8"}),
        (np.array([-0.0, 0.0, math.inf]), {"0", "inf"}),
    ],
)
def test_an_entity_is_its_text_and_a_null_is_no_entity(column: np.ndarray[Any, Any], known: set[str]) -> None:
    view = FeatureViewDefinition(
        name="v", source="s", entity="e", aggregates=(Aggregate(name="n", function="count", windows=("1h",)),)
    )
    assert set(fold(view, {"e": column}, np.zeros(3, dtype=np.int64)).keys()) == known


def test_a_batch_without_any_entity_has_no_tiles() -> None:
    assert folded([Event(None, 1.0, "UA", 0)]).keys() == ()


def alike(rows: int, delay: float, tile: int = 0) -> Tiles:
    origins = np.array(["EWR"] * rows, dtype=object)
    batch = {"origin": origins, "carrier": origins, "delay": np.full(rows, delay)}
    return fold(VIEW, batch, np.full(rows, tile * TILE, dtype=np.int64))


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_of_many_large_values_does_not_wrap(sign: int) -> None:
    rows = 10_000
    tiles = alike(rows, sign * LARGEST)
    found = values(VIEW, tiles, ["EWR"], np.array([TILE]))
    assert found["total_1m"][0] == sign * rows * LARGEST
    half = alike(rows // 2, sign * LARGEST)
    assert written(merge(plan_of(VIEW), [half, half])) == written(tiles)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_sum_over_a_window_of_many_full_tiles_does_not_wrap(sign: int) -> None:
    rows, tiles = 9_000, 60
    whole = merge(plan_of(VIEW), [alike(rows, sign * LARGEST, tile) for tile in range(tiles)])
    found = values(VIEW, whole, ["EWR"], np.array([tiles * TILE]))
    assert found["total_1h"][0] == sign * rows * tiles * LARGEST
    assert found["landings_1h"][0] == rows * tiles


@given(st.lists(st.sampled_from([LARGEST, -LARGEST, 1e-6, -1e-6, 123.456]), min_size=1, max_size=8))
@settings(max_examples=25)
def test_sums_beyond_63_bits_have_one_form_whatever_the_order(levels: list[float]) -> None:
    rows = 7_000
    exact = sum(rows * round(level * 10**6) for level in levels)
    parts = [alike(rows, level) for level in levels]
    found, turned = merge(plan_of(VIEW), parts), merge(plan_of(VIEW), parts[::-1])
    assert written(found) == written(turned)
    high, low = plan_of(VIEW).highs.start, plan_of(VIEW).lows.start
    assert int(found.columns[high, 0]) * 2**32 + int(found.columns[low, 0]) == exact
    assert values(VIEW, found, ["EWR"], np.array([TILE]))["total_1m"][0] == float(exact) / 1e6


def test_a_mean_of_more_values_than_a_scaled_count_can_hold_does_not_wrap() -> None:
    tiles = alike(1, 1.0)
    plan = plan_of(VIEW)
    many = 2**50
    columns = tiles.columns.copy()
    columns[plan.counts] = many
    columns[plan.highs], columns[plan.lows] = many // 2**32 * 10**6, 0
    found = values(VIEW, replace(tiles, columns=columns), ["EWR"], np.array([TILE]))
    assert found["landings_1m"][0] == many
    assert found["seconds_1m"][0] == 1.0


def test_a_batch_without_the_entitys_field_is_refused_with_words() -> None:
    batch, moments_ms = columns([Event("EWR", 1.0, "UA", 0)])
    del batch["origin"]
    with pytest.raises(ExpressionError, match=r"'delays' is by 'origin'.*carrier, delay"):
        fold(VIEW, batch, moments_ms)
