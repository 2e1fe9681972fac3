"""What the tests train on: a small model whose answer is known, as the feature service would hand it over."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pelton.contracts.canonical import sha256
from pelton.contracts.definitions import ModelDefinition
from pelton.contracts.values import Window
from pelton.trainer.orders import TrainingOrder

AS_OF = datetime(2013, 3, 2, tzinfo=UTC)
DAYS = 60

PIPELINE = """
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from settings_of_it import ITERATIONS


def trees(leaves=15):
    return HistGradientBoostingClassifier(max_iter=ITERATIONS, max_leaf_nodes=leaves)


def linear(c=1.0):
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression(C=c))


def chatty():
    print("this is no answer")
    return linear()


def not_a_classifier():
    return StandardScaler()


def hungry():
    bytearray(5 << 30)
    return linear()


def endless():
    while True:
        pass


def picky():
    raise KeyError("no parameters")


def fatal():
    import os
    print("a line", flush=True)
    os.write(2, b"the last words")
    os.abort()
"""


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@pytest.fixture(scope="session")
def code() -> bytes:
    return zipped({"pipeline.py": PIPELINE, "settings_of_it/__init__.py": "ITERATIONS = 20\n"})


@pytest.fixture(scope="session")
def define() -> Callable[..., ModelDefinition]:
    def make(**changes: object) -> ModelDefinition:
        content: dict[str, Any] = {
            "name": "late",
            "source": "departures",
            "label": {"source": "landings", "value": "arr_delay > 15", "delay": "1d"},
            "inputs": {"request": ("distance",), "features": ("route:delay_mean_1d",)},
            "pipeline": {
                "entry": "pipeline:trees",
                "candidates": ({"leaves": 7}, {"leaves": 15}),
                "folds": 2,
                "seed": 7,
            },
            "training": {"history": "60d", "holdout": "10d", "min_rows": 500},
            "triggers": {"first_after": "59d", "cooldown": "7d", "budget": 3, "budget_period": "60d"},
        }
        for path, value in changes.items():
            *parents, last = path.split("__")
            target = content
            for parent in parents:
                target = target[parent]
            target[last] = value
        return ModelDefinition.model_validate(content)

    return make


@pytest.fixture(scope="session")
def table() -> pa.Table:
    """3,000 rows of sixty days; being late depends on both inputs, and some features are missing."""
    rng = np.random.default_rng(11)
    rows = 3000
    moments = np.sort(rng.integers(0, DAYS * 86_400, rows))
    distance = rng.integers(1, 3000, rows).astype(float)
    delay = np.where(rng.random(rows) < 0.1, np.nan, np.round(rng.normal(10, 20, rows), 3))
    chance = 1 / (1 + np.exp(2 - distance / 1500 - np.nan_to_num(delay) / 20))
    start = AS_OF - timedelta(days=DAYS)
    return pa.table(
        {
            "key": [f"k{row:05d}" for row in range(rows)],
            "event_time": pa.array([start + timedelta(seconds=int(s)) for s in moments], pa.timestamp("us", "UTC")),
            "distance": distance,
            "route__delay_mean_1d": pa.array(delay, from_pandas=True),
            "label": (rng.random(rows) < chance).astype(np.int8),
        }
    )


@pytest.fixture(scope="session")
def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


@pytest.fixture
def order(
    tmp_path: Path, parquet: bytes, code: bytes, define: Callable[..., ModelDefinition]
) -> Callable[..., TrainingOrder]:
    def make(*, dataset: bytes = parquet, seed: int = 8, **changes: object) -> TrainingOrder:
        (tmp_path / "dataset.parquet").write_bytes(dataset)
        (tmp_path / "code.bundle").write_bytes(code)
        return TrainingOrder(
            definition=define(**changes),
            seed=seed,
            span=Window(start=AS_OF - timedelta(days=DAYS), end=AS_OF),
            dataset=tmp_path / "dataset.parquet",
            dataset_digest=sha256(dataset),
            views={"route": sha256(b"route")},
            code=tmp_path / "code.bundle",
            code_digest=sha256(code),
            champion=None,
            output=tmp_path / "model.onnx",
        )

    return make
