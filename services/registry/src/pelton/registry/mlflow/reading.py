"""Reads the request of a route from its JSON body or its query; what cannot be read is named in MLflow's words."""

import json
import re
from functools import cache
from typing import Annotated, Any, Final, TypeAlias, get_args, get_origin
from urllib.parse import parse_qsl

import msgspec

from pelton.registry.mlflow.wire import MlflowError, invalid

NUL_ESCAPE: Final = b"\\u0000"
PLACE: Final = re.compile(r" - at `\$(?P<path>.*)`$")
ABSENT: Final = re.compile(r"Object missing required field `(?P<field>[^`]*)`")
STEP: Final = re.compile(r"\.([^.\[]+)|\[([0-9]+)\]")
SHOWN: Final = 200

Required: TypeAlias = Annotated[str, msgspec.Meta(min_length=1)]
"""A text that MLflow requires: an empty one is none."""
Int64: TypeAlias = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
Time: TypeAlias = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""Milliseconds since 1970."""


def read(kind: type[msgspec.Struct], body: bytes, query: bytes) -> msgspec.Struct:
    """The request as `kind`: from the body, or from the query where there is none.

    Fields that MLflow requires are those without a default, and an empty text is as good as none. Numbers may be
    written as text, as Protocol Buffers do.

    Raises:
        MlflowError: INVALID_PARAMETER_VALUE, naming the parameter.
    """
    try:
        try:
            return _converted(kind, body, query)
        except msgspec.ValidationError as error:
            raise _fault(str(error), _document(kind, body, query)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise invalid(f"The request is not JSON, or not in UTF-8: {error}") from error


def _converted(kind: type[msgspec.Struct], body: bytes, query: bytes) -> msgspec.Struct:
    if not body:
        document = _document(kind, body, query)
        _refuse_nul(document)
        return msgspec.convert(document, kind, strict=False)
    request = msgspec.json.decode(body, type=kind, strict=False)
    if NUL_ESCAPE in body:
        _refuse_nul(_document(kind, body, query))
    return request


def _document(kind: type[msgspec.Struct], body: bytes, query: bytes) -> Any:  # noqa: ANN401 - any JSON
    return msgspec.json.decode(body) if body else parse_query(query, lists_of(kind))


def parse_query(query: bytes, lists: frozenset[str] = frozenset()) -> dict[str, Any]:
    """The parameters of a query; one that comes more than once, or that `lists` names, is a list."""
    found: dict[str, Any] = {}
    for name, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in lists:
            found.setdefault(name, []).append(value)
        elif name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found


@cache
def lists_of(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The fields of a request that are lists."""
    fields = msgspec.structs.fields(kind)
    return frozenset(
        one.encode_name for one in fields if any(get_origin(part) is list for part in (one.type, *get_args(one.type)))
    )


def missing_value(path: str) -> MlflowError:
    """The answer to a required parameter that is not there."""
    return invalid(f"Missing value for required parameter '{path}'.")


def invalid_value(path: str, value: object, reason: str) -> MlflowError:
    """The answer to a parameter that has a value it cannot have."""
    shown = json.dumps(value, sort_keys=True, separators=(",", ":"))
    if len(shown) > SHOWN:
        shown = f"{shown[:SHOWN]}…"
    return invalid(f"Invalid value {shown} for parameter '{path}' supplied: {reason}")


def _fault(message: str, document: Any) -> MlflowError:  # noqa: ANN401 - any JSON
    """What msgspec found wrong, by the place that it names in the document."""
    place = PLACE.search(message)
    path = place["path"] if place else ""
    reason = PLACE.sub("", message).replace("`", "")
    if absent := ABSENT.match(message):
        return missing_value(f"{path}.{absent['field']}".lstrip("."))
    value = document
    for name, number in STEP.findall(path):
        value = value[name] if name else value[int(number)]
    if not path:
        return invalid(f"The request is no JSON object: {reason}")
    if value is None or value == "":
        return missing_value(path.lstrip("."))
    return invalid_value(path.lstrip("."), value, f"{reason[:1].lower()}{reason[1:]}")


def _refuse_nul(document: object) -> None:
    """Refuse what no text of PostgreSQL can hold."""
    match document:
        case str() if "\0" in document:
            raise invalid(f"NUL characters cannot be stored; leave them out of {document[:SHOWN]!r}")
        case dict():
            for key, value in document.items():
                _refuse_nul(key)
                _refuse_nul(value)
        case list():
            for value in document:
                _refuse_nul(value)
