import os
import signal
import socket
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from pelton import local
from pelton.local import ports
from pelton.testkit import KafkaInstance, create_topics


async def _publish(bootstrap: str, topic: str, value: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, value)


async def _first(bootstrap: str, topic: str) -> bytes | None:
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap) as consumer:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        await consumer.seek_to_beginning(partition)
        return (await consumer.getone()).value


@pytest.mark.parametrize("end", ["stop", "crash"])
async def test_what_was_published_is_there_after(end: str, kafka_private: KafkaInstance) -> None:
    await create_topics(kafka_private.bootstrap, {"kept": 1})
    await _publish(kafka_private.bootstrap, "kept", b"fact")

    getattr(kafka_private, end)()
    kafka_private.start()

    assert await _first(kafka_private.bootstrap, "kept") == b"fact"


def test_stopping_in_order_leaves_nothing_to_recover(kafka_private: KafkaInstance) -> None:
    kafka_private.stop()

    assert list(kafka_private.log.parent.rglob(".kafka_cleanshutdown"))


def test_a_taken_port_is_reported_before_anything_is_written(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        broker = local.KafkaBroker(tmp_path / "kafka", port, ports.free_block(1), local.cache_folder())

        with pytest.raises(local.PortInUseError, match=f"Port {port}, wanted by Kafka"):
            local.start(broker, tmp_path / "log")

    assert not (tmp_path / "kafka").exists()


def test_a_folder_with_a_name_that_java_reads_in_its_own_way_is_the_one_that_is_used(tmp_path: Path) -> None:
    port = ports.free_block(2)
    broker = local.KafkaBroker(tmp_path / "José\\n #=:日𝕏", port, port + 1, local.cache_folder())

    broker.prepare()

    assert (broker.data / "meta.properties").is_file()
    assert len(list(tmp_path.iterdir())) == 1


def test_a_broker_that_cannot_start_says_why_from_its_log(tmp_path: Path) -> None:
    port = ports.free_block(2)
    broker = local.KafkaBroker(tmp_path / "kafka", port, port + 1, local.cache_folder())
    broker.prepare()
    meta = broker.data / "meta.properties"
    meta.write_text(meta.read_text().replace("node.id=1", "node.id=2"))

    with pytest.raises(local.StartError, match=r"(?s)Kafka ended with code \d+ while starting.*node"):
        local.start(broker, tmp_path / "log")


def test_the_command_can_be_run_by_another_supervisor(tmp_path: Path) -> None:
    port = ports.free_block(2)
    broker = local.KafkaBroker(tmp_path / "kafka", port, port + 1, local.cache_folder())
    broker.prepare()
    command = broker.command()

    pid = os.posix_spawn(
        command.argv[0],
        command.argv,
        command.env,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 1, str(tmp_path / "log"), os.O_WRONLY | os.O_CREAT, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
    )
    try:
        while not broker.ready():
            assert os.waitpid(pid, os.WNOHANG) == (0, 0), (tmp_path / "log").read_text()
    finally:
        os.kill(pid, command.stop_signal)
        _, status = os.waitpid(pid, 0)

    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGTERM
