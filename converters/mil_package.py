"""Reads a saved ``.mlpackage`` from disk into a MIL function, on any system."""

import hashlib
import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from converters.damage import refused
from converters.workarounds import coremltools_without_frameworks
from pipeline.errors import InputError, MissingPackageError, path_error, storage_error
from pipeline.values import StoredTensor

KIND = "a Core ML program"

HINT_UNSUPPORTED = "Convert the model without this operator, or run the package on macOS."
_HINT_BROKEN = "Copy the whole .mlpackage folder again, or build it anew."
_INT32_FLAG = 0x20000  # ArrayFeatureType: 0x1.... are floats, 0x2.... are integers


@dataclass(frozen=True, kw_only=True)
class InputShapes:
    """What one input accepts.

    Attributes:
        is_integer: Whether the input takes int32 rather than floats.
        shapes: The accepted shapes, where they are listed.
        ranges: The least and the greatest size of each dimension, where they are not; None is
            no limit.
    """

    name: str
    is_integer: bool
    shapes: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[tuple[int, int | None], ...] = ()

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Returns whether an array of this shape can be given."""
        if self.shapes:
            return shape in self.shapes
        return len(shape) == len(self.ranges) and all(
            least <= size and (greatest is None or size <= greatest)
            for size, (least, greatest) in zip(shape, self.ranges, strict=True)
        )

    def __str__(self) -> str:
        if self.shapes:
            return " or ".join(map(str, self.shapes))
        dims = (
            str(least) if least == greatest else f"{least}..{'' if greatest is None else greatest}"
            for least, greatest in self.ranges
        )
        return f"({', '.join(dims)})"


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a package takes and gives by default, in the order of its description."""

    inputs: tuple[InputShapes, ...]
    output_names: tuple[str, ...]

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs' names."""
        return tuple(each.name for each in self.inputs)


@dataclass(frozen=True, kw_only=True)
class PackageFunction:
    """One function of a package.

    Attributes:
        function: A coremltools ``Function``, its weights still as the file stores them.
    """

    function: Any
    interface: Interface


def read_interface(path: Path) -> Interface:
    """Returns the inputs and outputs of a package's default function.

    Raises:
        InputError: The package is missing, broken, no ML program, or takes or gives something
            else than arrays.
        MissingPackageError: coremltools is not installed.
    """
    return _interface(_choose(open_spec(path)[0], None, path)[1])


def _interface(description: Any) -> Interface:
    return Interface(
        inputs=tuple(_input_shapes(feature) for feature in description.input),
        output_names=tuple(_output_name(feature) for feature in description.output),
    )


def read_function(path: Path, *, name: str | None, supported: Collection[str]) -> PackageFunction:
    """Returns one function of a package as the file holds it.

    Args:
        path: An ``.mlpackage`` folder.
        name: One function of a multifunction package; None is the package's default.
        supported: The operators that the caller can run.

    Raises:
        InputError: The package is missing, broken, no ML program, lacks the function, or uses
            another operator.
        MissingPackageError: coremltools is not installed.
    """
    spec, root = open_spec(path)
    name, description = _choose(spec, name, path)
    functions = spec.mlProgram.functions
    # The loader reads every function, with a copy of the shared weights for each.
    for other in set(functions) - {name}:
        del functions[other]
    _check_operators(functions[name], supported)
    interface = _interface(description)
    return PackageFunction(function=_load(spec, root).functions[name], interface=interface)


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

    with refused(root, KIND):
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
    if spec.WhichOneof("Type") != "mlProgram":
        raise InputError(
            f"{root} holds a {spec.WhichOneof('Type') or 'model of no type'}, "
            "expected an ML program",
            hint="Convert with convert_to='mlprogram'.",
        )
    return spec, root


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
    name = function or spec.description.defaultFunctionName or "main"
    if name not in names:
        raise InputError(
            f"{path} has no function {name!r}, it has {', '.join(names) or 'none'}",
            hint="Choose one of them with the function argument.",
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


def _output_name(feature: Any) -> str:
    kind = feature.type.WhichOneof("Type")
    if kind != "multiArrayType":
        raise InputError(
            f"output {feature.name!r} is of type {kind}, expected a multi-array",
            hint="Convert with TensorType outputs, and without a classifier's labels.",
        )
    return str(feature.name)


def _input_shapes(feature: Any) -> InputShapes:
    if feature.type.WhichOneof("Type") != "multiArrayType":
        raise InputError(
            f"input {feature.name!r} is of type {feature.type.WhichOneof('Type')}, "
            "expected a multi-array",
            hint="Convert with TensorType inputs.",
        )
    array = feature.type.multiArrayType
    is_integer = bool(array.dataType & _INT32_FLAG)
    flexibility = array.WhichOneof("ShapeFlexibility")
    if flexibility == "shapeRange":
        # An upper bound below zero stands for no bound.
        ranges = tuple(
            (size.lowerBound, None if size.upperBound < 0 else size.upperBound)
            for size in array.shapeRange.sizeRanges
        )
        return InputShapes(name=feature.name, is_integer=is_integer, ranges=ranges)
    listed = array.enumeratedShapes.shapes if flexibility == "enumeratedShapes" else [array]
    shapes = tuple(tuple(entry.shape) for entry in listed)
    return InputShapes(name=feature.name, is_integer=is_integer, shapes=shapes)
