"""Sources of versions: what a client may name as the place of a model, and where that place is."""

import posixpath
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, unquote_plus, urlsplit

import asyncpg

from pelton.contracts.registry import LoggedRun
from pelton.registry.catalogue import listing, origins
from pelton.registry.mlflow.stages import stage_of
from pelton.registry.mlflow.wire import MlflowError, invalid

PROMPT_SOURCES: Final = frozenset({"dummy-source", "prompt-template"})
"""What clients name as the source of a prompt, which has no files."""
NUMBER: Final = range(1, 2**31)


@dataclass(frozen=True, slots=True)
class Origin:
    """A source with what it was found to be: `location` is where the files lie, where that is another."""

    source: str
    location: str = ""
    run: LoggedRun | None = None
    model_id: str | None = None


async def trace(pool: asyncpg.Pool, source: str, run_id: str | None, model_id: str | None) -> Origin:
    """Where a source lies, and the run and the logged model that made it, as far as the client or the source says.

    Raises:
        MlflowError: no version may have this source.
    """
    if urlsplit(source).scheme == "models":
        found = await _of_model(pool, source)
    elif urlsplit(source).scheme == "runs":
        found = await _in_run(pool, source)
    else:
        found = _Found(source, source)
    model_id = model_id or found.model_id
    logged = await origins.logged_model(pool, model_id) if model_id else None
    run_id = run_id or found.run_id or (logged.source_run_id if logged else None)
    run = found.run
    if run_id and (run is None or run.logged.run_id != run_id):
        run = await origins.run(pool, run_id)
    if is_local(source):
        _check_local(source, *(one.artifact_uri for one in (run, logged) if one is not None))
    else:
        _check_absolute(source)
    made_by = run.logged if run else LoggedRun(run_id=run_id) if run_id else None
    location = _plain(found.location)
    return Origin(found.source, "" if location == found.source else location, made_by, model_id)


def is_local(source: str) -> bool:
    """Whether a source is a path on the client's machine."""
    scheme = urlsplit(source).scheme
    return scheme in {"", "file"} or len(scheme) == 1  # the letter of a drive


def _check_local(source: str, *roots: str) -> None:
    path = _local_path(source)
    for folder in (_local_path(root) for root in roots if is_local(root)):
        if path == folder or path.startswith(f"{folder}/"):
            return
    raise invalid(
        f"Invalid model version source: '{source}'. To use a local path as a model version source, the run_id request "
        "parameter has to be specified and the local path has to be contained within the artifact directory of the run "
        "specified by the run_id."
    )


def _local_path(uri: str) -> str:
    parts = urlsplit(uri)
    path = unquote(parts.path) if parts.scheme == "file" else uri
    return posixpath.normpath(f"//{parts.netloc}{path}" if parts.netloc else path)


def _check_absolute(source: str) -> None:
    decoded = source
    while (further := unquote_plus(decoded)) != decoded:
        decoded = further
    if "\0" in decoded or any(part in {".", ".."} for part in re.split(r"[/\\]", decoded)):
        raise invalid(
            f"Invalid model version source: '{source}'. If supplying a source as an http, https, local file path, ftp, "
            "objectstore, or mlflow-artifacts uri, an absolute path must be provided without relative path references "
            "present. Please provide an absolute path."
        )
    parts = urlsplit(source)
    if parts.scheme == "mlflow-artifacts" and (parts.fragment or parts.query):
        raise invalid(f"Invalid model version source: '{source}'. An artifact's URI has no query and no fragment.")


@dataclass(frozen=True, slots=True)
class _Found:
    """What a source names: `source` names the same for good, and `location` is where it lies."""

    source: str
    location: str
    run_id: str | None = None
    model_id: str | None = None
    run: origins.Run | None = None


async def _of_model(pool: asyncpg.Pool, uri: str) -> _Found:
    parts = urlsplit(uri)
    words = parts.path.lstrip("/").split("/")
    if parts.netloc or not all(words) or len(words) > 2:  # noqa: PLR2004 - a name, and a version or stage
        raise _invalid_source(
            uri, "use models:/<name>/<version or stage>, models:/<name>@<alias> or models:/<model id>"
        )
    if len(words) == 1 and "@" not in words[0]:
        logged = await origins.logged_model(pool, words[0])
        if logged is None:
            raise _invalid_source(uri, "there is no such logged model")
        return _Found(uri, logged.artifact_uri, logged.source_run_id, words[0])
    name, _, alias = words[0].rpartition("@") if len(words) == 1 else (words[0], "", "")
    number = await listing.number_of_alias(pool, name, alias) if alias else await _numbered(pool, name, words[-1])
    place = None if number is None else await listing.place_of(pool, name, number)
    if place is None:
        raise _invalid_source(uri, "there is no such version of a registered model")
    if place.is_prompt:
        raise _invalid_source(uri, "prompt versions cannot be used as model version sources")
    return _Found(f"models:/{name}/{number}", place.location, place.run_id, place.logged_model_id)


async def _numbered(pool: asyncpg.Pool, name: str, word: str) -> int | None:
    if word.isascii() and word.isdecimal():
        number = int(word) if len(word) < 11 else 0  # noqa: PLR2004 - the digits of 32 bits
        return number if number in NUMBER else None
    return await listing.newest(pool, name, None if word.lower() == "latest" else stage_of(word))


async def _in_run(pool: asyncpg.Pool, source: str) -> _Found:
    """A `runs:` source, in a run that need not be known here: clients find that one by the source itself."""
    parts = urlsplit(source)
    run_id, _, path = parts.path.lstrip("/").partition("/")
    if parts.netloc or not run_id or not path:
        raise _invalid_source(source, "use runs:/<run id>/<path>")
    run = await origins.run(pool, run_id)
    return _Found(source, source if run is None else f"{run.artifact_uri}/{path}", run_id, run=run)


def _plain(location: str) -> str:
    """A location without the slashes that mean nothing."""
    scheme, colon, path = location.partition(":")
    start = "//" if path.startswith("//") and not path.startswith("///") else ""
    return f"{scheme}{colon}{start}{re.sub('/{2,}', '/', path[len(start) :]).rstrip('/')}"


def _invalid_source(source: str, reason: str) -> MlflowError:
    return invalid(f"Invalid model version source: '{source}': {reason}")
