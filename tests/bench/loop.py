"""From drift in the data to the new champion serving: wall time by its parts, on the flights demo.

There is no peer that does this by itself; the row says what the loop costs. What the rollout takes is bound to event
time: so many labelled flights must have landed, and the stream brings them as fast as the platform takes them in.
"""

import json
import tempfile
from datetime import datetime
from pathlib import Path

from _platform import Platform
from _results import Row, save, spread

UNTIL = "2013-10-01"
TRIGGERS = ("data_drift_detected", "performance_degraded", "source_advanced")
PARTS = (
    ("drift to request", "data_drift_detected", "training_requested"),
    ("request to dataset", "training_requested", "dataset_materialized"),
    ("dataset to challenger", "dataset_materialized", "training_completed"),
    ("challenger to staging", "training_completed", "model_stage_changed"),
    ("shadow and canary", "model_stage_changed", "rollout_succeeded"),
    ("verdict to serving", "rollout_succeeded", "model_deployed"),
    ("drift to new champion", "data_drift_detected", "model_deployed"),
)


def main() -> None:
    """Run the demo, read the facts back, and write the result."""
    with tempfile.TemporaryDirectory(prefix="pelton-bench-loop-") as folder:
        platform = Platform(Path(folder))
        at_demo = platform.at(Path(folder) / "demo")
        platform.pelton("demo", "flights", "--json", "--keep", "--until", UNTIL, check=False)
        try:
            told = at_demo.pelton("events", "tail")
        finally:
            at_demo.down()
    stories = _stories([json.loads(line) for line in told.splitlines()])
    rows = []
    for name, first, last in PARTS:
        spans = [story[last] - story[first] for story in stories if first in story and last in story]
        if spans:
            rows.append(Row(name, "none", "s", spread(spans)))
    print(f"{len(stories)} rounds from a drift to a new champion")
    save("loop", rows, {})


def _stories(facts: list[dict[str, object]]) -> list[dict[str, float]]:
    """For each drift that led to a champion: when each of its facts was recorded, in seconds.

    A fact belongs to the story of the fact that it followed from.
    """
    by_id = {fact["ce_id"]: fact for fact in facts}
    stories = []
    for fact in facts:
        if not str(fact["ce_type"]).endswith("model_deployed.v1"):
            continue
        story: dict[str, float] = {}
        at: dict[str, object] | None = fact
        while at is not None:
            kind = str(at["ce_type"]).split(".")[2]
            story.setdefault(kind, datetime.fromisoformat(str(at["ce_time"])).timestamp())
            # What led to that trigger belongs to the champion before.
            at = None if kind in TRIGGERS else by_id.get(at.get("ce_causationid"))
        if "data_drift_detected" in story:
            stories.append(story)
    return stories


if __name__ == "__main__":
    main()
