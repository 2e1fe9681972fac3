"""The guide's table of routes, made from MLflow's own routes and from Pelton's, so that it cannot lie."""

import json
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from pelton.registry.mlflow.endpoints import ENDPOINTS
from pelton.testkit.peers import Peer

GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "mlflow.md"
HEAD = ("| group | MLflow | Pelton | not implemented |", "|---|---|---|---|")
# Where MLflow itself forgot a slash, and answers its web interface with it.
MISSPELT = re.compile(r"^([23]\.0)mlflow/")
# Where a client is told to put the parts of a file: with MLflow's server that is another one's address.
OF_OUR_OWN = {("PUT", "2.0/mlflow-artifacts/mpu/parts/{}/{}")}
PARAMETER = re.compile(r"<[^>]*>|{[^}]*}")

Route = tuple[str, str]


def route(method: str, path: str) -> Route:
    """A route by whatever names its parameters have."""
    return method, PARAMETER.sub("{}", MISSPELT.sub(r"\1/mlflow/", path))


def group(path: str) -> str:
    """What a route is about."""
    _, area, *rest = path.split("/")
    return rest[0] if area == "mlflow" and rest else area


def table(theirs: Iterable[Route], ours: Iterable[Route]) -> list[str]:
    """A row for each group."""
    answered = set(ours)
    groups = defaultdict(list)
    for one in sorted(set(theirs), key=lambda one: (one[1], one[0])):
        groups[group(one[1])].append(one)
    rows = [*HEAD]
    for name, routes in sorted(groups.items(), key=lambda item: (not answered.intersection(item[1]), item[0])):
        missing = [f"`{method} {path}`" for method, path in routes if (method, path) not in answered]
        told = "all" if len(missing) == len(routes) else ", ".join(missing)
        rows.append(f"| `{name}` | {len(routes)} | {len(routes) - len(missing)} | {told} |".replace("|  |", "| |"))
    return rows


@pytest.fixture(scope="module")
def theirs(peer: Peer) -> list[Route]:
    script = Path(__file__).with_name("mlflow_routes.py")
    told = subprocess.run([peer.python, script], env=peer.env, capture_output=True, check=True, timeout=120)
    return [route(method, path) for method, path in json.loads(told.stdout)]


OURS = [route(endpoint.method, endpoint.path) for endpoint in ENDPOINTS]


@pytest.mark.peer
@pytest.mark.timeout(300)
def test_the_guide_says_which_routes_are_answered(theirs: list[Route]) -> None:
    lines = GUIDE.read_text().splitlines()
    begin = lines.index(HEAD[0])
    written = [line for line in lines[begin:] if line.startswith("|")]
    assert "\n".join(written) == "\n".join(table(theirs, OURS))


@pytest.mark.peer
@pytest.mark.timeout(300)
def test_pelton_answers_no_route_that_mlflow_does_not_have(theirs: list[Route]) -> None:
    assert set(OURS) - set(theirs) == OF_OUR_OWN
