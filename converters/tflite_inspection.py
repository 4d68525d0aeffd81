"""Reads what a finished ``.tflite`` file holds, with the format's own schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter

from pipeline.errors import InputError
from pipeline.values import Inspection, StoredTensor

_IDENTIFIER = b"TFL3"


def inspect(path: Path) -> Inspection:
    """Tells the constants and operators of a ``.tflite`` file.

    An operator counts as delegated where LiteRT on this machine gives it to XNNPACK.

    Raises:
        InputError: The file is no TFLite model, or it is damaged.
    """
    content = path.read_bytes()
    damaged = InputError(f"{path} cannot be read as a TFLite model", hint="build it again")
    if content[4:8] != _IDENTIFIER:
        raise damaged
    try:
        model = schema.ModelT.InitFromPackedBuf(content, 0)
        tensors = sorted(_constants(model), key=lambda tensor: -tensor.size_bytes)
        delegated = _num_delegated_ops(path)
    except Exception as err:  # the parser fails in as many ways as there are damaged bytes
        raise damaged from err
    return Inspection(
        tensors=tuple(tensors),
        num_ops=sum(len(graph.operators) for graph in model.subgraphs),
        num_delegated_ops=delegated,
        size_bytes=len(content),
    )


def _constants(model: Any) -> Iterator[StoredTensor]:
    """Yields each stored buffer once, with its scales; signatures share buffers."""
    names = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
    seen: set[int] = set()
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            buffer = model.buffers[tensor.buffer]
            # A quantized file keeps its buffers behind the flatbuffer, by offset and size.
            size_bytes = buffer.size if buffer.data is None else len(buffer.data)
            if not size_bytes or tensor.buffer in seen:
                continue
            seen.add(tensor.buffer)
            name = _short_name(tensor.name.decode())
            yield StoredTensor(name=name, dtype=names[tensor.type].lower(), size_bytes=size_bytes)
            scales = tensor.quantization.scale if tensor.quantization else None
            if scales is not None and len(scales):
                yield StoredTensor(
                    name=f"{name} scale", dtype="float32", size_bytes=4 * len(scales)
                )


def _short_name(name: str) -> str:
    """Returns the module path of a tensor without the classes that litert-torch writes into it."""
    path = name.split(";")[0].split("/")
    if len(path) == 1:
        return path[0]
    return ".".join(part.rsplit("_", 1)[-1] if "." in part else part for part in path)


def _num_delegated_ops(path: Path) -> int:
    """Counts the operators that XNNPACK takes; all signatures have the graph of the first."""
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
    return len(taken) * int(interpreter.num_subgraphs())
