"""Reads the programs of an opened ``.mlpackage`` into MIL functions, on any system."""

import hashlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from converters.coreml_evaluator.limits import check_elements
from converters.coreml_evaluator.package import (
    HINT_UNSUPPORTED,
    KIND,
    Package,
    choose,
    open_spec,
)
from converters.reading.damage import refused
from converters.values.artifact import StoredTensor
from converters.values.errors import InputError
from converters.workarounds import coremltools_with_bounded_results


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
        name, _ = choose(spec, package.function, package.root)
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
