"""A project of Feast's, run in Feast's own environment: `python feast_shop.py` registers it where it is run.

What is registered here is what a user of Feast has: an entity with one key and a view of two, a push source, a time to
live, a feature service, an on-demand view, and things that Pelton has nothing for.
"""

from datetime import timedelta
from typing import Any

import pandas as pd
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Array, Bool, Float32, Float64, Int64, String

from feast import (
    Entity,
    FeatureService,
    FeatureStore,
    FeatureView,
    Field,
    FileSource,
    PushSource,
    RequestSource,
    ValueType,
)

driver = Entity(
    name="driver",
    join_keys=["driver_id"],
    value_type=ValueType.INT64,
    description="Who drives.",
    tags={"team": "operations"},
)
shop = Entity(name="shop", join_keys=["shop_id"], value_type=ValueType.STRING)

driver_rows = FileSource(
    name="driver_rows",
    path="driver_rows.parquet",
    timestamp_field="event_timestamp",
    created_timestamp_column="created",
)
driver_push = PushSource(name="driver_push", batch_source=driver_rows)
driver_stats = FeatureView(
    name="driver_stats",
    entities=[driver],
    ttl=timedelta(days=1),
    source=driver_push,
    description="What a driver did lately.",
    owner="ann",
    tags={"tier": "gold"},
    schema=[
        Field(name="driver_id", dtype=Int64),
        Field(name="rate", dtype=Float64),
        Field(name="trips", dtype=Int64),
        Field(name="city", dtype=String),
        Field(name="active", dtype=Bool),
    ],
)

visit_rows = FileSource(name="visit_rows", path="visit_rows.parquet", timestamp_field="event_timestamp")
visit_push = PushSource(name="visit_push", batch_source=visit_rows)
driver_visits = FeatureView(
    name="driver_visits",
    entities=[driver, shop],
    ttl=timedelta(0),
    source=visit_push,
    schema=[
        Field(name="driver_id", dtype=Int64),
        Field(name="shop_id", dtype=String),
        Field(name="score", dtype=Float32),
        Field(name="visits", dtype=Int64),
    ],
)

request = RequestSource(name="request", schema=[Field(name="factor", dtype=Float64)])


@on_demand_feature_view(sources=[driver_stats, request], schema=[Field(name="scaled_rate", dtype=Float64)])
def scaled(inputs: pd.DataFrame) -> pd.DataFrame:
    """A rate times what the request says."""
    return pd.DataFrame({"scaled_rate": inputs["rate"] * inputs["factor"]})


ranking = FeatureService(
    name="ranking", features=[driver_stats[["rate", "city"]], driver_visits], owner="bob", description="What ranks."
)

# What Pelton has nothing for.
described = FeatureView(
    name="described",
    entities=[driver],
    ttl=timedelta(hours=36),
    source=FileSource(
        name="described_rows", path="described.parquet", timestamp_field="at", field_mapping={"txt": "note"}
    ),
    schema=[Field(name="vector", dtype=Array(Float32)), Field(name="note", dtype=String)],
)
overall = FeatureView(
    name="overall",
    entities=[],
    ttl=timedelta(hours=1),
    source=FileSource(name="overall_rows", path="overall.parquet", timestamp_field="at"),
    schema=[Field(name="all_trips", dtype=Int64)],
)
ranking_scaled = FeatureService(name="ranking_scaled", features=[driver_stats[["trips"]], scaled])
aliased = FeatureService(name="aliased", features=[driver_stats.with_name("other")])

EVERYTHING: list[Any] = [
    driver,
    shop,
    driver_rows,
    driver_push,
    driver_stats,
    visit_rows,
    visit_push,
    driver_visits,
    scaled,
    ranking,
    described,
    overall,
    ranking_scaled,
    aliased,
]

if __name__ == "__main__":
    FeatureStore(".").apply(EVERYTHING)
    # What Feast loads from when it is told to materialize.
    row = {"driver_id": [500], "shop_id": ["z"], "score": [0.0], "visits": [0]}
    pd.DataFrame(row | {"event_timestamp": [pd.Timestamp.now(tz="UTC")]}).to_parquet("visit_rows.parquet")
