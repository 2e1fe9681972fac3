"""Tokens of pages of searches: how far the last page went, and of which search it was."""

import base64
import binascii
import hashlib
import json
from collections.abc import Sequence

from pelton.registry.mlflow.wire import invalid


def next_token(offset: int, *asked: object) -> str:
    """What the next page of a search begins with; `asked` is all that says what is searched for, as JSON can say it."""
    return base64.urlsafe_b64encode(json.dumps([offset, _digest(asked)]).encode()).decode()


def offset_of(token: str | None, *asked: object) -> int:
    """How many results the pages before a token had; none without one.

    Raises:
        MlflowError: it is no token, or one of another search.
    """
    if not token:
        return 0
    try:
        offset, digest = json.loads(base64.urlsafe_b64decode(token))
    except (binascii.Error, ValueError, TypeError) as error:
        raise invalid("Invalid page token: pass `next_page_token` of the page before, or leave it out") from error
    if digest != _digest(asked) or not isinstance(offset, int) or not 0 < offset < 2**63:
        raise invalid("Invalid page token: it is of another search; ask each page as the first was asked")
    return offset


def _digest(asked: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps(asked).encode()).hexdigest()[:16]
