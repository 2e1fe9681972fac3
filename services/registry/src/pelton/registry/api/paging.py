"""Opaque tokens of pages: where the next page begins, in the words of the list's own order."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import TypeVar

from pydantic import TypeAdapter, ValidationError

from pelton.eventkit.problems import FieldError, ProblemError

Key = TypeVar("Key")
Row = TypeVar("Row")


def encode_page(key: TypeAdapter[Key], value: Key) -> str:
    """The token of the page after an item with this key."""
    return base64.urlsafe_b64encode(key.dump_json(value)).decode()


def decode_page(key: TypeAdapter[Key], token: str | None, first: Key) -> Key:
    """The key after which a page begins; `first` where there is no token.

    Raises:
        ProblemError: 422, the token is not one of this list.
    """
    if token is None:
        return first
    try:
        return key.validate_python(json.loads(base64.urlsafe_b64decode(token)), strict=False)
    except (binascii.Error, ValueError, ValidationError) as error:
        fault = FieldError("page", "not a token of this list", "pass `next_page` of the page before, or leave it out")
        raise ProblemError(422, "invalid-page", "This is no page", "see `errors`", [fault]) from error


def cut(found: Sequence[Row], limit: int) -> tuple[Sequence[Row], bool]:
    """A page out of one row more than it holds, and whether more follow."""
    return found[:limit], len(found) > limit
