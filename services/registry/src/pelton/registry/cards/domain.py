"""What is decided about the cards of a model. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import ClassVar, Self

from pelton.contracts.fact import Fact
from pelton.contracts.registry import ModelCardPublished, ModelCardSectionWritten
from pelton.contracts.values import Digest


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards of a model: the sections that people wrote, and the card that each version has now."""

    key: str
    sections: Mapping[str, str] = field(default_factory=dict)
    published: Mapping[int, Digest] = field(default_factory=dict)

    category: ClassVar[str] = "cards"

    @classmethod
    def initial(cls, key: str) -> Self:
        """A model without a card."""
        return cls(key)

    def evolve(self, fact: Fact) -> Self:
        """The cards after one more of their facts."""
        match fact:
            case ModelCardSectionWritten():
                others = {name: text for name, text in self.sections.items() if name != fact.section}
                return replace(self, sections=others | ({fact.section: fact.text} if fact.text else {}))
            case ModelCardPublished():
                return replace(self, published={**self.published, fact.version: fact.card})
            case _:
                return self


def write_section(cards: Cards, model: str, section: str, text: str, by: str) -> Sequence[Fact]:
    """A section as somebody wants it; one that says so already is no fact, and an empty text takes it out."""
    if cards.sections.get(section, "") == text:
        return []
    return [ModelCardSectionWritten(model=model, section=section, text=text, by=by)]


def publish(cards: Cards, model: str, version: int, card: Digest) -> Sequence[Fact]:
    """A version's card; the one that it has already is no fact."""
    if cards.published.get(version) == card:
        return []
    return [ModelCardPublished(model=model, version=version, card=card)]
