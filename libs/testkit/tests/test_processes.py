import os
import subprocess
import sys
from pathlib import Path

import pytest

from pelton.testkit import at_work

IDLE = [sys.executable, "-I", "-S", "-c", "import sys; sys.stdin.read()"]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [((), {"PELTON_HOME": "{home}/demo"}), ((), {"TMPDIR": "{home}"}), (("--data={home}/postgres",), {})],
)
def test_a_process_that_was_told_of_the_home_works_on_it_until_it_ends(
    arguments: tuple[str, ...], environment: dict[str, str], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    command = [*IDLE, *(word.format(home=home) for word in arguments)]
    told = {name: value.format(home=home) for name, value in environment.items()}
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=os.environ | told) as process:
        assert at_work(home) == [f"{process.pid} {' '.join(command)}"]
        assert at_work(tmp_path / "hom") == []
        process.kill()
        # It has ended before anybody asks for its status.
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)

        assert at_work(home) == []
