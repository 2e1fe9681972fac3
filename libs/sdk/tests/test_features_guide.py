"""The guide to features does what it says: its examples run, in their order."""

import re
from pathlib import Path
from typing import Any

import pytest

from pelton.contracts.definitions.features import Function
from pelton.sdk import functions
from pelton.tiles.functions import FUNCTIONS

GUIDE = (Path(__file__).parents[3] / "docs" / "guides" / "features.md").read_text()


def test_its_examples_run() -> None:
    scope: dict[str, Any] = {}
    blocks = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, scope)  # noqa: S102 - the guide's own examples
    assert scope["surprise"].definition.request == ("amount", "requested_ms")


@pytest.mark.parametrize("name", [*Function.__args__, *FUNCTIONS])  # type: ignore[attr-defined]
def test_it_names_every_function(name: str) -> None:
    assert f"`{name}`" in GUIDE
    assert name == "abs" or name in Function.__args__ or hasattr(functions, name)  # type: ignore[attr-defined]
