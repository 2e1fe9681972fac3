"""What can go wrong with a local server, in words that say what to do about it."""

from pathlib import Path


class LocalError(Exception):
    """A server of this machine could not be prepared, started or stopped."""


class PortInUseError(LocalError):
    """The port that a server was given is taken.

    Attributes:
        port: the taken port.
        pid: the process that listens there, or None where the system does not tell.
    """

    def __init__(self, port: int, wanted_by: str, pid: int | None, command_line: str) -> None:
        who = f"process {pid} ({command_line})" if pid is not None else "a process of another user"
        super().__init__(
            f"Port {port}, wanted by {wanted_by}, is in use by {who}. "
            "Stop that process, or set PELTON_PORT_BASE to a free range."
        )
        self.port = port
        self.pid = pid


class AlreadyRunningError(LocalError):
    """Another live server works on the same data folder."""

    def __init__(self, name: str, folder: Path, pid: int) -> None:
        super().__init__(
            f"{name} already runs on {folder} as process {pid}. "
            "Stop it first (pelton down), or set another PELTON_HOME."
        )
        self.pid = pid


class ChecksumError(LocalError):
    """A downloaded jar is not the one that the lock file pins."""


class DownloadError(LocalError):
    """A jar could not be fetched."""


class PrepareError(LocalError):
    """A data folder could not be set up."""


class StartError(LocalError):
    """A server ended, or did not answer in time, while it was starting."""
