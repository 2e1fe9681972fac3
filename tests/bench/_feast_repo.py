"""A project of Feast's with one view of ten numbers, run in Feast's own environment where its feature_store.yaml is."""

import sys
from datetime import timedelta

from feast.types import Float64, Int64

from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource, ValueType

entity = Entity(name="entity", join_keys=["entity_id"], value_type=ValueType.INT64)
rows = FileSource(name="rows", path="rows.parquet", timestamp_field="event_timestamp")
pushed = PushSource(name="pushed", batch_source=rows)
view = FeatureView(
    name="numbers",
    entities=[entity],
    ttl=timedelta(days=1),
    source=pushed,
    schema=[
        Field(name="entity_id", dtype=Int64),
        *(Field(name=f"f{place}", dtype=Float64) for place in range(int(sys.argv[1]))),
    ],
)

if __name__ == "__main__":
    FeatureStore(".").apply([entity, rows, pushed, view])
