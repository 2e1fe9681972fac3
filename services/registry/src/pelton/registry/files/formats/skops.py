"""skops: a zip with a schema of the objects to build. What it names is imported, so it may name only what is listed."""

import json
from collections.abc import Iterator
from typing import Final

SCHEMA: Final = "schema.json"
PACKAGES: Final = frozenset({"sklearn", "numpy", "scipy", "xgboost", "lightgbm", "quantile_forest"})
"""Packages of estimators. Their types are built; a function that a schema names would be called."""
BUILTINS: Final = frozenset(
    {
        "bool",
        "bytearray",
        "bytes",
        "complex",
        "dict",
        "float",
        "frozenset",
        "int",
        "list",
        "range",
        "set",
        "slice",
        "str",
        "tuple",
    }
)
CALLING_LOADERS: Final = frozenset({"FunctionNode", "MethodNode", "OperatorFuncNode", "PartialNode", "ReduceNode"})


def why_unsafe(schema: bytes) -> str | None:
    """Why what a schema describes is not only values and known estimators; None where it is."""
    try:
        document = json.loads(schema)
    except (ValueError, RecursionError):
        return "has a skops schema that cannot be read"
    for node in _nodes(document):
        module, name, loader = node.get("__module__"), node.get("__class__"), node.get("__loader__")
        if loader in CALLING_LOADERS:
            return f"is skops with a {loader}, which calls {module}.{name}"
        package = str(module).partition(".")[0]
        if module is not None and package not in PACKAGES and not (module == "builtins" and name in BUILTINS):
            return f"is skops with the type {module}.{name}, which is not one of those known to be safe"
    return None


def _nodes(document: object) -> Iterator[dict[str, object]]:
    waiting = [document]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            yield value
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
