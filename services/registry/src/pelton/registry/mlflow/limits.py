"""What MLflow's clients may give as names and values, and how much at once.

Values of params and of runs' tags that are too long are no error: MLflow's own server cuts them, and so scripts rely on
it.
"""

import posixpath
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from pelton.registry.mlflow.reading import invalid_value
from pelton.registry.mlflow.wire import invalid

MOST_METRICS: Final = 1000
MOST_PARAMS: Final = 100
MOST_TAGS: Final = 100
MOST_ENTITIES: Final = 1000
MOST_RESULTS: Final = 50_000

KEY_LENGTH: Final = 250
PARAM_LENGTH: Final = 6000
TAG_LENGTH: Final = 8000
EXPERIMENT_NAME_LENGTH: Final = 500
EXPERIMENT_TAG_LENGTH: Final = 20_000
LOCATION_LENGTH: Final = 2048

NAME: Final = re.compile(r"[/\w.\- :]*")
RUN_ID: Final = re.compile(r"[a-zA-Z0-9][\w\-]{0,255}", re.ASCII)


def check_key(key: str, path: str) -> None:
    """Refuse what cannot be the name of a metric, a param or a tag; `path` is the parameter that holds it.

    Raises:
        MlflowError: it has other characters than MLflow allows, is a path that leads elsewhere, or is too long.
    """
    if reason := _fault_of(key):
        raise invalid_value(path, key, reason)
    check_length(key, KEY_LENGTH, path)


@lru_cache(maxsize=4096)
def _fault_of(key: str) -> str:
    if not NAME.fullmatch(key):
        return (
            "Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) "
            "and slashes (/)."
        )
    plain = posixpath.normpath(key)
    if plain != key or plain == "." or plain.startswith(("..", "/")):
        return (
            "Names may be treated as files in certain cases, and must not resolve to other names when treated as such. "
            f"This name would resolve to {plain!r}"
        )
    return ""


def check_length(value: str, most: int, path: str) -> None:
    """Refuse a text of more than so many characters.

    Raises:
        MlflowError: naming the parameter `path`.
    """
    if len(value) > most:
        raise invalid(f"'{path}' exceeds the maximum length of {most} characters: it has {len(value)}")


def check_batch(metrics: int, params: int, tags: int) -> None:
    """Refuse more at once than MLflow allows.

    Raises:
        MlflowError: saying of what there is too much.
    """
    for name, most, count in (
        ("metrics", MOST_METRICS, metrics),
        ("params", MOST_PARAMS, params),
        ("tags", MOST_TAGS, tags),
        ("metrics, params, and tags", MOST_ENTITIES, metrics + params + tags),
    ):
        if count > most:
            raise invalid(
                f"A batch logging request can contain at most {most} {name}. Got {count} {name}. "
                f"Please split up {name} across multiple requests and try again."
            )


def check_unique(keys: Sequence[str]) -> None:
    """Refuse a param that comes twice in one request.

    Raises:
        MlflowError: listing such params.
    """
    twice = sorted({key for key in keys if keys.count(key) > 1}) if len(set(keys)) < len(keys) else []
    if twice:
        raise invalid(f"Duplicate parameter keys have been submitted: {twice}. Send one value for each key.")


def check_max_results(value: int, most: int = MOST_RESULTS) -> int:
    """A page's size.

    Raises:
        MlflowError: it is not between 1 and `most`.
    """
    if not 0 < value <= most:
        raise invalid_value("max_results", value, f"it must be a positive integer of at most {most}")
    return value


def check_run_id(run_id: str) -> str:
    """What may be a run's identifier.

    Raises:
        MlflowError: it may not.
    """
    if not RUN_ID.fullmatch(run_id):
        raise invalid_value("run_id", run_id, "a run's id is up to 256 letters, digits, underscores and dashes")
    return run_id


def parse_experiment_id(written: str) -> int:
    """The number that an experiment's identifier is.

    Raises:
        MlflowError: it is no whole number of 64 bits.
    """
    if re.fullmatch(r"[0-9]{1,18}", written):
        return int(written)
    raise invalid(f"Invalid experiment ID '{written}'. Experiment ID must be a valid integer.")
