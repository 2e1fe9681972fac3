"""PELTON_HOME: where everything of one local platform is, and what can be wrong with it."""

import fcntl
import getpass
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pelton.eventkit.identity import Role, load_or_create_key, mint

MIN_FREE_BYTES = 500 * 1024 * 1024
CLI_TOKEN_DAYS = 365


class HomeError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class AlreadyUpError(HomeError):
    """Another supervisor has this home."""


@dataclass(frozen=True, slots=True)
class Home:
    """The places under one PELTON_HOME."""

    path: Path

    @classmethod
    def from_environment(cls) -> "Home":
        """`PELTON_HOME`, or `.pelton` in the current folder."""
        return cls(Path(os.environ.get("PELTON_HOME", ".pelton")).resolve())

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
            HomeError: read-only, not a folder, or nearly full.
        """
        try:
            for folder in (self.path, self.logs, self.path / "run"):
                folder.mkdir(parents=True, exist_ok=True)
            (self.path / "secrets").mkdir(mode=0o700, exist_ok=True)
            probe = self.path / "run" / f".probe-{os.getpid()}"
            probe.write_bytes(b"x" * 4096)
            probe.unlink()
        except OSError as error:
            raise HomeError(
                f"PELTON_HOME {self.path} cannot be written: {error.strerror}. "
                "Free some space or give yourself write access, or set PELTON_HOME to another folder."
            ) from error
        free = shutil.disk_usage(self.path).free
        if free < MIN_FREE_BYTES:
            raise HomeError(
                f"PELTON_HOME {self.path} has {free // 2**20} MiB left on its disk, and Kafka and PostgreSQL need at "
                f"least {MIN_FREE_BYTES // 2**20} MiB. Free some space, or set PELTON_HOME to a folder on another disk."
            )

    def ensure_secrets(self) -> None:
        """The signing key, and an administrator's token for whoever owns this home."""
        key = load_or_create_key(self.key_file)
        token = mint(key, getpass.getuser(), Role.ADMIN, datetime.now(UTC), timedelta(days=CLI_TOKEN_DAYS))
        descriptor = os.open(self.token_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(token)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only supervisor of this home.

        Raises:
            AlreadyUpError: another process is.
        """
        with self.lock_file.open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyUpError(
                    f"a platform is up on {self.path} already. See `pelton status`; stop it with `pelton down`, "
                    "or set PELTON_HOME and PELTON_PORT_BASE for a second one."
                ) from None
            yield

    @property
    def is_locked(self) -> bool:
        """Whether a supervisor lives on this home."""
        try:
            with self.lock_file.open("r") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except FileNotFoundError:
            return False
        return False
