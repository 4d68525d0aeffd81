"""Faults in the graphs of a ``.tflite`` file, planted with the format's own schema."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from tests.mutations.target import Plant, Target

CODES = schema.BuiltinOperator


def edit(change: Callable[[Any], None]) -> Plant:
    """Returns what gives the whole model to a function that changes it."""

    def plant(target: Target) -> None:
        model = flatbuffer_utils.read_model(target.path)
        change(model)
        flatbuffer_utils.write_model(model, target.path)

    return plant


def swap_outputs(model: Any) -> None:
    for signature in model.signatureDefs:
        _swap(signature.outputs[0], signature.outputs[1], "tensorIndex")


def swap_inputs(model: Any) -> None:
    for signature in model.signatureDefs:
        _swap(signature.inputs[0], signature.inputs[1], "tensorIndex")


def same_column_twice(model: Any) -> None:
    """The end's logits are those of the start."""
    for graph in model.subgraphs:
        first, second = (op for op in graph.operators if _code(model, op) == CODES.SLICE)
        second.inputs = list(first.inputs)


def constant(old: float, new: float, *, in_all: bool = True) -> Plant:
    """Puts another number in the place of one, in all signatures or in that of the least length."""

    def change(model: Any) -> None:
        number = schema.BufferT(data=np.frombuffer(np.float32(new).tobytes(), np.uint8))
        model.buffers.append(number)
        tensors = [each for graph in _graphs(model, in_all=in_all) for each in graph.tensors]
        found = [each for each in tensors if _number(model, each) == np.float32(old)]
        assert found
        for tensor in found:
            tensor.buffer = len(model.buffers) - 1

    return edit(change)


def invert_mask(model: Any) -> None:
    """Tokens are hidden, and padding is not: one minus the mask is the mask itself."""
    for graph in model.subgraphs:
        (cast,) = (op for op in graph.operators if _code(model, op) == CODES.CAST)
        (subtraction,) = _users(graph, cast.outputs[0])
        for user in _users(graph, subtraction.outputs[0]):
            user.inputs = [
                cast.outputs[0] if each == subtraction.outputs[0] else each for each in user.inputs
            ]


def positions_from_one(model: Any) -> None:
    """The row numbers that the table of positions is looked up with begin at one."""
    for lookup in _operators(model, CODES.EMBEDDING_LOOKUP):
        for graph in model.subgraphs:
            if any(lookup is each for each in graph.operators):
                buffer = model.buffers[graph.tensors[lookup.inputs[0]].buffer]
                if buffer.data is not None and len(buffer.data):
                    rows = np.frombuffer(np.asarray(buffer.data).tobytes(), np.int32)
                    assert np.array_equal(rows, np.arange(len(rows)))
                    buffer.data = np.frombuffer((rows + 1).tobytes(), np.uint8)


def tanh_gelu(model: Any) -> None:
    for operator in _operators(model, CODES.GELU):
        operator.builtinOptions.approximate = True


def gelu_to_relu(model: Any) -> None:
    model.operatorCodes.append(
        schema.OperatorCodeT(builtinCode=CODES.RELU, deprecatedBuiltinCode=CODES.RELU, version=1)
    )
    for operator in _operators(model, CODES.GELU):
        operator.opcodeIndex = len(model.operatorCodes) - 1
        operator.builtinOptions, operator.builtinOptionsType = None, 0


def drop_residual(model: Any) -> None:
    """To the result of the first feed-forward network zeros are added instead of its input."""
    for graph in model.subgraphs:
        gelu = next(op for op in graph.operators if _code(model, op) == CODES.GELU)
        (second,) = _users(graph, gelu.outputs[0])
        (addition,) = _users(graph, second.outputs[0])
        shape = graph.tensors[addition.outputs[0]].shape
        zeros = _add_zeros(model, graph, shape, dtype=schema.TensorType.FLOAT32)
        addition.inputs = [second.outputs[0], zeros]


def swap_feed_forward_weights(model: Any) -> None:
    """Each layer has the other's first feed-forward matrix; its bias stays."""
    for graph in model.subgraphs:
        makers = {op.outputs[0]: op for op in graph.operators}
        gelus = [op for op in graph.operators if _code(model, op) == CODES.GELU]
        first, second = (makers[op.inputs[0]] for op in gelus)
        first.inputs[1], second.inputs[1] = second.inputs[1], first.inputs[1]


def fuse_relu(model: Any) -> None:
    """The first linear layer, a query, cuts off what is below zero."""
    for graph in model.subgraphs:
        first = next(op for op in graph.operators if _code(model, op) == CODES.FULLY_CONNECTED)
        first.builtinOptions.fusedActivationFunction = schema.ActivationFunctionType.RELU


def zero_points(model: Any) -> None:
    """Integers of the first query's matrix are said to be three more than they are."""
    for graph in model.subgraphs:
        first = next(op for op in graph.operators if _code(model, op) == CODES.FULLY_CONNECTED)
        quantization = graph.tensors[first.inputs[1]].quantization
        quantization.zeroPoint = np.full(len(quantization.scale), 3, np.int64)


def ignore_token_types(model: Any) -> None:
    """All tokens are looked up as those of the first segment."""
    for signature, graph in zip(model.signatureDefs, model.subgraphs, strict=True):
        (given,) = (each for each in signature.inputs if each.name == b"token_type_ids")
        shape = graph.tensors[given.tensorIndex].shape
        zeros = _add_zeros(model, graph, shape, dtype=schema.TensorType.INT32)
        users = _users(graph, given.tensorIndex)
        assert users
        for user in users:
            user.inputs = [zeros if each == given.tensorIndex else each for each in user.inputs]


def _add_zeros(model: Any, graph: Any, shape: Sequence[int], *, dtype: int) -> int:
    """Adds a constant whose elements take four bytes each, and returns its place."""
    model.buffers.append(schema.BufferT(data=np.zeros(4 * int(np.prod(shape)), np.uint8)))
    tensor = schema.TensorT(
        name=b"zeros", shape=list(shape), type=dtype, hasRank=True, buffer=len(model.buffers) - 1
    )
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def _graphs(model: Any, *, in_all: bool) -> list[Any]:
    def length(signature: Any) -> int:
        return int(signature.signatureKey.decode().removeprefix("len_"))

    signatures = sorted(model.signatureDefs, key=length)
    return [model.subgraphs[each.subgraphIndex] for each in signatures[: None if in_all else 1]]


def _operators(model: Any, code: int) -> list[Any]:
    found = [op for graph in model.subgraphs for op in graph.operators if _code(model, op) == code]
    assert found
    return found


def _users(graph: Any, tensor: int) -> list[Any]:
    return [each for each in graph.operators if tensor in list(each.inputs)]


def _code(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return int(flatbuffer_utils.get_builtin_code_from_operator_code(code))


def _number(model: Any, tensor: Any) -> np.float32 | None:
    """Returns the value of a constant that is one float."""
    data = model.buffers[tensor.buffer].data
    is_number = data is not None and len(data) == 4 and tensor.type == schema.TensorType.FLOAT32
    return np.frombuffer(np.asarray(data).tobytes(), np.float32)[0] if is_number else None


def _swap(one: Any, other: Any, attribute: str) -> None:
    value = getattr(one, attribute)
    setattr(one, attribute, getattr(other, attribute))
    setattr(other, attribute, value)
