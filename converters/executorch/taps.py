"""Writes copies of ``.pte`` files that also give the results of their layer norms.

A norm may be a kernel of its own, or a few operators inside a graph for XNNPACK, or both in part.
So the graphs of a method are laid out as one, and a result is tapped where it is: a value of the
method becomes an output with memory of its own, which nothing overwrites; a value inside of XNNPACK
becomes an output of that graph first.
"""

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from executorch.exir._serialize._program import deserialize_pte_binary, serialize_pte_binary
from executorch.exir.schema import (
    AllocationDetails,
    DelegateCall,
    EValue,
    KernelCall,
    ScalarType,
    Tensor,
    TensorList,
    TensorShapeDynamism,
)

from converters.executorch.file import decode_payloads, encode_payload
from converters.reading.layer_norms import Node, norm_results, taps
from converters.values.artifact import Artifact
from converters.values.errors import InputError

_KINDS: dict[str, Literal["layer_norm", "root", "arithmetic", "view"]] = {
    "aten::native_layer_norm": "layer_norm",
    "aten::rsqrt": "root", "XNNReciprocalSquareRoot": "root",
    "aten::sqrt": "root", "XNNSquareRoot": "root",
    "aten::mul": "arithmetic", "XNNMultiply": "arithmetic",
    "aten::div": "arithmetic", "XNNDivide": "arithmetic",
    "aten::add": "arithmetic", "XNNAdd": "arithmetic",
    "aten::sub": "arithmetic", "XNNSubtract": "arithmetic",
    "executorch_prim::et_view": "view", "aten::view_copy": "view", "XNNStaticReshape": "view",
}  # fmt: skip

_SCALARS = {"xnn_datatype_fp32": ScalarType.FLOAT, "xnn_datatype_fp16": ScalarType.HALF}
_ITEM_BYTES = {ScalarType.FLOAT: 4, ScalarType.HALF: 2}
_ALIGNMENT = 16
_EXTERNAL_OUTPUT = 2
"""XNNPACK's flag of a value that a graph hands out."""


@dataclass(frozen=True)
class _Inner:
    """A value that only the graph of one delegate knows."""

    delegate: int
    number: int


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    """Writes a copy whose method has the norms' results as further outputs.

    Raises:
        InputError: The file is no ExecuTorch program, or it is damaged.
    """
    try:
        file = deserialize_pte_binary(artifact.path.read_bytes())
        plan = _Plan(file.program)
        results = norm_results(list(plan.nodes()))
    except Exception as err:  # the parser fails in as many ways as there are damaged bytes
        raise InputError(
            f"{artifact.path} cannot be read as an ExecuTorch program", hint="build it again"
        ) from err
    for value in results:
        plan.add_output(value)
    plan.save_graphs()
    path.write_bytes(bytes(serialize_pte_binary(file, extract_delegate_segments=True)))
    first = len(artifact.outputs)
    outputs = tuple(
        replace(spec, artifact_name=str(first + number))
        for number, spec in enumerate(taps(len(results)))
    )
    return replace(artifact, path=path, outputs=(*artifact.outputs, *outputs))


class _Plan:
    """The method of a program, with the graphs that it hands to XNNPACK."""

    def __init__(self, program: Any) -> None:
        (self._plan,) = program.execution_plan
        instructions = [each for chain in self._plan.chains for each in chain.instructions]
        self._calls = [each.instr_args for each in instructions]
        self._blobs = [
            program.backend_delegate_data[delegate.processed.index]
            for delegate in self._plan.delegates
        ]
        self._graphs = decode_payloads([bytes(blob.data) for blob in self._blobs])
        self._changed: set[int] = set()

    def nodes(self) -> Iterator[Node[Hashable]]:
        """Yields the operators of the method and of its graphs, in the order in which they run.

        A value of the method goes by its number.
        """
        for call in self._calls:
            if isinstance(call, KernelCall):
                yield self._kernel(call)
            elif isinstance(call, DelegateCall):
                yield from self._delegated(call)

    def add_output(self, value: Hashable) -> None:
        """Makes a value an output that nothing overwrites."""
        if isinstance(value, _Inner):
            self._plan.outputs.append(self._hand_out(value))
        else:
            self._plan.outputs.append(value)
            tensor = self._plan.values[value].val
            tensor.allocation_info = self._allocate(tensor)

    def save_graphs(self) -> None:
        """Puts graphs that have more outputs now back into the program."""
        for delegate in self._changed:
            blob = self._blobs[delegate]
            blob.data = encode_payload(self._graphs[delegate], bytes(blob.data))

    def _kernel(self, call: KernelCall) -> Node[Hashable]:
        last = self._plan.values[call.args[-1]].val
        outputs = tuple(last.items) if isinstance(last, TensorList) else (call.args[-1],)
        return Node(
            kind=_KINDS.get(self._plan.operators[call.op_index].name, "other"),
            inputs=tuple(each for each in call.args[:-1] if each not in outputs),
            outputs=outputs,
        )

    def _delegated(self, call: DelegateCall) -> Iterator[Node[Hashable]]:
        graph = self._graphs[call.delegate_index]
        values = {
            value["id_out"]: call.args[value["external_id"]]
            if value["external_id"] < graph["num_externs"]
            else _Inner(call.delegate_index, value["id_out"])
            for value in map(_tensor_value, graph["xvalues"])
        }
        for node in graph["xnodes"]:
            named = {
                key: values[number]
                for key, number in node["xnode_union"].items()
                if key.endswith("_id") and number in values
            }
            output = named.pop("output_id", None)
            yield Node(
                kind=_KINDS.get(node["xnode_union_type"], "other"),
                inputs=tuple(named.values()),
                outputs=() if output is None else (output,),
            )

    def _hand_out(self, value: _Inner) -> int:
        """Makes a value of a graph its output, and returns the method's number for it."""
        graph = self._graphs[value.delegate]
        found = map(_tensor_value, graph["xvalues"])
        inner = next(each for each in found if each["id_out"] == value.number)
        inner["external_id"] = graph["num_externs"]
        inner["flags"] |= _EXTERNAL_OUTPUT
        graph["output_ids"].append(value.number)
        graph["num_externs"] += 1
        tensor = Tensor(
            scalar_type=_SCALARS[inner["datatype"]],
            storage_offset=0,
            sizes=list(inner["dims"]),
            dim_order=list(range(len(inner["dims"]))),
            requires_grad=False,
            layout=0,
            data_buffer_idx=0,
            allocation_info=None,
            shape_dynamism=TensorShapeDynamism.DYNAMIC_BOUND,
        )
        tensor.allocation_info = self._allocate(tensor)
        self._plan.values.append(EValue(tensor))
        number = len(self._plan.values) - 1
        for call in self._calls:
            if isinstance(call, DelegateCall) and call.delegate_index == value.delegate:
                call.args.append(number)
        self._changed.add(value.delegate)
        return number

    def _allocate(self, tensor: Tensor) -> AllocationDetails:
        """Returns memory behind all that is planned."""
        sizes = self._plan.non_const_buffer_sizes
        memory = tensor.allocation_info.memory_id if tensor.allocation_info else len(sizes) - 1
        begin = -(-sizes[memory] // _ALIGNMENT) * _ALIGNMENT
        sizes[memory] = begin + math.prod(tensor.sizes) * _ITEM_BYTES[tensor.scalar_type]
        return AllocationDetails(memory, begin & 0xFFFFFFFF, begin >> 32)


def _tensor_value(value: Any) -> Any:
    union = value["xvalue_union"]
    return union.get("tensor_value", union)
