"""A ``.tflite`` file as something to edit: constants, tensors and operators to add, and to save."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from converters.tflite.file import LEAST_RUNTIME

_ALIGNMENT = 16
"""Bytes, of constants: the schema's ``force_align``, which its Python code does not heed."""

_LEAST_RUNTIME = {
    (schema.BuiltinOperator.FULLY_CONNECTED, 12): (2, 17, 0),
    (schema.BuiltinOperator.FULLY_CONNECTED, 13): (2, 18, 0),
    (schema.BuiltinOperator.EMBEDDING_LOOKUP, 4): (2, 18, 0),
}
"""The release that first knew a version of an operator.

Source: LiteRT, ``tflite/tools/versioning/runtime_version.cc``.
"""

_LEAST_FOR_CONSTANTS = (2, 21, 0)
"""The release that looks up in tables of halves, and that multiplies by integers in blocks.

No version of an operator tells it. Older releases stop at the halves, and load the blocks and
compute other numbers: LiteRT before 2.1.6 and before 2.1.0, and TensorFlow 2.18, were seen to.
"""


class SharedQuantization(schema.QuantizationParametersT):  # type: ignore[misc]
    """Scales that the tensors of several graphs have in common, and that the file holds once."""

    _written: tuple[flatbuffers.Builder, int] | None = None

    def Pack(self, builder: flatbuffers.Builder) -> int:  # noqa: N802
        """Writes them the first time, and returns where they are."""
        if self._written is None or self._written[0] is not builder:
            self._written = builder, super().Pack(builder)
        return self._written[1]


class EditedModel:
    """The content of a ``.tflite`` file, with its signatures' graphs."""

    def __init__(self, path: Path) -> None:
        self._model = flatbuffer_utils.read_model(path)
        self._shared: dict[str, int] = {}
        self._scales: dict[str, SharedQuantization] = {}
        signatures = {each.subgraphIndex: each for each in self._model.signatureDefs or ()}
        self.graphs = [
            Graph(self, graph, signatures.get(index))
            for index, graph in enumerate(self._model.subgraphs)
        ]

    def keep_signature(self, name: str) -> tuple["Graph", dict[str, int], dict[str, int]]:
        """Drops all signatures but one; returns its graph, and its inputs and outputs by name."""
        signature = next(
            each for each in self._model.signatureDefs if each.signatureKey.decode() == name
        )
        self._model.subgraphs = [self._model.subgraphs[signature.subgraphIndex]]
        self._model.signatureDefs = [signature]
        signature.subgraphIndex = 0
        self.graphs = [Graph(self, self._model.subgraphs[0], signature)]
        inputs, outputs = (
            {each.name.decode(): int(each.tensorIndex) for each in tensors}
            for tensors in (signature.inputs, signature.outputs)
        )
        return self.graphs[0], inputs, outputs

    def rename(self, *, inputs: Mapping[str, int], outputs: Mapping[str, int]) -> None:
        """Gives the one signature and its graph these inputs and outputs, in this order."""
        [graph], [signature] = self._model.subgraphs, self._model.signatureDefs
        graph.inputs, graph.outputs = list(inputs.values()), list(outputs.values())
        for name, index in (*inputs.items(), *outputs.items()):
            graph.tensors[index].name = name.encode()
        signature.inputs, signature.outputs = (
            [schema.TensorMapT(name=name.encode(), tensorIndex=index)
             for name, index in tensors.items()]
            for tensors in (inputs, outputs)
        )  # fmt: skip

    def set_metadata(self, name: str, content: bytes) -> None:
        """Stores metadata under a name, in place of all that there was."""
        data = np.frombuffer(content, np.uint8)
        self._model.buffers.append(schema.BufferT(data=data))
        buffer = len(self._model.buffers) - 1
        self._model.metadata = [schema.MetadataT(name=name.encode(), buffer=buffer)]

    def constant(self, buffer: int) -> np.ndarray | None:
        """Returns the bytes of a buffer, ``(size) uint8``, where it holds any."""
        data = self._model.buffers[buffer].data
        return None if data is None or not len(data) else np.frombuffer(data, np.uint8)

    def share(self, key: str, values: np.ndarray) -> int:
        """Returns the buffer that holds a constant, the same one each time for one key."""
        if key not in self._shared:
            data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
            self._model.buffers.append(schema.BufferT(data=data))
            self._shared[key] = len(self._model.buffers) - 1
        return self._shared[key]

    def share_scales(self, key: str, scales: np.ndarray) -> SharedQuantization:
        """Returns symmetric parameters with a scale a row, the same object for one key."""
        if key not in self._scales:
            self._scales[key] = SharedQuantization(
                scale=scales, zeroPoint=np.zeros(len(scales), np.int64), quantizedDimension=0
            )
        return self._scales[key]

    def code(self, operator: Any) -> int:
        """Returns which built-in operator it is."""
        code = self._model.operatorCodes[operator.opcodeIndex]
        return int(flatbuffer_utils.get_builtin_code_from_operator_code(code))

    def set_code(self, operator: Any, code: int, version: int) -> None:
        """Makes an operator one of a built-in kind and version."""
        codes = self._model.operatorCodes
        for index, known in enumerate(codes):
            known_code = flatbuffer_utils.get_builtin_code_from_operator_code(known)
            if (known_code, known.version) == (code, version):
                operator.opcodeIndex = index
                return
        codes.append(
            schema.OperatorCodeT(
                builtinCode=code, deprecatedBuiltinCode=min(code, 127), version=version
            )
        )
        operator.opcodeIndex = len(codes) - 1

    def save(self, path: Path) -> None:
        """Writes the file, without the constants that nothing uses any more."""
        self._raise_least_runtime()
        self._drop_unused()
        builder = _Builder(1024)
        builder.Finish(self._model.Pack(builder), b"TFL3")
        path.write_bytes(builder.Output())

    def _raise_least_runtime(self) -> None:
        for metadata in self._model.metadata or ():
            if metadata.name == LEAST_RUNTIME:
                buffer = self._model.buffers[metadata.buffer]
                text = bytes(buffer.data).rstrip(b"\0").decode()
                least = max(
                    tuple(int(part) for part in text.split(".")),
                    *(
                        self._least_runtime(graph, operator)
                        for graph in self._model.subgraphs
                        for operator in graph.operators
                    ),
                )
                padded = ".".join(map(str, least)).encode().ljust(_ALIGNMENT, b"\0")
                buffer.data = np.frombuffer(padded, np.uint8)

    def _least_runtime(self, graph: Any, operator: Any) -> tuple[int, ...]:
        code = self.code(operator)
        taken = [graph.tensors[index] for index in operator.inputs if index >= 0]
        holds_halves = any(tensor.type == schema.TensorType.FLOAT16 for tensor in taken)
        if (code == schema.BuiltinOperator.EMBEDDING_LOOKUP and holds_halves) or any(
            map(_is_in_blocks, taken)
        ):
            return _LEAST_FOR_CONSTANTS
        return _LEAST_RUNTIME.get((code, self._version(operator)), (0,))

    def _version(self, operator: Any) -> int:
        return int(self._model.operatorCodes[operator.opcodeIndex].version)

    def _drop_unused(self) -> None:
        tensors = [tensor for graph in self._model.subgraphs for tensor in graph.tensors]
        holders = [*tensors, *(self._model.metadata or ())]
        # By the format, buffer 0 is the empty one of all that is computed.
        kept = sorted({0, *(int(holder.buffer) for holder in holders)})
        number = {old: new for new, old in enumerate(kept)}
        self._model.buffers = [self._model.buffers[old] for old in kept]
        for holder in holders:
            holder.buffer = number[int(holder.buffer)]
        codes = self._model.operatorCodes
        operators = [operator for graph in self._model.subgraphs for operator in graph.operators]
        used = sorted({int(operator.opcodeIndex) for operator in operators})
        self._model.operatorCodes = [codes[old] for old in used]
        for operator in operators:
            operator.opcodeIndex = used.index(int(operator.opcodeIndex))


def _is_in_blocks(tensor: Any) -> bool:
    details = tensor.quantization.details if tensor.quantization else None
    return isinstance(details, schema.BlockwiseQuantizationT)


class Graph:
    """The graph of one signature."""

    def __init__(self, model: EditedModel, graph: Any, signature: Any) -> None:
        self.model = model
        self._graph = graph
        self._signature = signature

    @property
    def tensors(self) -> list[Any]:
        """Its tensors; operators know them by their place in this list."""
        tensors: list[Any] = self._graph.tensors
        return tensors

    @property
    def all_operators(self) -> list[Any]:
        """Its operators, in the order in which they run."""
        operators: list[Any] = self._graph.operators
        return operators

    def float_constant(self, tensor: int) -> np.ndarray | None:
        """Returns the values of a float32 constant in its own shape; None of another tensor."""
        stored = self.tensors[tensor]
        data = self.model.constant(stored.buffer)
        if data is None or stored.type != schema.TensorType.FLOAT32:
            return None
        return data.view(np.float32).reshape(stored.shape or ())

    def operators(self, code: int) -> list[Any]:
        """Returns its operators of one built-in kind."""
        return [each for each in self._graph.operators if self.model.code(each) == code]

    def maker(self, tensor: int) -> Any:
        """Returns the operator that computes a tensor; None where it is given."""
        makers = (each for each in self._graph.operators if tensor in each.outputs)
        return next(makers, None)

    def uses(self, tensor: int) -> list[tuple[Any, int]]:
        """Returns the operators that take a tensor, and as which of their inputs."""
        return [
            (operator, position)
            for operator in self._graph.operators
            for position, taken in enumerate(operator.inputs)
            if taken == tensor
        ]

    def constant(
        self, name: str, values: np.ndarray, *, dtype: int, shape: Sequence[int] | None = None
    ) -> Any:
        """Returns a tensor with values, to be added; all graphs share those of one name."""
        tensor = self.computed(name, values.shape if shape is None else shape, dtype=dtype)
        tensor.buffer = self.model.share(name, values)
        return tensor

    def computed(self, name: str, shape: Sequence[int], *, dtype: int) -> Any:
        """Returns a tensor that an operator is to fill, to be added."""
        return schema.TensorT(name=name.encode(), shape=list(shape), type=dtype, hasRank=True)

    def add_tensor(self, tensor: Any) -> int:
        """Adds a tensor, and returns its place."""
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def add_output(self, name: str, tensor: int) -> None:
        """Makes a tensor an output of the graph and of its signature."""
        self._graph.outputs = [*self._graph.outputs, tensor]
        self._signature.outputs.append(schema.TensorMapT(name=name.encode(), tensorIndex=tensor))

    def remove_operator(self, operator: Any) -> None:
        """Removes an operator, whose outputs something else has to compute."""
        self._graph.operators.remove(operator)

    def add_operator(
        self, code: int, *, version: int, inputs: Sequence[int], output: int, after: Any = None
    ) -> Any:
        """Adds an operator, behind another or before all others, and returns it."""
        operator = schema.OperatorT(inputs=list(inputs), outputs=[output])
        self.model.set_code(operator, code, version)
        operators = self._graph.operators
        operators.insert(0 if after is None else operators.index(after) + 1, operator)
        return operator


class _Builder(flatbuffers.Builder):  # type: ignore[misc]
    """Aligns constants as the schema demands."""

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802
        self.Prep(_ALIGNMENT, x.nbytes)
        return int(super().CreateNumpyVector(x))
