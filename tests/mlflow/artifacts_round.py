"""What a team does with files, run by the plain client: `artifacts_round.py <folder> <answers.json>`."""

import json
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

from mlflow.artifacts import download_artifacts, list_artifacts
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

import mlflow

NAMES = ["plain.txt", "with space.txt", "权重/模型.bin", "é/e\u0301.txt", "deep/er/and/deeper.txt", "100%.txt"]
LARGE = 12_000_000


def main(folder: Path, told: Path) -> None:
    """Upload, list, download and delete; write what came back."""
    for place, name in enumerate(NAMES):
        path = folder / "sent" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"{place} {name}".encode() * (place + 1))
    large = folder / "large.bin"
    large.write_bytes(bytes(number % 251 for number in range(LARGE)))
    mlflow.set_experiment("files")
    with mlflow.start_run() as run:
        mlflow.log_artifacts(str(folder / "sent"), "data")
        mlflow.log_artifact(str(large))
        mlflow.log_text("kept", "notes/kept.txt")
        mlflow.log_text("gone", "notes/gone.txt")
    got = Path(download_artifacts(run_id=run.info.run_id, artifact_path="data", dst_path=str(folder / "got")))
    copy = Path(download_artifacts(run_id=run.info.run_id, artifact_path="large.bin", dst_path=str(folder / "got")))
    repository = get_artifact_repository(run.info.artifact_uri)
    repository.delete_artifacts("notes/gone.txt")
    answers = {
        "root": {one.path: one.is_dir for one in list_artifacts(run_id=run.info.run_id)},
        "notes": [one.path for one in list_artifacts(run_id=run.info.run_id, artifact_path="notes")],
        "same": {name: _same(folder / "sent" / name, got / name) for name in NAMES},
        "large": _same(large, copy),
        "missing": _failure(lambda: repository.download_artifacts("nothing.txt")),
    }
    told.write_text(json.dumps(answers))


def _same(sent: Path, got: Path) -> bool:
    return got.is_file() and got.read_bytes() == sent.read_bytes()


def _failure(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever the client makes of it is the answer
        return type(error).__name__
    return ""


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]), Path(sys.argv[2]))
