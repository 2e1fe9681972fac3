import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from pelton.local import ports
from pelton.testkit import eventually

PARENT = """
import sys
from pathlib import Path
from pelton import local

folder, kind, port = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
server = (
    local.KafkaBroker(folder / "kafka", port, port + 1, local.cache_folder())
    if kind == "kafka"
    else local.PostgresServer(folder / "postgres", port)
)
print(local.start(server, folder / "log").pid, flush=True)
sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell a child of its parent's death")
@pytest.mark.parametrize("kind", ["kafka", "postgres"])
async def test_a_server_ends_when_its_parent_is_killed(kind: str, tmp_path: Path) -> None:
    family = _orphans(kind, tmp_path)

    await eventually(lambda: all(_ended(process) for process in family))


def test_nothing_starts_for_a_parent_that_is_gone(tmp_path: Path) -> None:
    leash = Path(sys.modules["pelton.local.process"].__file__ or "").with_name("leash.py")
    done = subprocess.run(  # this very test
        [sys.executable, "-I", "-S", leash, "--parent", "1", "--signal", "9", "--", "/bin/touch", tmp_path / "ran"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "the parent process 1 is gone" in done.stderr
    assert not (tmp_path / "ran").exists()


def _orphans(kind: str, folder: Path) -> list[psutil.Process]:
    """The processes of a server that has just lost its parent to SIGKILL."""
    with subprocess.Popen(  # this very test
        [sys.executable, "-c", PARENT, str(folder), kind, str(ports.free_block(2))],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        server = psutil.Process(int(parent.stdout.readline()))
        family = [server, *server.children(recursive=True)]
        parent.kill()
    return family


def _ended(process: psutil.Process) -> bool:
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
