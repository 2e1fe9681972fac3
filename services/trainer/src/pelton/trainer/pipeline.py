"""The user's code: from its entry and a candidate's parameters to an estimator. Only a worker process runs it."""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pelton.contracts.definitions import PipelineDefinition


class UnfitPipelineError(ValueError):
    """Code that cannot be imported, or that does not give a classifier."""


def load_entry(code: Path, pipeline: PipelineDefinition) -> Callable[..., Any]:
    """Import `module:function` from a project's folder.

    Raises:
        UnfitPipelineError: the module cannot be imported, or has no such function.
    """
    module_name, _, function_name = pipeline.entry.partition(":")
    sys.path.insert(0, str(code))
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UnfitPipelineError(
            f"pipeline.entry {pipeline.entry!r}: importing {module_name} failed with {type(error).__name__}: {error}"
        ) from error
    function: Callable[..., Any] | None = getattr(module, function_name, None)
    if not callable(function):
        raise UnfitPipelineError(f"pipeline.entry {pipeline.entry!r}: {module_name} has no function {function_name}")
    return function


def make_estimator(entry: Callable[..., Any], parameters: Mapping[str, Any], seed: int) -> Any:  # noqa: ANN401 - scikit-learn is untyped
    """An unfitted classifier of these parameters; every `random_state` that it leaves open is set to the seed.

    Raises:
        UnfitPipelineError: the function fails, or what it gives is not a classifier with probabilities.
    """
    try:
        estimator = entry(**parameters)
    except MemoryError:
        raise
    except Exception as error:
        raise UnfitPipelineError(
            f"the pipeline called with {dict(parameters)} failed with {type(error).__name__}: {error}"
        ) from error
    if not hasattr(estimator, "fit") or not hasattr(estimator, "predict_proba"):
        raise UnfitPipelineError(
            f"the pipeline gave a {type(estimator).__name__}: it must be an unfitted scikit-learn classifier "
            "with predict_proba"
        )
    open_states = {
        name: seed
        for name, value in estimator.get_params(deep=True).items()
        if value is None and (name == "random_state" or name.endswith("__random_state"))
    }
    return estimator.set_params(**open_states)
