"""Writes runs to the database of MLflow's server, run by the peer's Python: its own interface would take long.

`python _mlflow_seed.py <database> <experiment>`, and the runs on stdin, a line of JSON each.
"""

import json
import sys
from collections import defaultdict
from typing import Any

import sqlalchemy
from mlflow.store.tracking.dbmodels.models import SqlLatestMetric, SqlMetric, SqlParam, SqlRun, SqlTag
from mlflow.utils.time import get_current_time_millis

AT_ONCE = 5000


def main(database: str, experiment: str) -> None:
    """All in one transaction."""
    now = get_current_time_millis()
    rows: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for number, line in enumerate(sys.stdin):
        run = json.loads(line)
        own = {"run_uuid": run["id"]}
        rows[SqlRun].append(
            own
            | {
                "name": run["name"],
                "source_type": "UNKNOWN",
                "user_id": "bench",
                "status": "RUNNING",
                "start_time": now + number,
                "lifecycle_stage": "active",
                "artifact_uri": f"mlflow-artifacts:/{experiment}/{run['id']}/artifacts",
                "experiment_id": int(experiment),
            }
        )
        for key, value in run["metrics"].items():
            point = own | {"key": key, "value": value, "timestamp": now, "step": 0, "is_nan": False}
            rows[SqlMetric].append(point)
            rows[SqlLatestMetric].append(point)
        rows[SqlParam] += [own | {"key": key, "value": value} for key, value in run["params"].items()]
        tags = run["tags"] | {"mlflow.runName": run["name"]}
        rows[SqlTag] += [own | {"key": key, "value": value} for key, value in tags.items()]
    with sqlalchemy.create_engine(database).begin() as connection:
        for table, many in rows.items():
            for begin in range(0, len(many), AT_ONCE):
                connection.execute(sqlalchemy.insert(table), many[begin : begin + AT_ONCE])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
