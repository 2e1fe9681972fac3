"""Model cards: what people wrote in them, and what was published."""

from pelton.contracts.fact import Fact
from pelton.contracts.values import Digest, Name


class ModelCardSectionWritten(Fact, owner="registry"):
    """Somebody wrote a section of a model's cards, as Markdown; with an empty text it is gone."""

    model: str
    section: Name
    text: str
    by: str


class ModelCardPublished(Fact, owner="registry"):
    """A version has this card from here on; the card is in the object store, by its digest."""

    model: str
    version: int
    card: Digest
