"""`pelton model verify`, on a registry of its own with a version that another program logged."""

import json
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from command import Command

from pelton.contracts.canonical import sha256
from pelton.provenance import SigningKey
from pelton.testkit import KafkaInstance, PostgresInstance, ServiceInstance, eventually

FILES = {"MLmodel": b"flavors: {}", "data/weights.txt": b"0.5"}


@pytest.fixture
async def registry(
    kafka_private: KafkaInstance,
    postgres_private: PostgresInstance,
    home: Path,
    port_base: int,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[httpx.AsyncClient]:
    with ServiceInstance("registry", home, kafka_private, postgres_private, port_base=port_base) as service:
        monkeypatch.setenv("PELTON_TOKEN", service.token())
        async with service.client() as client:
            yield client


async def test_a_version_is_verified_from_what_the_store_gives_and_a_key_that_is_kept(
    registry: httpx.AsyncClient, pelton: Command, home: Path
) -> None:
    for path, content in FILES.items():
        put = await registry.put(f"/api/2.0/mlflow-artifacts/artifacts/1/abc/artifacts/m/{path}", content=content)
        put.raise_for_status()
    mlflow = "/api/2.0/mlflow"
    (await registry.post(f"{mlflow}/registered-models/create", json={"name": "loans of 2026"})).raise_for_status()
    version = {"name": "loans of 2026", "source": "mlflow-artifacts:/1/abc/artifacts/m"}
    (await registry.post(f"{mlflow}/model-versions/create", json=version)).raise_for_status()

    async def signed() -> bool:
        return (await registry.get("/v1/models/loans of 2026/versions/1/signature")).is_success

    await eventually(signed, timeout=30)
    answer = pelton("model", "verify", "loans of 2026", "1", "--json")
    assert answer.code == 0, answer.err
    assert json.loads(answer.out)["files"] == {path: sha256(content) for path, content in FILES.items()}
    shown = pelton("model", "verify", "loans of 2026", "1").out
    assert "is what was signed" in shown
    assert f"data/weights.txt  {sha256(b'0.5')}" in shown
    assert "recorded by ann" in shown
    assert 'source: "mlflow-artifacts:/1/abc/artifacts/m"' in shown

    other = SigningKey.load_or_create(home / "other.key").path.with_suffix(".pub")
    refused = pelton("model", "verify", "loans of 2026", "1", "--public-key", str(other))
    assert "the signature does not hold: none of its 1 signatures is by a key that is believed" in refused.error
    missing = pelton("model", "verify", "loans of 2026", "1", "--public-key", str(home / "nothing.pub"))
    assert "cannot be read" in missing.error
    assert "no version 7" in pelton("model", "verify", "loans of 2026", "7").error

    area = home / "objects" / "files" / "sha256"
    weights = sha256(b"0.5").removeprefix("sha256:")
    (area / weights[:2] / weights[2:]).write_bytes(b"0.6")
    assert "damaged" in pelton("model", "verify", "loans of 2026", "1").error
