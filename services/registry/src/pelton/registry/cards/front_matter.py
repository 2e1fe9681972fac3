"""The front matter of a card, as Hugging Face's model cards have it. Pure."""

from typing import Any, Final

import yaml

from pelton.registry.cards.source import CardSource

LIBRARIES: Final = {"onnx": "onnx", "skops": "sklearn", "safetensors": "safetensors"}
TRAINED_TASK: Final = "tabular-classification"
LOGGED_TASK: Final = "other"


def front_matter(source: CardSource) -> str:
    """YAML: `library_name`, `tags`, `license`, a `model-index` with the metrics, and Pelton's own under `pelton`."""
    content = {
        "library_name": _library(source),
        "license": source.tags.get("license"),
        "tags": ["pelton", source.stage, *(f"{name}:{value}" for name, value in sorted(source.tags.items()))],
        "model-index": [{"name": source.model, "results": _results(source)}],
        "pelton": _identity(source),
    }
    told = {name: value for name, value in content.items() if value is not None}
    return yaml.safe_dump(told, sort_keys=False, allow_unicode=True, width=120)


def _library(source: CardSource) -> str | None:
    return LIBRARIES.get(source.details.artifact.format) if source.details is not None else None


def _results(source: CardSource) -> list[dict[str, Any]]:
    scores = {**source.metrics, **source.evidence.metrics}
    if not scores:
        return []
    result: dict[str, Any] = {
        "task": {"type": TRAINED_TASK if source.details is not None else LOGGED_TASK},
        "dataset": {"type": "pelton", "name": _dataset(source)},
        "metrics": [{"type": name, "name": name, "value": value} for name, value in sorted(scores.items())],
    }
    if source.details is not None:
        result["dataset"]["revision"] = source.details.dataset
    return [result]


def _dataset(source: CardSource) -> str:
    names = [name for name in source.contents.get("data", {}) if name != "dataset"]
    if names:
        return ", ".join(names)
    if source.details is not None:
        return f"held-out rows of {source.model}"
    # whoever logged the run knows what it was measured on: rows it was trained on, perhaps
    return f"as run {source.run_id} logged it" if source.run_id else "as its owner recorded it"


def _identity(source: CardSource) -> dict[str, Any]:
    code = source.contents.get("code", {})
    found = {
        "model": source.model,
        "version": source.version,
        "stage": source.stage,
        "artifact": source.artifact,
        "dataset": source.details.dataset if source.details is not None else None,
        "code": code.get("bundle") or code.get("commit"),
        "definition": source.definition_digest,
        "run_id": source.run_id,
        "parent": source.tags.get("pelton.parent"),
    }
    return {name: value for name, value in found.items() if value}
