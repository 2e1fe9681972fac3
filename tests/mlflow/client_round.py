"""What a team does with the plain `mlflow` client, run by the peer's Python: `client_round.py <file for the answers>`.

It knows only `MLFLOW_TRACKING_URI` and `MLFLOW_TRACKING_TOKEN`, and so runs unchanged against MLflow's own server: what
that answers is what Pelton should answer. Identifiers stand in the answers under the name that the round gave them.
"""

import json
import sys
import traceback
from pathlib import Path

import round_registry
import round_tracking
from round_world import World

STEPS = (*round_tracking.STEPS, *round_registry.STEPS)


def main() -> None:
    """Every step, in order; one that raises is told as a failure, and the next is tried."""
    world = World()
    answers = {}
    for step in STEPS:
        try:
            answers[step.__name__] = step(world)
        except Exception as error:  # noqa: BLE001 - whatever it is, the test says it
            traceback.print_exc()
            answers[step.__name__] = {"raised": f"{type(error).__name__}: {error}"}
    Path(sys.argv[1]).write_text(world.named(json.dumps(answers, sort_keys=True)))


if __name__ == "__main__":
    main()
