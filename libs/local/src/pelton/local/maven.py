"""Where Maven artifacts come from here: an explicit mirror, one in Maven's settings, or Maven Central."""

import base64
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pelton.local.errors import DownloadError

_CENTRAL = "https://repo.maven.apache.org/maven2"
_CENTRAL_MATCHES = {"*", "central", "external:*"}


@dataclass(frozen=True, slots=True)
class Repository:
    """A Maven repository: its URL without a trailing slash, and the headers that it wants."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)


def repository(env: Mapping[str, str], settings: Path) -> Repository:
    """The repository that stands for Maven Central here.

    `PELTON_MAVEN_URL` first (user and password may stand in it), then a mirror of central in Maven's `settings.xml`
    with the credentials of the server of the same id, then Maven Central itself.

    Raises:
        DownloadError: the settings file is not XML.
    """
    if url := env.get("PELTON_MAVEN_URL"):
        return _with_credentials(url)
    if settings.is_file():
        return _mirror(settings, env) or Repository(_CENTRAL)
    return Repository(_CENTRAL)


def local_repositories(env: Mapping[str, str], settings: Path) -> list[Path]:
    """Folders in which Maven may have put the same jars already."""
    configured = _root(settings).findtext("{*}localRepository") if settings.is_file() else None
    candidates = [Path(_interpolate(configured, env)).expanduser()] if configured else []
    return [*candidates, settings.parent / "repository"]


def _mirror(settings: Path, env: Mapping[str, str]) -> Repository | None:
    root = _root(settings)
    for mirror in root.iterfind("{*}mirrors/{*}mirror"):
        patterns = {pattern.strip() for pattern in mirror.findtext("{*}mirrorOf", "").split(",")}
        url = mirror.findtext("{*}url", "").strip()
        if url and patterns & _CENTRAL_MATCHES and "!central" not in patterns:
            return _with_credentials(_interpolate(url, env), _server(root, mirror.findtext("{*}id", ""), env))
    return None


def _server(root: ET.Element, identity: str, env: Mapping[str, str]) -> tuple[str, str] | None:
    for server in root.iterfind("{*}servers/{*}server"):
        if server.findtext("{*}id") == identity and (user := server.findtext("{*}username")):
            return _interpolate(user, env), _interpolate(server.findtext("{*}password", ""), env)
    return None


def _with_credentials(url: str, login: tuple[str, str] | None = None) -> Repository:
    parts = urlsplit(url)
    if parts.username:
        login = unquote(parts.username), unquote(parts.password or "")
    bare = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])).rstrip("/")
    if login is None:
        return Repository(bare)
    token = base64.b64encode(":".join(login).encode()).decode()
    return Repository(bare, {"Authorization": f"Basic {token}"})


def _interpolate(text: str, env: Mapping[str, str]) -> str:
    """Maven's `${env.NAME}` and `${user.home}`; what is unknown stays as it is."""
    known = {f"env.{name}": value for name, value in env.items()} | {"user.home": str(Path.home())}
    return re.sub(r"\$\{([^}]+)\}", lambda match: known.get(match[1], match[0]), text.strip())


def _root(settings: Path) -> ET.Element:
    try:
        return ET.parse(settings).getroot()  # noqa: S314  # the user's own file
    except ET.ParseError as error:
        raise DownloadError(f"Maven's settings {settings} are not valid XML ({error}): correct them.") from error


def default_settings() -> Path:
    """Maven's settings of this user."""
    return Path(os.environ.get("MAVEN_USER_HOME", Path.home() / ".m2")) / "settings.xml"
