"""A project folder for the tests."""

from pathlib import Path
from typing import Any

import yaml

MODEL: dict[str, Any] = {
    "name": "late",
    "source": "departures",
    "label": {"source": "landings", "value": "delay > 15", "delay": "1d"},
    "inputs": {"request": ["distance"], "features": ["by_carrier:delay_3h"]},
    "pipeline": {"entry": "pipeline:build"},
    "training": {"history": "60d", "holdout": "10d"},
    "triggers": {"first_after": "59d", "cooldown": "7d", "budget": 3, "budget_period": "60d"},
}
FEATURES = """
from pelton.sdk import Aggregate, Entity, FeatureService, FeatureView, Source, transformation

TEXT, NUMBER = {"type": "string"}, {"type": "number"}
FIELDS = {"flight": TEXT, "at": TEXT, "carrier": TEXT, "distance": NUMBER, "delay": NUMBER}
SCHEMA = {"type": "object", "required": ["flight", "at"], "properties": FIELDS}
departures = Source(name="departures", json_schema=SCHEMA, event_time="at", key="flight")
landings = Source(name="landings", json_schema=SCHEMA, event_time="at", key="flight")
delay = Aggregate(name="delay", function="mean", value="delay", windows=("3h",))
carrier = Entity(name="carrier", keys=("carrier",))
by_carrier = FeatureView(name="by_carrier", source="landings", entity="carrier", aggregates=(delay,))
usual = FeatureService(name="usual", features=("by_carrier:delay_3h", "surprise:excess"))


@transformation(inputs={"usual": "by_carrier:delay_3h"})
def surprise(delay, usual):
    return {"excess": delay - usual}
"""
PIPELINE = "import sklearn_that_is_not_here\n\ndef build():\n    return None\n"


def write(folder: Path, *, features: str = FEATURES, code: str = PIPELINE, **changes: object) -> Path:
    """A project in a folder, its model changed."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pelton.yaml").write_text(yaml.safe_dump(MODEL | changes))
    (folder / "features.py").write_text(features)
    (folder / "pipeline.py").write_text(code)
    return folder
