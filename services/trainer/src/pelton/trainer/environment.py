"""What a training is computed with, captured so that it can be built again."""

import os
import platform
from importlib.metadata import distributions

from pelton.contracts.canonical import digest
from pelton.contracts.values import Environment

_OF_NOTE = ("numpy", "onnx", "onnxruntime", "pelton-trainer", "pyarrow", "scikit-learn", "scipy", "skl2onnx")


def capture() -> Environment:
    """This interpreter, and every distribution installed in it; the lock digest is over their sorted list."""
    named = ((dist.metadata["Name"], dist.version) for dist in distributions())
    installed = {name.lower().replace("_", "-"): version for name, version in named if name}
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        lock_digest=digest(sorted(f"{name}=={version}" for name, version in installed.items())),
        packages={name: installed[name] for name in _OF_NOTE if name in installed},
        cpu_count=os.cpu_count() or 1,
    )
