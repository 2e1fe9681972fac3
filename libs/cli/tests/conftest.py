import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

# Tests are no package (pytest imports them by path); what several of them share are modules beside them.
sys.path.insert(0, str(Path(__file__).parent))

from command import Answer, Command

from pelton.cli.main import main
from pelton.local import ports
from pelton.sdk.client import Client
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance

FIRST_PORT = 20000


@pytest.fixture
def port_base() -> int:
    """The first of a platform's ports, all of them free."""
    while (base := ports.free_block(40)) < FIRST_PORT:
        pass
    return base


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def pelton(
    home: Path, port_base: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Command]:
    """The command line in this process, on `home` and `port_base`."""
    monkeypatch.setenv("PELTON_HOME", str(home))
    monkeypatch.setenv("PELTON_PORT_BASE", str(port_base))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str) -> Answer:
        monkeypatch.setattr(sys, "argv", ["pelton", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capsys.readouterr()
        return Answer(end.value.code, out, err)

    return run


@pytest.fixture
def features(
    pelton: Command,  # noqa: ARG001 - its home and ports are set before those of the service
    kafka_private: KafkaInstance,
    postgres_private: PostgresInstance,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Client]:
    """A client of a feature service of its own, which the command line finds as well."""
    with ServiceInstance("feature", tmp_path, kafka_private, postgres_private) as service:
        for name, value in service.environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("PELTON_TOKEN", service.token())
        with Client() as client:
            yield client


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """A small file system of its own, which may be filled, or be read-only for root too."""
    points: list[Path] = []

    def mount(*options: str) -> Path:
        point = tmp_path / f"disk{len(points)}"
        point.mkdir()
        try:
            done = subprocess.run(
                ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", point],  # noqa: S607
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError:
            pytest.skip("there is no mount command here")
        if done.returncode != 0:
            pytest.skip(f"mounting is not permitted here: {done.stderr.strip()}")
        points.append(point)
        return point

    yield mount
    for point in points:
        subprocess.run(["umount", "-l", point], check=True)  # noqa: S607
