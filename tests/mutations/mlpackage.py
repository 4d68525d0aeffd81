"""Faults in the program of a ``.mlpackage``, planted with the format's own protobuf."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from converters.workarounds import coremltools_without_frameworks
from tests.mutations.target import Plant, Target

with coremltools_without_frameworks():
    from coremltools.proto import MIL_pb2, Model_pb2

_FLOAT32, _FLOAT16, _INT32, _STRING = (
    MIL_pb2.FLOAT32, MIL_pb2.FLOAT16, MIL_pb2.INT32, MIL_pb2.STRING,
)  # fmt: skip


def edit(change: Callable[[Any], None], *, in_all: bool = True) -> Plant:
    """Returns what gives the block of each function to what changes it, or of the least length."""

    def plant(target: Target) -> None:
        (file,) = target.path.rglob("*.mlmodel")
        spec = Model_pb2.Model.FromString(file.read_bytes())
        functions = spec.mlProgram.functions
        names = sorted(functions, key=lambda name: int(name.removeprefix("len_")))
        for name in names[: None if in_all else 1]:
            (block,) = functions[name].block_specializations.values()
            change(block)
        file.write_bytes(spec.SerializeToString(deterministic=True))

    return plant


def swap_outputs(block: Any) -> None:
    """The two values that are given out have each other's names."""
    names = list(block.outputs)
    other = dict(zip(names, reversed(names), strict=True))
    for value in _results(block):
        value.name = other.get(value.name, value.name)


def swap_queries_and_keys(block: Any) -> None:
    """In the first layer, the weight and the bias of one in the place of the other's."""
    query, key = _operations(block, "linear")[:2]
    for argument in ("weight", "bias"):
        one, other = (each.inputs[argument].arguments[0] for each in (query, key))
        one.name, other.name = other.name, one.name
    # Constants may stand behind what takes them now.
    operations = sorted(block.operations, key=lambda each: not each.type.startswith("const"))
    del block.operations[:]
    block.operations.extend(operations)


def softmax_over_queries(block: Any) -> None:
    for operation in _operations(block, "softmax"):
        _set(_constant(block, operation, "axis"), -2)


def tanh_gelu(block: Any) -> None:
    for operation in _operations(block, "gelu"):
        _set(_constant(block, operation, "mode"), "TANH_APPROXIMATION")


def gelu_to_relu(block: Any) -> None:
    for operation in _operations(block, "gelu"):
        operation.type = "relu"
        del operation.inputs["mode"]


def epsilon(new: float) -> Plant:
    """Gives all layer norms another epsilon."""

    def change(block: Any) -> None:
        for operation in _operations(block, "layer_norm"):
            _set(_constant(block, operation, "epsilon"), new)

    return edit(change)


def constant(old: float, new: float, *, in_all: bool = True) -> Plant:
    """Puts another number in the place of one, in all functions or in that of the least length."""

    def change(block: Any) -> None:
        found = [each for each in _operations(block, "const") if _number(each) == old]
        assert found
        for each in found:
            _set(each, new)

    return edit(change, in_all=in_all)


def drop_residual(block: Any) -> None:
    """What follows the first feed-forward network takes its result without its input."""
    gelu = _operations(block, "gelu")[0]
    (second,) = _users(block, gelu.outputs[0].name)
    (addition,) = _users(block, second.outputs[0].name)
    for user in _users(block, addition.outputs[0].name):
        for argument in user.inputs.values():
            for each in argument.arguments:
                if each.name == addition.outputs[0].name:
                    each.name = second.outputs[0].name


def ignore_token_types(block: Any) -> None:
    """All tokens are looked up as those of the first segment: types less themselves."""
    (user,) = _users(block, "token_type_ids")
    difference = MIL_pb2.Operation(type="sub")
    for argument in ("x", "y"):
        difference.inputs[argument].arguments.add().name = "token_type_ids"
    difference.outputs.add(name="no_types").type.CopyFrom(user.outputs[0].type)
    difference.outputs[0].type.tensorType.dataType = _INT32
    user.inputs["x"].arguments[0].name = "no_types"
    block.operations.insert(0, difference)


def _operations(block: Any, kind: str) -> list[Any]:
    found = [each for each in block.operations if each.type == kind]
    assert found
    return found


def _users(block: Any, name: str) -> list[Any]:
    return [
        each
        for each in block.operations
        if any(a.name == name for argument in each.inputs.values() for a in argument.arguments)
    ]


def _results(block: Any) -> Iterator[Any]:
    for operation in block.operations:
        yield from operation.outputs


def _constant(block: Any, operation: Any, argument: str) -> Any:
    """Returns the constant that an operation takes, which no other operation takes."""
    (given,) = operation.inputs[argument].arguments
    (found,) = (each for each in block.operations if each.outputs[0].name == given.name)
    assert found.type == "const" and _users(block, given.name) == [operation]
    return found


def _tensor(const: Any) -> Any:
    return const.attributes["val"].immediateValue.tensor


def _number(const: Any) -> float | None:
    """Returns the value of a constant that is one float."""
    value = const.attributes["val"]
    kind = value.type.tensorType
    if value.WhichOneof("value") != "immediateValue" or kind.rank:
        return None
    if kind.dataType == _FLOAT32:
        return float(_tensor(const).floats.values[0])
    if kind.dataType == _FLOAT16:
        return float(np.frombuffer(_tensor(const).bytes.values, np.float16)[0])
    return None


def _set(const: Any, new: float | str) -> None:
    kind = const.attributes["val"].type.tensorType.dataType
    tensor = _tensor(const)
    if kind == _FLOAT32:
        tensor.floats.values[0] = new
    elif kind == _FLOAT16:
        with np.errstate(over="ignore"):
            tensor.bytes.values = np.array(new).astype(np.float16).tobytes()
    elif kind == _INT32:
        tensor.ints.values[0] = new
    else:
        assert kind == _STRING
        tensor.strings.values[0] = new
