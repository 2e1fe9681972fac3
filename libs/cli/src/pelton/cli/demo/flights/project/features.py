"""Sources and feature views of the flights: what upstream systems publish, and what is made of it."""

from pelton.sdk import Aggregate, FeatureView, Source

TEXT = {"type": "string", "minLength": 1}
TIME = {"type": "string", "format": "date-time"}
NUMBER = {"type": "number"}
MAYBE = {"type": ["number", "null"]}

departures = Source(
    name="departures",
    description="A flight left its gate in New York City.",
    json_schema={
        "type": "object",
        "required": ["flight_id", "departed_at", "origin", "dest", "carrier", "dep_delay"],
        "properties": {
            "flight_id": TEXT,
            "departed_at": TIME,
            "origin": TEXT,
            "dest": TEXT,
            "carrier": TEXT,
            "dep_delay": {"type": "number", "minimum": -120, "maximum": 3000},
            "sched_minute": NUMBER,
            "block": NUMBER,
            "distance": NUMBER,
            "temp": MAYBE,
            "wind_speed": MAYBE,
            "visib": MAYBE,
        },
    },
    event_time="departed_at",
    key="flight_id",
    lateness="1h",
)

landings = Source(
    name="landings",
    description="A flight landed; only now it is known how late it is.",
    json_schema={
        "type": "object",
        "required": ["flight_id", "landed_at", "origin", "dest", "carrier", "dep_delay", "arr_delay"],
        "properties": {
            "flight_id": TEXT,
            "landed_at": TIME,
            "origin": TEXT,
            "dest": TEXT,
            "carrier": TEXT,
            "dep_delay": NUMBER,
            "arr_delay": {"type": "number", "minimum": -3000, "maximum": 3000},
        },
    },
    event_time="landed_at",
    key="flight_id",
    lateness="1h",
)

origin_departures = FeatureView(
    name="origin_departures",
    description="How late an airport's gates are.",
    source="departures",
    entity="origin",
    aggregates=(Aggregate(name="delay", function="mean", value="dep_delay", windows=("3h",)),),
)


def landings_by(entity: str, windows: dict[str, tuple[str, ...]]) -> FeatureView:
    """How late the flights were that landed lately, by one of their entities; `windows` by aggregate."""
    values = {"late": "arr_delay > 15", "delay": "arr_delay", "gain": "arr_delay - dep_delay"}
    return FeatureView(
        name=f"{entity}_landings",
        source="landings",
        entity=entity,
        aggregates=tuple(
            Aggregate(name=name, function="mean", value=values[name], windows=spans) for name, spans in windows.items()
        ),
    )


origin_landings = landings_by("origin", {"late": ("3h",), "delay": ("3h",), "gain": ("3h",)})
carrier_landings = landings_by("carrier", {"late": ("1d",), "delay": ("1d", "7d"), "gain": ("1d",)})
dest_landings = landings_by("dest", {"late": ("1d",), "delay": ("1d",), "gain": ("1d", "7d")})
