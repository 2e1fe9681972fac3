"""The sections of a card that people write: kept from version to version, and marked where they stand."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, StringConstraints

from pelton.contracts.values import Name

PLACED: Final = ("intended-use", "limits", "ethics", "maintenance")
"""Those with a place among the written parts; others come at the end, as notes."""

_MARK: Final = re.compile(r"<!--\s*/?\s*pelton:", re.IGNORECASE)

SectionName = Name


def _without_marks(text: str) -> str:
    if _MARK.search(text):
        raise ValueError("it has a comment that begins with `pelton:`, as the card's own marks do: leave it out")
    return text


SectionText = Annotated[
    str,
    StringConstraints(strip_whitespace=True, max_length=20_000, pattern=r"^[^\x00]*$"),
    AfterValidator(_without_marks),
]
"""Markdown that a person wrote; an empty one takes the section out."""


def marked(name: str, text: str) -> str:
    """A section between its marks."""
    return f"<!-- pelton:human:{name} -->\n{text}\n<!-- /pelton:human:{name} -->"


def read_sections(card: str) -> dict[str, str]:
    """The sections that people wrote in a card, by name."""
    found = re.findall(r"<!-- pelton:human:([a-z0-9_-]+) -->\n(.*?)\n<!-- /pelton:human:\1 -->", card, re.DOTALL)
    return dict(found)
