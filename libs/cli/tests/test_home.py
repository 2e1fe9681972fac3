import fcntl
import getpass
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pelton.cli import home as homes
from pelton.cli.home import AlreadyUpError, Home, HomeError, port_base
from pelton.eventkit.identity import TokenVerifier, load_key

HOLDER = """
import sys
from pathlib import Path
from pelton.cli.home import Home

with Home(Path(sys.argv[1])).locked():
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def prepared(home: Path) -> Home:
    one = Home(home)
    one.prepare()
    return one


@pytest.mark.parametrize("given", [None, ""])
def test_the_home_is_in_the_current_folder_unless_one_is_set(
    given: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PELTON_HOME", raising=False)
    if given is not None:
        monkeypatch.setenv("PELTON_HOME", given)

    assert Home.from_environment().path == tmp_path / ".pelton"


def test_a_home_that_is_a_circle_of_links_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "circle").symlink_to(tmp_path / "circle")
    monkeypatch.setenv("PELTON_HOME", str(tmp_path / "circle"))

    with pytest.raises(HomeError, match="leads nowhere"):
        Home.from_environment()


@pytest.mark.parametrize(("given", "base"), [(None, 8100), ("", 8100), ("1024", 1024), ("65000", 65000)])
def test_the_port_base_is_8100_unless_one_is_set(given: str | None, base: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PELTON_PORT_BASE", raising=False)
    if given is not None:
        monkeypatch.setenv("PELTON_PORT_BASE", given)

    assert port_base() == base


@pytest.mark.parametrize("given", ["abc", "-5", "0", "80", "65001", "8100.5", " 8100", "١٢٣٤٥", "9" * 5000])
def test_a_port_base_that_leaves_no_room_is_told(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PELTON_PORT_BASE", given)

    with pytest.raises(HomeError, match="must be a whole number from 1024 to 65000"):
        port_base()


def test_a_home_beneath_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    for path in (tmp_path / "file", tmp_path / "file" / "home"):
        with pytest.raises(HomeError, match=r"cannot be written: .*A file is where a folder should be"):
            Home(path).prepare()
        assert not Home(path).is_locked


def test_a_read_only_home_is_told(mounted: Callable[..., Path]) -> None:
    disk = mounted("ro", "size=1m")

    with pytest.raises(HomeError, match=r"Read-only file system\. It is on a read-only file system"):
        Home(disk).prepare()
    assert not Home(disk).is_locked


def test_a_disk_with_too_little_room_is_told_before_anything_starts(mounted: Callable[..., Path]) -> None:
    with pytest.raises(HomeError, match=r"has 4 MiB left on its disk, and Kafka and PostgreSQL need at least 500 MiB"):
        Home(mounted("size=4m")).prepare()


def test_a_full_disk_is_told(mounted: Callable[..., Path]) -> None:
    disk = mounted("size=4m", "nr_inodes=1")

    with pytest.raises(HomeError, match=r"No space left on device\. Free some space"):
        Home(disk / "home").prepare()


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a,b", "has ',' in it, where Kafka would divide it in two"),
        ("line\nbreak", r"has '\\n' in it"),
        ("n" * 300, "File name too long"),
        ("/".join(["n" * 100] * 10), "PostgreSQL takes no more than 700"),
        ("/".join(["n" * 200] * 30), "PostgreSQL takes no more than 700"),
    ],
)
def test_a_path_that_the_servers_cannot_have_is_told(name: str, why: str, tmp_path: Path) -> None:
    with pytest.raises(HomeError, match=why):
        Home(tmp_path / name).prepare()
    assert not Home(tmp_path / name).is_locked


def test_the_token_opens_the_platform_and_is_for_its_owner_alone(prepared: Home) -> None:
    prepared.ensure_secrets()

    actor = TokenVerifier(load_key(prepared.key_file)).verify(prepared.token_file.read_text(), 0)
    assert actor.name == getpass.getuser()
    for path, mode in ((prepared.key_file, 0o600), (prepared.token_file, 0o600), (prepared.token_file.parent, 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_a_user_without_a_name_has_a_token_too(prepared: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found")

    monkeypatch.setattr(getpass, "getuser", nobody)

    prepared.ensure_secrets()

    actor = TokenVerifier(load_key(prepared.key_file)).verify(prepared.token_file.read_text(), 0)
    assert actor.name == f"user-{os.getuid()}"


def test_a_key_that_others_can_read_is_not_used(prepared: Home) -> None:
    prepared.ensure_secrets()
    prepared.key_file.chmod(0o644)

    with pytest.raises(HomeError, match=f"run: chmod 600 {prepared.key_file}"):
        prepared.ensure_secrets()


def test_a_disk_that_fills_leaves_the_token_that_was_there(
    mounted: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(homes, "MIN_FREE_BYTES", 0)
    disk = mounted("size=64k")
    one = Home(disk)
    one.prepare()
    one.ensure_secrets()
    before = one.token_file.read_text()
    with (disk / "fill").open("wb", buffering=0) as rest:
        while rest.write(b"x" * 4096) == 4096:
            if not os.statvfs(disk).f_bfree:
                break

    with pytest.raises(HomeError, match="No space left on device"):
        one.ensure_secrets()
    assert one.token_file.read_text() == before


def test_a_home_has_one_supervisor_and_names_it(prepared: Home) -> None:
    with prepared.locked():
        assert prepared.supervisor == os.getpid()
        with pytest.raises(AlreadyUpError, match=rf"already \(process {os.getpid()}\).*pelton down"), prepared.locked():
            pass
    assert prepared.supervisor is None


def test_the_lock_of_a_killed_supervisor_is_free(prepared: Home) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, prepared.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"locked\n"
        assert prepared.supervisor == holder.pid
        holder.send_signal(signal.SIGKILL)

    assert prepared.supervisor is None
    with prepared.locked():
        assert prepared.supervisor == os.getpid()


def test_who_only_looks_is_not_taken_for_a_supervisor(prepared: Home) -> None:
    prepared.lock_file.touch()
    with prepared.lock_file.open() as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)

        assert not prepared.is_locked


def test_homes_do_not_hinder_one_another(prepared: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.prepare()

    with prepared.locked(), other.locked():
        assert prepared.is_locked
        assert other.is_locked
