"""A project folder: `pelton.yaml` (the model), `features.py` (what it is made of), `pipeline.py` (the code)."""

import ast
import importlib.util
import io
import sys
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from pelton.contracts.definitions import (
    EntityDefinition,
    FeatureServiceDefinition,
    FeatureViewDefinition,
    ModelDefinition,
    SourceDefinition,
    TransformationDefinition,
)
from pelton.sdk.errors import ProjectError
from pelton.sdk.transformations import Transformation

MODEL_FILE, FEATURES_FILE = "pelton.yaml", "features.py"
# The oldest time a zip archive can hold: the same code is the same bytes whenever it is bundled.
_ZIP_EPOCH = (1980, 1, 1, 0, 0, 0)
# An archive says which system made it; the same code is the same bytes on each.
_UNIX = 3

Named = TypeVar(
    "Named",
    EntityDefinition,
    SourceDefinition,
    FeatureViewDefinition,
    TransformationDefinition,
    FeatureServiceDefinition,
)


@dataclass(frozen=True, slots=True)
class Project:
    """What a folder declares. `code` is a zip archive of its Python files, the same bytes for the same files."""

    folder: Path
    model: ModelDefinition
    sources: tuple[SourceDefinition, ...]
    views: tuple[FeatureViewDefinition, ...]
    code: bytes
    entities: tuple[EntityDefinition, ...] = ()
    transformations: tuple[TransformationDefinition, ...] = ()
    services: tuple[FeatureServiceDefinition, ...] = ()


def load_project(folder: Path) -> Project:
    """Read a project folder. Its `features.py` is run: it is the caller's own code.

    Raises:
        ProjectError: a file is missing, or says something that is not understood; the message names file and field.
    """
    model = _read_model(folder / MODEL_FILE)
    features = folder / FEATURES_FILE
    declared = [one.definition if isinstance(one, Transformation) else one for one in vars(_run(features)).values()]
    project = Project(
        folder=folder,
        model=model,
        sources=_named(features, declared, SourceDefinition),
        views=_named(features, declared, FeatureViewDefinition),
        code=bundle(folder),
        entities=_named(features, declared, EntityDefinition),
        transformations=_named(features, declared, TransformationDefinition),
        services=_named(features, declared, FeatureServiceDefinition),
    )
    _check_entry(folder, model.pipeline.entry)
    _check_references(project)
    _check_fields(project)
    return project


def bundle(folder: Path) -> bytes:
    """The Python files of a folder as a zip archive, sorted, without times."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for path in sorted((one for one in folder.glob("*.py") if one.is_file()), key=lambda one: one.name):
            entry = zipfile.ZipInfo(path.name, _ZIP_EPOCH)
            entry.create_system = _UNIX
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return buffer.getvalue()


class _Loader(yaml.SafeLoader):
    """YAML's safe loader, but that a key given twice is a fault and not the last one's win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002 - YAML's own signature
        keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode) and key.value != "<<"]
        twice = sorted({key for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"{twice[0]!r} is given twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _read_model(path: Path) -> ModelDefinition:
    try:
        raw = yaml.load(path.read_text(encoding="utf-8"), _Loader)  # noqa: S506 - a safe loader
    except FileNotFoundError:
        raise ProjectError(f"{path} is not there; `pelton init` makes a project folder") from None
    except OSError as error:
        raise ProjectError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ProjectError(f"{path} is not YAML: {error}") from error
    if not isinstance(raw, dict):
        raise ProjectError(f"{path} declares no model: it must have fields such as `name: flight-delay`")
    try:
        return ModelDefinition.model_validate(raw)
    except ValidationError as error:
        raise ProjectError(f"{path}: {_faults(error)}") from error


def _faults(error: ValidationError) -> str:
    said = []
    for one in error.errors():
        where = ".".join(map(str, one["loc"]))
        what = one["msg"].removeprefix("Value error, ")
        said.append(f"{where}: {what}" if where else what)
    return "; ".join(said)


def _run(path: Path) -> ModuleType:
    if not path.is_file():
        raise ProjectError(f"{path} is not there; it declares the sources and feature views")
    name = f"pelton_project_{path.parent.name}"
    specification = importlib.util.spec_from_file_location(name, path)
    if specification is None or specification.loader is None:
        raise ProjectError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(specification)
    with _importing_from(path.parent.resolve()):
        sys.modules[name] = module
        try:
            specification.loader.exec_module(module)
        except ValidationError as error:
            raise ProjectError(f"{path}, {error.title}: {_faults(error)}") from error
        except (Exception, SystemExit) as error:
            raise ProjectError(f"{path} does not run: {type(error).__name__}: {error}") from error
    return module


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    """Let code import its neighbours, as it does in the trainer, and leave no trace of them to another project."""
    known, bytecode = set(sys.modules), sys.dont_write_bytecode
    sys.path.insert(0, str(folder))
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.dont_write_bytecode = bytecode
        sys.path.remove(str(folder))
        for name in set(sys.modules) - known:
            file = getattr(sys.modules[name], "__file__", None)
            if file is not None and Path(file).resolve().parent == folder:
                del sys.modules[name]


def _named(path: Path, declared: Sequence[object], kind: type[Named]) -> tuple[Named, ...]:
    """What of a kind was declared, each once, though two variables may hold it."""
    found: dict[str, Named] = {}
    for one in declared:
        if isinstance(one, kind) and found.setdefault(one.name, one) != one:
            raise ProjectError(f"{path} declares two different things of the name {one.name!r}")
    return tuple(found.values())


def _check_entry(folder: Path, entry: str) -> None:
    module, _, function = entry.partition(":")
    path = folder / f"{module}.py"
    if not path.is_file():
        raise ProjectError(f"{folder / MODEL_FILE}: pipeline.entry names {path.name}, which is not in the folder")
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError) as error:
        raise ProjectError(f"{path} is not Python: {error}") from error
    if function not in set(_bound(tree)):
        raise ProjectError(f"{folder / MODEL_FILE}: pipeline.entry names {function}, which {path.name} does not define")


def _bound(tree: ast.Module) -> Iterator[str]:
    """Every name that a module may give something to. It is not run: that takes the trainer's packages."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                yield name
            case ast.alias(name=name, asname=other):
                yield other or name


def _check_references(project: Project) -> None:
    """Every source and feature that is named must be declared beside it."""
    path, model = project.folder / MODEL_FILE, project.model
    features = project.folder / FEATURES_FILE
    known_sources = {source.name for source in project.sources}
    for field, name in (("source", model.source), ("label.source", model.label.source)):
        if name not in known_sources:
            raise ProjectError(f"{path}: {field} names {name!r}, which {FEATURES_FILE} does not declare")
    for view in project.views:
        if view.source not in known_sources:
            raise ProjectError(
                f"{features}: the view {view.name!r} is of the source {view.source!r}, which is not declared beside it"
            )
    of_views = {f"{view.name}:{feature}" for view in project.views for feature in view.feature_names}
    for one in project.transformations:
        unknown = sorted(set(one.inputs.values()) - of_views)
        if unknown:
            raise ProjectError(
                f"{features}: the transformation {one.name!r} reads {', '.join(unknown)}, which no feature view has"
            )
    known = of_views | {f"{one.name}:{feature}" for one in project.transformations for feature in one.feature_names}
    for service in project.services:
        unknown = [ref for ref in service.features if ref not in known]
        if unknown:
            raise ProjectError(
                f"{features}: the feature service {service.name!r} names {', '.join(unknown)}, which no feature view "
                "and no transformation has"
            )
    unknown = [ref for ref in model.inputs.features if ref not in known]
    if unknown:
        raise ProjectError(
            f"{path}: inputs.features names {', '.join(unknown)}, which no feature view and no transformation has"
        )


def _check_fields(project: Project) -> None:
    """What the model takes of an event, its source's schema must have: a training would find out only later."""
    path, model = project.folder / MODEL_FILE, project.model
    source = next(one for one in project.sources if one.name == model.source)
    fields = source.json_schema.get("properties", {})
    named = {ref.partition(":")[0] for ref in model.inputs.features}
    wanted = dict.fromkeys(model.inputs.request, "inputs.request")
    for one in project.transformations:
        if one.name in named:
            named |= {ref.partition(":")[0] for ref in one.inputs.values()}
            wanted |= dict.fromkeys(one.request, f"the transformation {one.name!r}")
    for view in project.views:
        if view.name in named:
            wanted |= dict.fromkeys(view.join_keys, f"the entity of {view.name!r}")
    wanted |= dict.fromkeys(model.attributes, "evaluation")
    for name, where in wanted.items():
        if name not in fields:
            known = ", ".join(sorted(fields)) or "none"
            raise ProjectError(
                f"{path}: {where} has {name!r}, no field of the source {model.source!r}, which has: {known}"
            )
