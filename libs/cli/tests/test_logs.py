from collections.abc import Callable
from pathlib import Path

from pelton.cli.supervisor.logs import LogFile


def test_each_line_has_the_name_of_its_process(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "kafka.log")

    log.write("kafka", b"started\n")
    log.write("kafka", b"without an end")
    log.close()

    assert (tmp_path / "kafka.log").read_text() == "kafka | started\nkafka | without an end\n"


def test_a_full_log_is_put_aside_once(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "kafka.log", max_bytes=20)

    for number in range(5):
        log.write("kafka", b"line %d" % number)
    log.close()

    assert (tmp_path / "kafka.log").read_text() == "kafka | line 4\n"
    assert (tmp_path / "kafka.log.1").read_text() == "kafka | line 2\nkafka | line 3\n"


def test_a_full_disk_costs_the_lines_of_that_time_alone(mounted: Callable[..., Path]) -> None:
    disk = mounted("size=64k")
    log = LogFile(disk / "kafka.log")
    log.write("kafka", b"before")
    fill(disk / "fill")

    # More than the page that the file has already.
    for _ in range(100):
        log.write("kafka", b"x" * 100)
    (disk / "fill").unlink()
    log.write("kafka", b"after")
    log.close()

    lines = (disk / "kafka.log").read_text().splitlines()
    assert lines[0] == "kafka | before"
    assert lines[-1].endswith("kafka | after")
    assert len(lines) < 100


def test_a_folder_that_is_gone_costs_the_lines_of_that_time_alone(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "logs" / "kafka.log")
    log.write("kafka", b"lost")

    (tmp_path / "logs").mkdir()
    log.write("kafka", b"kept")
    log.close()

    assert (tmp_path / "logs" / "kafka.log").read_text() == "kafka | kept\n"


def fill(file: Path) -> None:
    """Take all that a disk has left."""
    with file.open("wb", buffering=0) as rest:
        try:
            while True:
                rest.write(b"x" * 4096)
        except OSError:
            return
