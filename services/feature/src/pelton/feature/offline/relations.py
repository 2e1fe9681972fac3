"""What is asked of the offline store, as Ibis expressions: the same run on polars and DuckDB here, on Spark elsewhere.

Each takes and gives a table of events with the store's own columns, which all begin with `_`.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import ibis
import ibis.expr.types as ir

from pelton.feature.columns import ARRIVAL, ID, LATE, OFFSET, PARTITION, TIE, TIME

TOO_LATE: Final = 2
KEY, ROW, AT = "_key", "_row", "_at"


def whole(events: ir.Table) -> ir.Table:
    """Events with every column of the store: of those from before there was an arrival, it is the event's time."""
    return events.mutate(
        _arrival=events[ARRIVAL].fill_null(events[TIME]) if ARRIVAL in events.columns else events[TIME],
        _late=events[LATE].fill_null(0) if LATE in events.columns else ibis.literal(0, "int8"),
        _tie=events[TIE] if TIE in events.columns else ibis.null("int64"),
    )


def between(events: ir.Table, first_ms: int, last_ms: int) -> ir.Table:
    """Those with `first_ms <= event time < last_ms`."""
    return events.filter(events[TIME] >= first_ms, events[TIME] < last_ms)


def known(events: ir.Table, at_ms: int) -> ir.Table:
    """Those that had arrived by a moment and that serving was to see: what came too late never changed an answer."""
    return events.filter(events[ARRIVAL] <= at_ms, events[LATE] != TOO_LATE)


def distinct(events: ir.Table) -> ir.Table:
    """Each event once: of those with one id the first by partition and offset, as it is counted online."""
    order = ibis.window(group_by=events[ID], order_by=[events[PARTITION], events[OFFSET]])
    numbered = events.mutate(_nth=ibis.row_number().over(order))
    return numbered.filter(numbered["_nth"] == 0).drop("_nth")


def fields(events: ir.Table, names: Iterable[str] | None) -> ir.Table:
    """These fields of the events, where they have them, beside their time and tie; of None all."""
    if names is None:
        return events
    return events.select([name for name in dict.fromkeys([TIME, TIE, *sorted(names)]) if name in events.columns])


def latest(
    rows: ir.Table, events: ir.Table, keys: Mapping[str, str], values: Mapping[str, ir.Value], *, as_known: bool = False
) -> ir.Table:
    """To each row (`_row`, `_at`, entities) the values of its entity's newest event before `_at`, null without one.

    `keys` maps each column of the rows that is part of the entity to the field of the events; `values` have names that
    no key has. Of events of one moment
    that of the greatest tie is the newest, as it is online. `as_known` looks only at what had arrived by then and was
    not too late.

    An as-of join, said as a plain join and a maximum: Spark has no as-of join, and no engine has one that looks at
    arrivals too.
    """
    candidate = events.select(
        **{f"_e_{ours}": events[theirs] for ours, theirs in keys.items()},
        _time=events[TIME],
        _came=events[ARRIVAL],
        _was_late=events[LATE],
        _order=events[TIE],
        **values,
    )
    met = [rows[ours] == candidate[f"_e_{ours}"] for ours in keys]
    met.append(candidate["_time"] < rows[AT])
    if as_known:
        met += [candidate["_came"] <= rows[AT], candidate["_was_late"] != TOO_LATE]
    joined = rows.left_join(candidate, met)
    order = ibis.window(group_by=joined[ROW], order_by=[joined["_time"].desc(), joined["_order"].desc()])
    newest = joined.mutate(_nth=ibis.row_number().over(order))
    return newest.filter(newest["_nth"] == 0).select([ROW, AT, *keys, *values]).order_by(ROW)


def statistics(events: ir.Table) -> ir.Table:
    """One row about the events: how many, their first and last time, and of each number its nulls, least and most."""
    told: dict[str, ir.Value] = {
        "events": events.count(),
        "first_ms": events[TIME].min(),
        "last_ms": events[TIME].max(),
        "late": events.count(where=events[LATE].isin([1, TOO_LATE])),
    }
    for name, kind in events.schema().items():
        if name.startswith("_"):
            continue
        told[f"{name}__nulls"] = events.count(where=events[name].isnull())
        if kind.is_numeric():
            told[f"{name}__min"], told[f"{name}__max"] = events[name].min(), events[name].max()
    return events.aggregate(**told)
