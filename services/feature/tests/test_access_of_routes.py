"""The guide's tables of paths, held to the routes that the running service has."""

import re
from pathlib import Path

from feature_process import Feature

from pelton.feature.feast.front import PATH as FRONT

GUIDE = Path(__file__).parents[3] / "docs" / "guides" / "feature-access.md"
ROUTE = re.compile(r"^\| `(?P<route>(?:GET|POST|PUT|DELETE) [^`]+)` \| .+ \|$", re.MULTILINE)


async def test_every_route_is_in_the_guide_with_what_is_checked_or_why_nothing_is(feature: Feature) -> None:
    paths = (await feature.client.get("/openapi.json")).json()["paths"]
    routes = {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    listed = [row["route"] for row in ROUTE.finditer(GUIDE.read_text().partition("## Every path")[2])]
    assert len(listed) == len(set(listed))
    assert set(listed) == routes | {f"POST {FRONT}"}
