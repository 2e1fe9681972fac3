"""The jars of the Kafka broker: pinned coordinates, checked bytes, one cache for all instances."""

import contextlib
import fcntl
import hashlib
import http.client
import os
import shutil
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pelton.local import maven
from pelton.local.errors import ChecksumError, DownloadError, LocalError

LOCK = Path(__file__).with_name("kafka.jars.lock")
_PARALLEL = 8
_TIMEOUT_SECONDS = 60
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Jar:
    """One pinned artifact; `sha256` is the hexadecimal digest of its bytes."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def path(self) -> str:
        """Its place in any Maven repository."""
        return f"{self.group.replace('.', '/')}/{self.artifact}/{self.version}/{self.artifact}-{self.version}.jar"


def cache_folder() -> Path:
    """What this machine's instances share: `PELTON_CACHE`, or `~/.cache/pelton`.

    Raises:
        LocalError: this user has no home folder.
    """
    try:
        return Path(os.environ.get("PELTON_CACHE") or "~/.cache/pelton").expanduser().absolute()
    except RuntimeError as error:
        raise LocalError(
            "This user has no home folder to keep Kafka's jars in. Set PELTON_CACHE to a folder."
        ) from error


def read_lock(lock: Path = LOCK) -> tuple[Jar, ...]:
    """The jars that a lock file pins, in the order of the class path.

    Raises:
        LocalError: a line is not `group:artifact:version sha256`.
    """
    jars: list[Jar] = []
    for number, line in enumerate(lock.read_text().splitlines(), start=1):
        if not line or line.startswith("#"):
            continue
        try:
            coordinates, sha256 = line.split()
            group, artifact, version = coordinates.split(":")
        except ValueError as error:
            raise LocalError(f"{lock} line {number} is not `group:artifact:version sha256`: {line!r}") from error
        jars.append(Jar(group, artifact, version, sha256))
    return tuple(jars)


def resolve(jars: Sequence[Jar], cache: Path) -> tuple[Path, ...]:
    """Where the jars are on this machine, after fetching those that the cache lacks.

    A jar enters the cache only with the pinned checksum, whole, and under its final name at once.

    Raises:
        DownloadError: a jar cannot be fetched; says from where.
        ChecksumError: what was fetched is not what is pinned.
    """
    folder = cache / "maven"
    places = tuple(folder / jar.path for jar in jars)
    if not missing(jars, cache):
        return places
    with exclusively(cache):
        settings = maven.default_settings()
        source = maven.repository(os.environ, settings)
        stores = maven.local_repositories(os.environ, settings)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            list(pool.map(partial(_obtain, folder=folder, source=source, stores=stores), missing(jars, cache)))
    return places


def missing(jars: Sequence[Jar], cache: Path) -> list[Jar]:
    """The jars that the cache lacks."""
    return [jar for jar in jars if not (cache / "maven" / jar.path).is_file()]


@contextlib.contextmanager
def exclusively(cache: Path) -> Iterator[None]:
    """One process of this machine at a time fills the cache; the others wait and find it full."""
    try:
        cache.mkdir(parents=True, exist_ok=True)
        lock = (cache / ".lock").open("a")
    except OSError as error:
        raise LocalError(
            f"The cache folder {cache} cannot be written ({error.strerror}). Set PELTON_CACHE to one that can."
        ) from error
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def fingerprint(*files: Path) -> str:
    """A short name for the bytes of these files together."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _obtain(jar: Jar, *, folder: Path, source: maven.Repository, stores: Sequence[Path]) -> None:
    place = folder / jar.path
    place.parent.mkdir(parents=True, exist_ok=True)
    with _part(place.parent) as part:
        if own := next((store / jar.path for store in stores if _has(store / jar.path, jar)), None):
            shutil.copyfile(own, part)
        else:
            _download(f"{source.url}/{jar.path}", source, part)
        if (found := _digest(part)) != jar.sha256:
            raise ChecksumError(
                f"{source.url}/{jar.path} has SHA-256 {found}, but {jar.sha256} is pinned. "
                "Nothing was installed: the repository, or a proxy on the way, altered the file."
            )
        part.rename(place)


@contextlib.contextmanager
def _part(folder: Path) -> Iterator[Path]:
    handle, name = tempfile.mkstemp(dir=folder, prefix=".part-")
    os.close(handle)
    part = Path(name)
    try:
        yield part
    finally:
        part.unlink(missing_ok=True)


def _download(url: str, source: maven.Repository, part: Path) -> None:
    request = urllib.request.Request(url, headers=dict(source.headers))  # noqa: S310  # the user's own repository
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer, part.open("wb") as file:  # noqa: S310
                shutil.copyfileobj(answer, file)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code < http.client.INTERNAL_SERVER_ERROR or attempt == _ATTEMPTS:
                raise DownloadError(_refused(url, f"HTTP {error.code} {error.reason}")) from error
        except (OSError, http.client.HTTPException) as error:
            if attempt == _ATTEMPTS:
                raise DownloadError(_refused(url, str(error))) from error
        else:
            return


def _refused(url: str, reason: str) -> str:
    return (
        f"{url} could not be fetched: {reason}. Behind a proxy set HTTPS_PROXY and SSL_CERT_FILE; "
        "for a mirror set PELTON_MAVEN_URL, or a mirror of central in Maven's settings.xml."
    )


def _has(path: Path, jar: Jar) -> bool:
    return path.is_file() and _digest(path) == jar.sha256


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
