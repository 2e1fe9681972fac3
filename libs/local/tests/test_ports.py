import os
import socket

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


def test_a_listener_on_all_addresses_takes_the_port_too() -> None:
    with socket.create_server(("0.0.0.0", 0)) as listener:  # noqa: S104
        assert not ports.is_free(listener.getsockname()[1])


def test_a_block_is_free_throughout() -> None:
    base = ports.free_block(5)

    assert all(ports.is_free(port) for port in range(base, base + 5))
