import signal
from pathlib import Path

import httpx
import pytest

from pelton.eventkit.identity import Role
from pelton.local import StartError
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, at_work


async def test_a_service_answers_who_has_its_token_and_starts_again_as_it_was(
    kafka_private: KafkaInstance, postgres_private: PostgresInstance, tmp_path: Path
) -> None:
    with ServiceInstance("registry", tmp_path, kafka_private, postgres_private, log_level="WARNING") as registry:
        path = "/api/2.0/mlflow/registered-models"
        async with registry.client() as ann, registry.client(None) as nobody, registry.client(Role.VIEWER) as reader:
            assert (await ann.post(f"{path}/create", json={"name": "late"})).is_success
            assert (await nobody.get(f"{path}/search")).status_code == httpx.codes.UNAUTHORIZED
            assert await registry.end(signal.SIGKILL) == -signal.SIGKILL
            registry.start()

            (kept,) = (await reader.get(f"{path}/search")).json()["registered_models"]
            assert kept["name"] == "late"
        assert await registry.end(signal.SIGTERM) == 0

    assert at_work(tmp_path) == []


def test_one_that_does_not_start_says_why(kafka: KafkaInstance, tmp_path: Path) -> None:
    registry = ServiceInstance("registry", tmp_path, kafka, objects="nowhere://")

    with pytest.raises(StartError, match="registry ended with code 1"):
        registry.start()

    with pytest.raises(RuntimeError, match="registry is stopped"):
        _ = registry.pid
