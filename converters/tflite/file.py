"""Opens a finished ``.tflite`` file with the format's own schema."""

import math
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from converters.reading.damage import refused

KIND = "a TFLite model"

_MAX_ELEMENTS = 2**28
"""Of a tensor, a gigabyte in fp32: the embedding of a vocabulary of 250,000, 1,024 wide, fits."""

LEAST_RUNTIME = b"min_runtime_version"
"""The name of its metadata."""

_NUM_REQUIRED = {
    schema.BuiltinOperator.FULLY_CONNECTED: 2,
    schema.BuiltinOperator.CONV_2D: 2,
    schema.BuiltinOperator.DEPTHWISE_CONV_2D: 2,
    schema.BuiltinOperator.TRANSPOSE_CONV: 3,
    schema.BuiltinOperator.LSTM: 1,
    schema.BuiltinOperator.UNIDIRECTIONAL_SEQUENCE_LSTM: 1,
    schema.BuiltinOperator.BIDIRECTIONAL_SEQUENCE_LSTM: 1,
    schema.BuiltinOperator.BIDIRECTIONAL_SEQUENCE_RNN: 1,
}
"""Inputs of the operators that may lack the rest; all others need all.

Source: LiteRT's kernels, where they call ``GetOptionalInputTensor``.
"""

_IDENTIFIER = b"TFL3"


class TFLiteFile:
    """The content of a ``.tflite`` file.

    Attributes:
        model: The schema's root table.
        graphs: The graph of each signature, by its name; where the file names none, by number.
    """

    def __init__(self, path: Path) -> None:
        """Reads a file.

        Raises:
            InputError: The file is no TFLite model, or it is damaged.
        """
        with refused(path, KIND):
            self._bytes = path.read_bytes()
            if self._bytes[4:8] != _IDENTIFIER:
                raise ValueError("it does not begin as one")
            self.model = schema.ModelT.InitFromPackedBuf(self._bytes, 0)
            for graph in self.model.subgraphs:
                self._check(graph)
            names = {each.subgraphIndex: each for each in self.model.signatureDefs or ()}
            self.graphs: dict[str, Any] = {
                names[index].signatureKey.decode() if index in names else str(index): graph
                for index, graph in enumerate(self.model.subgraphs)
            }

    @property
    def least_runtime(self) -> str:
        """The oldest release of TensorFlow Lite that runs it, as the file itself states."""
        (metadata,) = (each for each in self.model.metadata if each.name == LEAST_RUNTIME)
        return bytes(self.model.buffers[metadata.buffer].data).rstrip(b"\0").decode()

    def content_of(self, tensor: Any) -> bytes:
        """Returns what a tensor holds in the file; no bytes where it is computed."""
        buffer = self.model.buffers[tensor.buffer]
        if buffer.data is not None:
            return bytes(buffer.data)
        # Some writers keep buffers behind the flatbuffer, by offset and size.
        return self._bytes[buffer.offset : buffer.offset + buffer.size]

    def code(self, operator: Any) -> int:
        """Returns which built-in operator it is."""
        code = self.model.operatorCodes[operator.opcodeIndex]
        return int(flatbuffer_utils.get_builtin_code_from_operator_code(code))

    def _check(self, graph: Any) -> None:
        """Checks what LiteRT relies on and does not check: it would crash, or ask for terabytes."""
        numbers = range(len(graph.tensors))
        for operator in graph.operators:
            required = _NUM_REQUIRED.get(self.code(operator))
            taken, made = _numbers(operator.inputs), _numbers(operator.outputs)
            # By the format, -1 stands for an input that is left out.
            if any(
                number not in numbers and (number != -1 or place in range(len(taken))[:required])
                for place, number in enumerate(taken)
            ):
                raise ValueError("an operator takes what is no tensor")
            if not made or not all(number in numbers for number in made):
                raise ValueError("an operator gives what is no tensor")
        if any(n not in numbers for n in _numbers(graph.inputs) + _numbers(graph.outputs)):
            raise ValueError("the graph takes or gives what is no tensor")
        for tensor in graph.tensors:
            sizes = _numbers(tensor.shape)
            if any(size < 0 for size in sizes) or math.prod(sizes) > _MAX_ELEMENTS:
                raise ValueError(f"a tensor has the shape {sizes}")


def _numbers(vector: Any) -> list[int]:
    return [] if vector is None else [int(number) for number in vector]
