"""A project folder: `pelton.yaml` (the model), `features.py` (sources and feature views), `pipeline.py` (the code)."""

import importlib.util
import io
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import yaml
from pydantic import ValidationError

from pelton.contracts.definitions import FeatureViewDefinition, ModelDefinition, SourceDefinition
from pelton.sdk.errors import ProjectError

MODEL_FILE, FEATURES_FILE = "pelton.yaml", "features.py"
# The oldest time a zip archive can hold: the same code is the same bytes whenever it is bundled.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Project:
    """What a folder declares. `code` is a zip archive of its Python files, the same bytes for the same files."""

    folder: Path
    model: ModelDefinition
    sources: tuple[SourceDefinition, ...]
    views: tuple[FeatureViewDefinition, ...]
    code: bytes


def load_project(folder: Path) -> Project:
    """Read a project folder. Its `features.py` is run: it is the caller's own code.

    Raises:
        ProjectError: a file is missing, or says something that is not understood; the message names file and field.
    """
    model = _read_model(folder / MODEL_FILE)
    declared = vars(_run(folder / FEATURES_FILE)).values()
    sources = tuple(one for one in declared if isinstance(one, SourceDefinition))
    views = tuple(one for one in declared if isinstance(one, FeatureViewDefinition))
    entry = folder / f"{model.pipeline.entry.partition(':')[0]}.py"
    if not entry.is_file():
        raise ProjectError(f"{folder / MODEL_FILE}: pipeline.entry names {entry.name}, which is not in the folder")
    _check_references(folder / MODEL_FILE, model, sources, views)
    return Project(folder, model, sources, views, bundle(folder))


def bundle(folder: Path) -> bytes:
    """The Python files of a folder as a zip archive, sorted, without times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted(folder.glob("*.py")):
            entry = zipfile.ZipInfo(path.name, _ZIP_EPOCH)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


def _read_model(path: Path) -> ModelDefinition:
    try:
        raw = yaml.safe_load(path.read_text())
    except FileNotFoundError:
        raise ProjectError(f"{path} is not there; `pelton init` makes a project folder") from None
    except yaml.YAMLError as error:
        raise ProjectError(f"{path} is not YAML: {error}") from error
    try:
        return ModelDefinition.model_validate(raw)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
        raise ProjectError(f"{path}: {faults}") from error


def _run(path: Path) -> ModuleType:
    specification = importlib.util.spec_from_file_location(f"pelton_project_{path.parent.name}", path)
    if specification is None or specification.loader is None or not path.is_file():
        raise ProjectError(f"{path} is not there; it declares the sources and feature views")
    module = importlib.util.module_from_spec(specification)
    before = sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        raise ProjectError(f"{path} does not run: {type(error).__name__}: {error}") from error
    finally:
        sys.dont_write_bytecode = before
    return module


def _check_references(
    path: Path,
    model: ModelDefinition,
    sources: tuple[SourceDefinition, ...],
    views: tuple[FeatureViewDefinition, ...],
) -> None:
    """Every source and feature that the model names must be declared beside it."""
    known_sources = {source.name for source in sources}
    for field, name in (("source", model.source), ("label.source", model.label.source)):
        if name not in known_sources:
            raise ProjectError(f"{path}: {field} names {name!r}, which {FEATURES_FILE} does not declare")
    known = {f"{view.name}:{feature}" for view in views for feature in view.feature_names}
    unknown = [ref for ref in model.inputs.features if ref not in known]
    if unknown:
        raise ProjectError(f"{path}: inputs.features names {', '.join(unknown)}, which no feature view has")
