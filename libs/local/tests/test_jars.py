import base64
import hashlib
import http.server
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pelton.local import ChecksumError, DownloadError, LocalError, jars, maven
from pelton.local.jars import Jar

CONTENT = b"the bytes of a jar"
JAR = Jar("org.example", "turbine", "1.0", hashlib.sha256(CONTENT).hexdigest())
PATH = "/maven/org/example/turbine/1.0/turbine-1.0.jar"


@dataclass
class MavenMirror:
    """A repository over HTTP that serves what a test puts there, and remembers who asked for what."""

    url: str
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    authorizations: list[str | None] = field(default_factory=list)


@pytest.fixture
def maven_mirror() -> Iterator[MavenMirror]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            mirror.asked.append(self.path)
            mirror.authorizations.append(self.headers["Authorization"])
            content = mirror.files.get(self.path)
            self.send_response(404 if content is None else 200)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        mirror = MavenMirror(f"http://127.0.0.1:{server.server_port}/maven")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield mirror
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _mirror_only(maven_mirror: MavenMirror, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PELTON_MAVEN_URL", maven_mirror.url)
    monkeypatch.setenv("MAVEN_USER_HOME", str(tmp_path / "m2"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def test_a_jar_is_fetched_once_and_then_found_in_the_cache(maven_mirror: MavenMirror, tmp_path: Path) -> None:
    maven_mirror.files[PATH] = CONTENT

    first = jars.resolve([JAR], tmp_path / "cache")
    again = jars.resolve([JAR], tmp_path / "cache")

    assert first == again
    assert first[0].read_bytes() == CONTENT
    assert maven_mirror.asked == [PATH]


def test_altered_bytes_are_refused_and_leave_nothing_behind(maven_mirror: MavenMirror, tmp_path: Path) -> None:
    maven_mirror.files[PATH] = CONTENT + b"!"

    with pytest.raises(ChecksumError, match=rf"turbine-1\.0\.jar has SHA-256 .* but {JAR.sha256} is pinned"):
        jars.resolve([JAR], tmp_path / "cache")

    assert not [path for path in (tmp_path / "cache" / "maven").rglob("*") if path.is_file()]


def test_a_missing_jar_says_from_where_and_how_to_use_another_place(tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"turbine-1\.0\.jar could not be fetched: HTTP 404.*PELTON_MAVEN_URL"):
        jars.resolve([JAR], tmp_path / "cache")


def test_what_maven_has_already_is_not_fetched_again(maven_mirror: MavenMirror, tmp_path: Path) -> None:
    own = tmp_path / "m2" / "repository" / JAR.path
    own.parent.mkdir(parents=True)
    own.write_bytes(CONTENT)

    assert jars.resolve([JAR], tmp_path / "cache")[0].read_bytes() == CONTENT
    assert maven_mirror.asked == []


def test_a_damaged_jar_of_maven_is_passed_over(maven_mirror: MavenMirror, tmp_path: Path) -> None:
    own = tmp_path / "m2" / "repository" / JAR.path
    own.parent.mkdir(parents=True)
    own.write_bytes(b"half a j")
    maven_mirror.files[PATH] = CONTENT

    assert jars.resolve([JAR], tmp_path / "cache")[0].read_bytes() == CONTENT


def test_the_mirror_of_mavens_settings_is_used_with_its_login(
    maven_mirror: MavenMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PELTON_MAVEN_URL")
    monkeypatch.setenv("MIRROR_PASSWORD", "s3cret")
    settings = tmp_path / "m2" / "settings.xml"
    settings.parent.mkdir()
    settings.write_text(
        '<settings xmlns="http://maven.apache.org/SETTINGS/1.0.0">'
        "<servers><server><id>ours</id><username>ci</username><password>${env.MIRROR_PASSWORD}</password></server></servers>"
        f"<mirrors><mirror><id>ours</id><mirrorOf>central</mirrorOf><url>{maven_mirror.url}/</url></mirror></mirrors>"
        "</settings>"
    )
    maven_mirror.files[PATH] = CONTENT

    jars.resolve([JAR], tmp_path / "cache")

    assert maven_mirror.authorizations == ["Basic " + base64.b64encode(b"ci:s3cret").decode()]


def test_a_mirror_that_leaves_central_out_is_not_used(tmp_path: Path) -> None:
    settings = tmp_path / "settings.xml"
    settings.write_text(
        "<settings><mirrors><mirror><mirrorOf>*,!central</mirrorOf><url>http://x</url></mirror></mirrors></settings>"
    )

    assert maven.repository({}, settings) == maven.repository({}, tmp_path / "none.xml")


def test_a_line_of_the_lock_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("# fine\norg.example:turbine 00\n")

    with pytest.raises(LocalError, match=r"line 2 is not"):
        jars.read_lock(lock)


def test_every_pinned_jar_has_a_whole_sha256() -> None:
    pinned = jars.read_lock()

    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in pinned)
    assert {"kafka_2.13", "kafka-server", "log4j-core"} <= {jar.artifact for jar in pinned}
