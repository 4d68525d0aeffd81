"""Opens a saved ``.mlpackage``, on any system: its manifest, and what its model describes."""

import itertools
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from converters.coreml_evaluator.interface import Interface, read_interface
from converters.values.errors import InputError, MissingPackageError, path_error, storage_error
from converters.workarounds import coremltools_without_frameworks

KIND = "a Core ML program"

HINT_UNSUPPORTED = "convert the model without this operator, or run the package on macOS"
MAIN = "main"
"""The function of a package that names none. Before iOS 18 and macOS 15 it is called without it."""

PROGRAM = "mlProgram"
_PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")
_HINT_BROKEN = "copy the whole .mlpackage folder again, or build it anew"


@dataclass(frozen=True, kw_only=True)
class Package:
    """A package as its file describes it.

    Attributes:
        interface: Of the function that was asked for; of all its programs where it is a pipeline.
        function: The function's name; None for a pipeline.
        other_functions: Names of the functions that were not asked for.
        parts: The specification of each program, in the order that they run in.
        unread: Kinds of the parts of a pipeline that follow them and are no programs.
        path: The folder.
        root: The file in it that describes the rest.
    """

    interface: Interface
    function: str | None
    other_functions: tuple[str, ...] = ()
    parts: tuple[Any, ...]
    unread: tuple[str, ...] = ()
    path: Path
    root: Path


def open_package(path: Path, *, function: str | None = None) -> Package:
    """Returns what a package describes of itself.

    Args:
        path: An ``.mlpackage`` folder.
        function: One function of a multifunction package; None is the package's default.

    Raises:
        InputError: The package is missing, broken, lacks the function, begins with no ML program,
            or takes or gives something else than arrays, images and a classifier's labels.
        MissingPackageError: coremltools is not installed.
    """
    spec, root = _open(path)
    if spec.WhichOneof("Type") not in _PIPELINES:
        _check_is_program(spec, root)
        name, description = choose(spec, function, path)
        return Package(
            interface=read_interface(description),
            function=name,
            other_functions=tuple(sorted(set(spec.mlProgram.functions) - {name})),
            parts=(spec,),
            path=path,
            root=root,
        )
    if function is not None:
        raise InputError(f"{path} is a pipeline, without functions", hint="leave --function out")
    return _open_pipeline(spec, path, root)


def _open_pipeline(spec: Any, path: Path, root: Path) -> Package:
    """Returns the ML programs that a pipeline begins with."""
    models = list(_pipeline(spec).models)
    kinds = [model.WhichOneof("Type") or "part of no type" for model in models]
    programs = list(itertools.takewhile(lambda model: model.WhichOneof("Type") == PROGRAM, models))
    if not programs:
        raise InputError(
            f"{root} is a pipeline that begins with a {kinds[0] if kinds else 'part of no type'}",
            hint="save the pipeline's ML program alone, and compare that",
        )
    if len(programs) == len(models):
        interface = read_interface(spec.description)
    else:
        first, last = (read_interface(programs[i].description) for i in (0, -1))
        interface = replace(last, inputs=first.inputs)
    return Package(
        interface=interface,
        function=None,
        parts=tuple(programs),
        unread=tuple(kinds[len(programs) :]),
        path=path,
        root=root,
    )


def _import_coremltools() -> None:
    try:
        with coremltools_without_frameworks():
            import coremltools  # noqa: F401
    except ImportError as err:
        raise MissingPackageError(
            "reading a Core ML package needs coremltools", hint="pip install 'pocketbert[coreml]'"
        ) from err


def open_spec(path: Path) -> tuple[Any, Path]:
    """Returns the model's protobuf, and the file that it came from.

    The manifest is read here rather than by coremltools, whose reader creates an empty package
    where it finds none.
    """
    spec, root = _open(path)
    _check_is_program(spec, root)
    return spec, root


def _open(path: Path) -> tuple[Any, Path]:
    _import_coremltools()
    from coremltools.proto import Model_pb2
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        manifest = json.loads(_read(path / "Manifest.json"))
        item = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]
        root = path / "Data" / _inside(item["path"])
    except (ValueError, KeyError, TypeError, RecursionError) as err:
        if isinstance(err, InputError):
            raise
        raise InputError(
            f"{path / 'Manifest.json'} is no manifest of a Core ML package", hint=_HINT_BROKEN
        ) from err
    try:
        spec = Model_pb2.Model.FromString(_read(root))
    except DecodeError as err:
        raise InputError(f"{root} is no Core ML model", hint=_HINT_BROKEN) from err
    return spec, root


def _check_is_program(spec: Any, root: Path) -> None:
    kind = spec.WhichOneof("Type")
    if kind != PROGRAM:
        raise InputError(
            f"{root} holds a {kind or 'model of no type'}, expected an ML program",
            hint="save each of the pipeline's parts alone"
            if kind in _PIPELINES
            else "convert with convert_to='mlprogram'",
        )


def _pipeline(spec: Any) -> Any:
    kind = spec.WhichOneof("Type")
    return spec.pipeline if kind == "pipeline" else getattr(spec, kind).pipeline


def _inside(path: Any) -> str:
    # A package may come from anywhere: it must not have other files of this machine read.
    if not isinstance(path, str) or path.startswith("/") or ".." in path.split("/"):
        raise ValueError("not a path inside the package")
    return path


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as err:
        raise InputError(
            f"{path} does not exist", hint="give the path of a whole .mlpackage folder"
        ) from err
    except OSError as err:
        raise path_error(err) or storage_error(err) or err from err


def choose(spec: Any, function: str | None, path: Path) -> tuple[str, Any]:
    """Returns the function's name, and the description of its inputs and outputs."""
    names = sorted(spec.mlProgram.functions)
    name = spec.description.defaultFunctionName or MAIN if function is None else function
    if name not in names:
        raise InputError(
            f"{path} has no function {name!r}, it has {', '.join(names) or 'none'}",
            hint="choose one of them with --function",
        )
    described = {entry.name: entry for entry in spec.description.functions}
    return name, described.get(name, spec.description)
