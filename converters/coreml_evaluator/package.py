"""Reads a saved ``.mlpackage`` from disk into a MIL function, on any system."""

import hashlib
import itertools
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from converters.coreml_evaluator.interface import Interface, read_interface
from converters.coreml_evaluator.limits import check_elements
from converters.reading.damage import refused
from converters.values.artifact import StoredTensor
from converters.values.errors import InputError, MissingPackageError, path_error, storage_error
from converters.workarounds import coremltools_with_bounded_results, coremltools_without_frameworks

KIND = "a Core ML program"

HINT_UNSUPPORTED = "Convert the model without this operator, or run the package on macOS."
MAIN = "main"
"""The function of a package that names none. Before iOS 18 and macOS 15 it is called without it."""

PROGRAM = "mlProgram"
_PIPELINES = ("pipeline", "pipelineClassifier", "pipelineRegressor")
_HINT_BROKEN = "Copy the whole .mlpackage folder again, or build it anew."


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
        name, description = _choose(spec, function, path)
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


def read_functions(package: Package, *, supported: Collection[str] | None = None) -> list[Any]:
    """Returns a coremltools ``Function`` of each part, its weights still as the file stores them.

    Args:
        package: As ``open_package`` returns it.
        supported: The operators that the caller can run; None where it runs none.

    Raises:
        InputError: A part is broken, or uses another operator.
    """
    read = []
    for spec in package.parts:
        name, _ = _choose(spec, package.function, package.root)
        functions = spec.mlProgram.functions
        # The loader reads every function, with a copy of the shared weights for each.
        for other in set(functions) - {name}:
            del functions[other]
        if supported is not None:
            _check_operators(functions[name], supported)
        read.append(_load(spec, package.root).functions[name])
    return read


def read_program(path: Path) -> Any:
    """Returns a package's whole program as a coremltools ``Program``.

    Raises:
        InputError: The package is missing, broken or no ML program.
        MissingPackageError: coremltools is not installed.
    """
    return _load(*open_spec(path))


def stored_tensors(program: Any) -> list[StoredTensor]:
    """Returns the constants of a program from ``read_program``, with the bytes that they take.

    Functions of one package share equal constants; within a function each one counts.
    """
    stored: dict[Any, list[StoredTensor]] = {}
    for function in program.functions.values():
        own: dict[Any, list[StoredTensor]] = {}
        for tensor, digest in _constants(function):
            # The loader gives the names of what functions share a number for each function.
            own.setdefault((tensor.dtype, tensor.is_scale, digest), []).append(tensor)
        for key, tensors in own.items():
            stored[key] = max(stored.get(key, []), tensors, key=len)
    return [tensor for tensors in stored.values() for tensor in tensors]


def _constants(function: Any) -> Iterator[tuple[StoredTensor, bytes]]:
    """Yields the arrays of a function, each with a digest of its content."""
    scales = {
        operation.inputs["scale"]
        for operation in function.operations
        if operation.op_type.startswith("constexpr_") and "scale" in operation.inputs
    }
    for operation in function.operations:
        if operation.op_type == "const" and isinstance(operation.outputs[0].val, np.ndarray):
            var = operation.outputs[0]
            yield _stored_tensor(var, is_scale=var in scales), _digest(var.val)


def _digest(array: np.ndarray) -> bytes:
    return hashlib.sha256(array.tobytes()).digest()


def _stored_tensor(var: Any, *, is_scale: bool) -> StoredTensor:
    from coremltools.converters.mil.mil import types

    # The loader unpacks elements of less than a byte; the file packs them.
    bits_each = 8 if types.is_bool(var.dtype) else var.dtype.get_bitwidth()
    num_bits = bits_each * var.val.size
    dtype = types.builtin_to_string(var.dtype).replace("fp", "float")
    return StoredTensor(name=var.name, dtype=dtype, size_bytes=-(-num_bits // 8), is_scale=is_scale)


def _load(spec: Any, root: Path) -> Any:
    from coremltools.converters.mil.frontend.milproto.load import load

    with refused(root, KIND), coremltools_with_bounded_results(check_elements):
        return load(
            spec,
            specification_version=spec.specificationVersion,
            file_weights_dir=str(root.parent / "weights"),
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
            hint="Save each of the pipeline's parts alone."
            if kind in _PIPELINES
            else "Convert with convert_to='mlprogram'.",
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
            f"{path} does not exist", hint="Give the path of a whole .mlpackage folder."
        ) from err
    except OSError as err:
        raise path_error(err) or storage_error(err) or err from err


def _choose(spec: Any, function: str | None, path: Path) -> tuple[str, Any]:
    """Returns the function's name, and the description of its inputs and outputs."""
    names = sorted(spec.mlProgram.functions)
    name = spec.description.defaultFunctionName or MAIN if function is None else function
    if name not in names:
        raise InputError(
            f"{path} has no function {name!r}, it has {', '.join(names) or 'none'}",
            hint="Choose one of them with --function.",
        )
    described = {entry.name: entry for entry in spec.description.functions}
    return name, described.get(name, spec.description)


def _check_operators(function: Any, supported: Collection[str]) -> None:
    """Checks that the caller can run all operators; those it cannot are named together."""
    unknown: dict[str, str] = {}
    for block in function.block_specializations.values():
        for operation in _operations(block):
            if operation.type != "const" and operation.type not in supported:
                name = operation.outputs[0].name if operation.outputs else "without a result"
                unknown.setdefault(operation.type, name)
    if unknown:
        named = ", ".join(f"{kind!r} (value {name!r})" for kind, name in sorted(unknown.items()))
        several = len(unknown) > 1
        raise InputError(
            f"Core ML operator{'s' if several else ''} {named} "
            f"{'are' if several else 'is'} not supported here",
            hint=HINT_UNSUPPORTED,
        )


def _operations(block: Any) -> Iterator[Any]:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _operations(inner)
