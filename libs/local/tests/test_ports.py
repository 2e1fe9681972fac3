import os
import socket
import subprocess
import sys

import pytest

from pelton.local import PortInUseError, ports


def test_a_port_with_a_listener_names_the_process_and_its_command() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        with pytest.raises(
            PortInUseError, match=rf"Port {port}, wanted by Kafka, is in use by process .*pytest"
        ) as caught:
            ports.require_free([port], "Kafka")

    assert caught.value.pid == os.getpid()


def test_a_process_that_has_a_whole_script_in_its_command_is_named_in_one_short_line() -> None:
    listen = "import socket, sys\nserver = socket.create_server(('127.0.0.1', 0))\n" + "#" * 1000
    program = f"{listen}\nprint(server.getsockname()[1], flush=True)\nsys.stdin.read()\n"
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        found = ports.holder(int(process.stdout.readline()))
        process.kill()

    assert found is not None
    assert found.pid == process.pid
    assert "-c import socket, sys server =" in found.command_line
    assert len(found.command_line) <= 200


def test_a_listener_on_all_addresses_takes_the_port_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104
        assert not ports.is_free(listener.getsockname()[1])


def test_a_block_is_free_throughout() -> None:
    base = ports.free_block(5)

    assert all(ports.is_free(port) for port in range(base, base + 5))
