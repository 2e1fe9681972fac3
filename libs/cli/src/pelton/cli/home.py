"""PELTON_HOME: where everything of one local platform is, and what can be wrong with it."""

import errno
import fcntl
import getpass
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pelton.eventkit.identity import KeyFileError, Role, load_or_create_key, mint

MIN_FREE_BYTES = 500 * 1024 * 1024
CLI_TOKEN_DAYS = 365
DEFAULT_PORT_BASE = 8100
# Below are the ports that only root may have; above, the last of a platform's ports would pass the end.
PORT_BASES = range(1024, 65001)
# PostgreSQL's own limit for a path is 1023 bytes; this leaves room for the longest name that is beneath a home.
MAX_PATH_BYTES = 700
# A process that only looks whether a home is in use holds its lock for an instant.
LOCK_SECONDS = 0.5


class HomeError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class AlreadyUpError(HomeError):
    """Another supervisor has this home."""


def port_base() -> int:
    """`PELTON_PORT_BASE`, or 8100.

    Raises:
        HomeError: it is no number, or leaves no room for the ports of a platform.
    """
    given = os.environ.get("PELTON_PORT_BASE") or str(DEFAULT_PORT_BASE)
    number = int(given) if re.fullmatch("[0-9]{1,5}", given) else 0
    if number not in PORT_BASES:
        raise HomeError(
            f"PELTON_PORT_BASE is {given!r}, and must be a whole number from {PORT_BASES[0]} to {PORT_BASES[-1]}: "
            "the first of the ports that the platform takes."
        )
    return number


@dataclass(frozen=True, slots=True)
class Home:
    """The places under one PELTON_HOME."""

    path: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """`PELTON_HOME`, or `.pelton` in the current folder.

        Raises:
            HomeError: the path leads nowhere.
        """
        given = os.environ.get("PELTON_HOME") or ".pelton"
        try:
            return cls(Path(given).resolve())
        except (OSError, RuntimeError) as error:
            raise HomeError(f"PELTON_HOME {given} leads nowhere: {error}. Set it to another folder.") from error

    @property
    def logs(self) -> Path:
        """One log a process, and `all.log`."""
        return self.path / "logs"

    @property
    def state_file(self) -> Path:
        """What the supervisor says of its processes."""
        return self.path / "run" / "state.json"

    @property
    def lock_file(self) -> Path:
        """Held by the supervisor as long as it lives; the system lets it go with the process, however that ended."""
        return self.path / "run" / "lock"

    @property
    def key_file(self) -> Path:
        """The key that signs access tokens."""
        return self.path / "secrets" / "token.key"

    @property
    def token_file(self) -> Path:
        """The token that the command line and the SDK use."""
        return self.path / "secrets" / "cli.token"

    def prepare(self) -> None:
        """Make the folders, and check that there is room and leave to write.

        Raises:
            HomeError: a path that the servers cannot have, read-only, not a folder, or nearly full.
        """
        self._check_path()
        try:
            for folder in (self.path, self.logs, self.path / "run"):
                folder.mkdir(parents=True, exist_ok=True)
            (self.path / "secrets").mkdir(mode=0o700, exist_ok=True)
            probe = self.path / "run" / f".probe-{os.getpid()}"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
            free = shutil.disk_usage(self.path).free
        except OSError as error:
            raise self._unwritable(error) from error
        if free < MIN_FREE_BYTES:
            raise HomeError(
                f"PELTON_HOME {self.path} has {free // 2**20} MiB left on its disk, and Kafka and PostgreSQL need at "
                f"least {MIN_FREE_BYTES // 2**20} MiB. Free some space, or set PELTON_HOME to a folder on another disk."
            )

    def ensure_secrets(self) -> None:
        """The signing key, and an administrator's token for whoever owns this home.

        Raises:
            HomeError: the key is not safe to use, or cannot be read or written.
        """
        now = datetime.now(UTC)
        # Appears whole or not at all: a disk that fills now does not cost the token that was there.
        draft = self.token_file.with_suffix(".new")
        try:
            key = load_or_create_key(self.key_file)
            token = mint(key, _user(), Role.ADMIN, now, timedelta(days=CLI_TOKEN_DAYS))
            draft.unlink(missing_ok=True)
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(token)
            draft.replace(self.token_file)
        except KeyFileError as error:
            raise HomeError(str(error)) from error
        except OSError as error:
            raise self._unwritable(error) from error

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only supervisor of this home.

        Raises:
            AlreadyUpError: another process is.
            HomeError: the folder cannot be locked.
        """
        try:
            descriptor = os.open(self.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise self._unwritable(error) from error
        with os.fdopen(descriptor, "r+") as file:
            self._lock(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
            try:
                yield
            finally:
                file.truncate(0)

    def _lock(self, descriptor: int) -> None:
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise self.already_up() from None
                time.sleep(0.02)
            except OSError as error:
                raise HomeError(
                    f"PELTON_HOME {self.path} cannot be locked: {error.strerror}. Set it to a folder on a local disk."
                ) from error
            else:
                return

    def already_up(self) -> AlreadyUpError:
        """What to say to whoever would be a second supervisor."""
        holder = self.supervisor
        return AlreadyUpError(
            f"a platform is up on {self.path} already{f' (process {holder})' if holder else ''}. See `pelton status`; "
            "stop it with `pelton down`, or set PELTON_HOME and PELTON_PORT_BASE for a second one."
        )

    @property
    def supervisor(self) -> int | None:
        """The process that supervises this home; None if none does.

        Raises:
            HomeError: another user's home, which this one may not look into.
        """
        deadline = time.monotonic() + LOCK_SECONDS
        while self._is_held():
            try:
                return int(self.lock_file.read_text())
            except (OSError, ValueError):
                # It was locked this instant, and the number is about to be there.
                if time.monotonic() > deadline:
                    raise HomeError(f"{self.lock_file} is held, and does not say by which process.") from None
                time.sleep(0.02)
        return None

    @property
    def is_locked(self) -> bool:
        """Whether a supervisor lives on this home."""
        return self.supervisor is not None

    def _is_held(self) -> bool:
        try:
            with self.lock_file.open() as file:
                # Shared: of two processes that look at once, neither takes the other for a supervisor.
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except PermissionError as error:
            raise HomeError(
                f"PELTON_HOME {self.path} cannot be read: {error.strerror}. It is another user's: set it to your own."
            ) from error
        except OSError:
            return False
        return False

    def _check_path(self) -> None:
        length = len(os.fsencode(self.path))
        if length > MAX_PATH_BYTES:
            raise HomeError(
                f"PELTON_HOME is {length} bytes long, and PostgreSQL takes no more than {MAX_PATH_BYTES}: "
                "set it to a folder with a shorter path."
            )
        if bad := sorted(set(str(self.path)) & set(",\n\r")):
            raise HomeError(
                f"PELTON_HOME {str(self.path)!r} has {bad[0]!r} in it, where Kafka would divide it in two: "
                "set it to a folder without."
            )

    def _unwritable(self, error: OSError) -> HomeError:
        match error.errno:
            case errno.ENOSPC | errno.EDQUOT:
                mend = "Free some space, or set PELTON_HOME to a folder on another disk."
            case errno.EROFS:
                mend = "It is on a read-only file system: set PELTON_HOME to a folder on another."
            case errno.EACCES | errno.EPERM:
                mend = f"Give {_user()} write access, or set PELTON_HOME to another folder."
            case errno.ENOTDIR | errno.EEXIST:
                mend = "A file is where a folder should be: set PELTON_HOME to another folder."
            case _:
                mend = "Set PELTON_HOME to another folder."
        return HomeError(f"PELTON_HOME {self.path} cannot be written: {error.strerror}. {mend}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"user-{os.getuid()}"
