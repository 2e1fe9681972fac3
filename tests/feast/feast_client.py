"""What a user of Feast does with its client, run in Feast's environment: `python feast_client.py answers.json`.

The folder that it is run in has a feature_store.yaml whose online store is remote.
"""

import json
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd

from feast import FeatureStore

NOW = datetime.now(timezone.utc).replace(microsecond=0)  # noqa: UP017 - Feast's Python may be older
store = FeatureStore(".")


def written() -> str:
    """Write rows of a view through the client, and of the client's push source, and wait until they are read."""
    rows = {"rate": [0.75, 0.25], "trips": [7, None], "city": ["Ulm", None], "active": [True, None]}
    times = {"event_timestamp": [NOW - timedelta(minutes=1)] * 2, "created": [NOW] * 2}
    store.write_to_online_store("driver_stats", pd.DataFrame({"driver_id": [11, 12], **rows, **times}))
    store.push("driver_push", pd.DataFrame({"driver_id": [13, 14], **rows, **times}))
    visits = {"driver_id": [11], "shop_id": ["a"], "score": [2.5], "visits": [4], "event_timestamp": [NOW]}
    store.write_to_online_store("driver_visits", pd.DataFrame(visits))
    until = time.monotonic() + 60
    while None in (found := all_written()) and time.monotonic() < until:
        time.sleep(0.1)
    return "still missing" if None in found else "done"


def all_written() -> list[Any]:
    """A value of each row that was written."""
    rows = [{"driver_id": number, "shop_id": "a"} for number in (11, 12, 13, 14)]
    found = store.get_online_features(features=["driver_stats:rate", "driver_visits:visits"], entity_rows=rows)
    return [*found.to_dict()["rate"], found.to_dict()["visits"][0]]


def read(features: list[str], rows: list[dict[str, Any]], **options: bool) -> Callable[[], Any]:
    """Read features, as a dictionary."""
    return lambda: store.get_online_features(features=features, entity_rows=rows, **options).to_dict()


def service() -> dict[str, Any]:
    """Read a feature service."""
    features = store.get_feature_service("ranking")
    return store.get_online_features(features=features, entity_rows=[{"driver_id": 11, "shop_id": "a"}]).to_dict()


def as_frame() -> dict[str, Any]:
    """Read several entities as a frame."""
    found = store.get_online_features(
        features=["driver_stats:trips"], entity_rows=[{"driver_id": 11}, {"driver_id": 14}]
    )
    return found.to_df().to_dict(orient="list")


STEPS: dict[str, Callable[[], Any]] = {
    "write": written,
    "one": read(["driver_stats:rate", "driver_stats:trips", "driver_stats:city"], [{"driver_id": 11}]),
    "pushed": read(["driver_stats:rate", "driver_stats:active"], [{"driver_id": 13}]),
    "missing": read(["driver_stats:rate"], [{"driver_id": 404}]),
    "two keys": read(["driver_visits:visits", "driver_visits:score"], [{"driver_id": 11, "shop_id": "a"}]),
    "full names": read(["driver_stats:rate"], [{"driver_id": 11}], full_feature_names=True),
    "service": service,
    "frame": as_frame,
    "unknown view": read(["none:rate"], [{"driver_id": 11}]),
    "unknown feature": read(["driver_stats:none"], [{"driver_id": 11}]),
}

answers: dict[str, Any] = {}
for step, ask in STEPS.items():
    try:
        answers[step] = ask()
    except Exception as error:  # noqa: BLE001 - what is raised is the answer
        answers[step] = {"raised": type(error).__name__, "said": str(error)}
Path(sys.argv[1]).write_text(json.dumps(answers))
