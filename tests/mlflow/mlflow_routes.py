"""Prints the routes of MLflow's server as JSON, run by the peer's Python: method, and path below `/api/`."""

import json
import sys

from mlflow.server import app

PREFIXES = ("/api/", "/ajax-api/")
# What an HTTP server adds by itself.
ADDED = {"HEAD", "OPTIONS"}

routes = {
    (method, rule.rule.removeprefix(prefix))
    for rule in app.url_map.iter_rules()
    for prefix in PREFIXES
    if rule.rule.startswith(prefix)
    for method in (rule.methods or set()) - ADDED
}
sys.stdout.write(json.dumps(sorted(routes)))
