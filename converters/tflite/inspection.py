"""What a finished ``.tflite`` file holds."""

import math
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from converters.reading.damage import in_fork, refused
from converters.tflite.file import KIND, TFLiteFile
from converters.tflite.matrices import scale_tensors
from converters.values.artifact import Inspection, StoredTensor

_LINEAR = schema.BuiltinOperator.FULLY_CONNECTED
_BATCHED = schema.BuiltinOperator.BATCH_MATMUL


def inspect(path: Path) -> Inspection:
    """Returns the constants and operators of a ``.tflite`` file.

    An operator counts as delegated where LiteRT on this machine gives it to XNNPACK.

    Raises:
        InputError: The file is no TFLite model, or it is damaged.
    """
    with refused(path, KIND):
        file = TFLiteFile(path)
        tensors = sorted(_constants(file), key=lambda tensor: -tensor.size_bytes)
        taken = in_fork(_delegated, path)
        longest = max(file.graphs.values(), key=lambda graph: _num_macs(file, graph))
        # The signatures differ in their lengths only.
        num_macs, num_delegated_macs = _num_macs(file, longest), _num_macs(file, longest, taken)
        return Inspection(
            tensors=tuple(tensors),
            num_ops=sum(len(graph.operators) for graph in file.graphs.values()),
            num_delegated_ops=len(taken) * len(file.graphs),
            num_macs=num_macs,
            num_delegated_macs=num_delegated_macs,
            size_bytes=path.stat().st_size,
        )


def _constants(file: TFLiteFile) -> Iterator[StoredTensor]:
    """Yields each stored buffer once, with its scales; signatures share buffers."""
    names = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
    seen: set[int] = set()
    for graph in file.graphs.values():
        scales_of_blocks = scale_tensors(graph)
        for index, tensor in enumerate(graph.tensors):
            content = file.content_of(tensor)
            if not content or tensor.buffer in seen:
                continue
            seen.add(tensor.buffer)
            name = _short_name(tensor.name.decode())
            yield StoredTensor(
                name=name,
                dtype=names[tensor.type].lower(),
                size_bytes=len(content),
                is_scale=index in scales_of_blocks,
            )
            scales = tensor.quantization.scale if tensor.quantization else None
            if scales is not None and len(scales):
                yield StoredTensor(
                    name=f"{name} scale",
                    dtype="float32",
                    size_bytes=4 * len(scales),
                    is_scale=True,
                )


def _short_name(name: str) -> str:
    """Returns the module path of a tensor without the classes that litert-torch writes into it."""
    path = name.split(";")[0].split("/")
    if len(path) == 1:
        return path[0]
    return ".".join(part.rsplit("_", 1)[-1] if "." in part else part for part in path)


def _num_macs(file: TFLiteFile, graph: Any, among: Collection[int] | None = None) -> int:
    """Counts multiply-adds of matrix products: of all operators, or among those of some numbers."""
    return sum(
        _operator_macs(file, graph, operator)
        for number, operator in enumerate(graph.operators)
        if among is None or number in among
    )


def _operator_macs(file: TFLiteFile, graph: Any, operator: Any) -> int:
    code = file.code(operator)
    if code not in (_LINEAR, _BATCHED):
        return 0
    left, out = graph.tensors[operator.inputs[0]].shape, graph.tensors[operator.outputs[0]].shape
    is_transposed = code == _BATCHED and operator.builtinOptions.adjX
    # Python's integers: NumPy's of 32 bits overflow.
    return math.prod(map(int, out)) * int(left[-2 if is_transposed else -1])


def _delegated(path: Path) -> set[int]:
    """Returns the operators that XNNPACK takes of the first graph, by number."""
    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    operators = interpreter._get_ops_details()
    plain = [operator for operator in operators if operator["op_name"] != "DELEGATE"]
    maker = {int(output): number for number, operator in enumerate(plain)
             for output in operator["outputs"]}  # fmt: skip
    taken: set[int] = set()
    for delegate in operators:
        if delegate["op_name"] != "DELEGATE":
            continue
        given = {int(tensor) for tensor in delegate["inputs"]}
        waiting = [int(tensor) for tensor in delegate["outputs"]]
        while waiting:
            tensor = waiting.pop()
            number = maker.get(tensor)
            if tensor in given or number is None or number in taken:
                continue
            taken.add(number)
            waiting += [int(source) for source in plain[number]["inputs"]]
    return taken
