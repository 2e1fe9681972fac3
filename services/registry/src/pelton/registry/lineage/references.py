"""How people name a node: `flight-delay@3`, `run:<id>`, `dataset:sha256:…`, or a digest alone."""

import re
from typing import Final

from pelton.registry.lineage.graph import Key, Kind

_VERSION: Final = re.compile(r"(?P<model>.+)@(?P<number>[1-9][0-9]{0,9})", re.DOTALL)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


class InvalidReferenceError(ValueError):
    """A text that names nothing; the message says what would."""


def read_reference(text: str) -> Key | str:
    """The node that a text names; a digest without its kind comes back as it is.

    Raises:
        InvalidReferenceError: it has none of these forms.
    """
    if _DIGEST.fullmatch(text):
        return text
    kind, colon, id_ = text.partition(":")
    if colon and id_ and kind in set(Kind):
        return Key(Kind(kind), id_)
    version = _VERSION.fullmatch(text)
    if version is not None:
        return Key.version(version["model"], int(version["number"]))
    raise InvalidReferenceError(
        f"{text[:200]!r} names nothing: write model@version, run:<id>, sha256:<digest>, or <kind>:<id> with one of "
        f"the kinds {', '.join(Kind)}"
    )
