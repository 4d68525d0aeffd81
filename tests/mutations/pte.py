"""Faults in a ``.pte`` file: in its program, and in the graphs that it hands to XNNPACK."""

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import (
    CONSTANT_TENSOR_ALIGNMENT,
    XNNHeader,
    _get_schema_bytes,
)
from executorch.exir._serialize._flatbuffer import _flatc_compile, _flatc_decompile
from executorch.exir._serialize._program import deserialize_pte_binary, serialize_pte_binary
from executorch.exir.schema import DelegateCall, Double, KernelCall, ScalarType, Tensor

from tests.mutations.target import Plant, Target

_FLOATS = {ScalarType.FLOAT: np.float32, ScalarType.HALF: np.float16}
_INFINITE = re.compile(r"(?<=[:,\[ ])(-?inf)(?=[,\]}\s])")


def edit(change: Callable[[Any], None]) -> Plant:
    """Returns what gives the whole program to a function that changes it."""

    def plant(target: Target) -> None:
        file = deserialize_pte_binary(target.path.read_bytes())
        change(file.program)
        content = serialize_pte_binary(file, extract_delegate_segments=True)
        target.path.write_bytes(bytes(content))

    return plant


def swap_outputs(program: Any) -> None:
    _plan(program).outputs.reverse()


def swap_inputs(program: Any) -> None:
    _plan(program).inputs.reverse()


def constant(old: float, new: float) -> Plant:
    """Puts another number in the place of a constant of one element, wherever it is."""

    def change(program: Any) -> None:
        found = 0
        for value in _plan(program).values:
            tensor = value.val
            if not isinstance(tensor, Tensor) or not tensor.data_buffer_idx:
                continue
            if tensor.scalar_type in _FLOATS and np.prod(tensor.sizes) == 1:
                dtype = np.dtype(_FLOATS[tensor.scalar_type])
                buffer = program.constant_buffer[tensor.data_buffer_idx]
                content = bytes(buffer.storage)
                if np.frombuffer(content, dtype, 1)[0] == dtype.type(old):
                    number = np.array(new).astype(dtype).tobytes()
                    buffer.storage = number + content[dtype.itemsize :]
                    found += 1
        assert found

    return edit(change)


def positions_from_one(program: Any) -> None:
    """The numbers of positions begin at one."""
    for value in _plan(program).values:
        tensor = value.val
        if isinstance(tensor, Tensor) and tensor.data_buffer_idx:
            buffer = program.constant_buffer[tensor.data_buffer_idx]
            if tensor.scalar_type == ScalarType.LONG and np.prod(tensor.sizes) > 100:
                numbers = np.frombuffer(bytes(buffer.storage), np.int64).copy()
                numbers[: np.prod(tensor.sizes) - 1] += 1
                buffer.storage = numbers.tobytes()
                return
    raise AssertionError("no numbers of positions")


def epsilon(new: float) -> Plant:
    """Gives all layer norms another epsilon."""

    def change(program: Any) -> None:
        plan = _plan(program)
        norms = [
            call
            for call in _calls(plan)
            if isinstance(call, KernelCall)
            and plan.operators[call.op_index].name == "aten::native_layer_norm"
        ]
        assert norms
        for call in norms:
            value = plan.values[call.args[4]]
            assert isinstance(value.val, Double)
            value.val.double_val = new

    return edit(change)


def swap_feed_forward_layers(program: Any) -> None:
    """Each layer calls the delegate of the other's feed-forward network."""
    plan = _plan(program)
    indices = [index for index, graph in _graphs(program) if _nodes(graph, "XNNGelu")]
    first, second = (
        next(c for c in _calls(plan) if isinstance(c, DelegateCall) and c.delegate_index == index)
        for index in indices
    )
    first.delegate_index, second.delegate_index = second.delegate_index, first.delegate_index


def gelu_to_hard_swish(program: Any) -> None:
    def change(graph: Any) -> None:
        for node in _nodes(graph, "XNNGelu"):
            node["xnode_union_type"] = "XNNHardswish"

    _edit_graphs(program, "XNNGelu", change)


def drop_residual(program: Any) -> None:
    """The sum behind each feed-forward network is a copy of the network's result."""

    def change(graph: Any) -> None:
        *_, last = _nodes(graph, "XNNFullyConnected")
        made = last["xnode_union"]["output_id"]
        for node in _nodes(graph, "XNNAdd"):
            fields = node["xnode_union"]
            if made in (fields["input1_id"], fields["input2_id"]):
                node["xnode_union_type"] = "XNNCopy"
                node["xnode_union"] = {
                    "input_id": made, "output_id": fields["output_id"], "flags": 0,
                }  # fmt: skip

    _edit_graphs(program, "XNNGelu", change)


def _plan(program: Any) -> Any:
    (plan,) = program.execution_plan
    return plan


def _calls(plan: Any) -> list[Any]:
    return [instruction.instr_args for chain in plan.chains for instruction in chain.instructions]


def _nodes(graph: Any, kind: str) -> list[Any]:
    return [node for node in graph["xnodes"] if node["xnode_union_type"] == kind]


def _graphs(program: Any) -> Iterator[tuple[int, Any]]:
    """Yields each graph for XNNPACK, with the number of its delegate."""
    for index, delegate in enumerate(_plan(program).delegates):
        payload = bytes(program.backend_delegate_data[delegate.processed.index].data)
        yield index, _decode(payload)


def _edit_graphs(program: Any, kind: str, change: Callable[[Any], None]) -> None:
    """Changes the graphs that hold a kind of node, and writes them back."""
    delegates = _plan(program).delegates
    changed = [(index, graph) for index, graph in _graphs(program) if _nodes(graph, kind)]
    assert changed
    for index, graph in changed:
        change(graph)
        blob = program.backend_delegate_data[delegates[index].processed.index]
        blob.data = _encode(graph, bytes(blob.data))


def _decode(payload: bytes) -> Any:
    header = _header(payload)
    start = header.flatbuffer_offset
    with tempfile.TemporaryDirectory() as folder:
        schema, binary = Path(folder, "schema.fbs"), Path(folder, "graph.bin")
        schema.write_bytes(_get_schema_bytes())
        binary.write_bytes(payload[start : start + header.flatbuffer_size])
        _flatc_decompile(folder, str(schema), str(binary), ["--raw-binary"])
        text = Path(folder, "graph.json").read_text()
    return json.loads(_INFINITE.sub(lambda found: found[0].replace("inf", "Infinity"), text))


def _encode(graph: Any, payload: bytes) -> bytes:
    """Returns a delegate's payload with another graph before its constants."""
    with tempfile.TemporaryDirectory() as folder:
        schema, text = Path(folder, "schema.fbs"), Path(folder, "graph.json")
        schema.write_bytes(_get_schema_bytes())
        text.write_text(json.dumps(graph).replace("Infinity", "inf"))
        _flatc_compile(folder, str(schema), str(text))
        encoded = Path(folder, "graph.bin").read_bytes()
    before = _header(payload)
    size = len(encoded) + -len(encoded) % CONSTANT_TENSOR_ALIGNMENT
    header = replace(
        before,
        flatbuffer_size=len(encoded),
        constant_data_offset=before.flatbuffer_offset + size,
    )
    start: bytes = header.to_bytes().ljust(before.flatbuffer_offset, b"\0")
    return start + encoded.ljust(size, b"\0") + payload[before.constant_data_offset :]


def _header(payload: bytes) -> Any:
    return XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
