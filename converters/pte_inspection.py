"""Reads what a finished ``.pte`` file holds, delegates included."""

import json
import math
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import (
    XNNHeader,
    _get_schema_bytes,
)
from executorch.exir._serialize._flatbuffer import _run_flatc
from executorch.exir._serialize._program import PTEFile, deserialize_pte_binary
from executorch.exir.schema import DelegateCall, KernelCall
from executorch.exir.schema import Tensor as ProgramTensor

from pipeline.errors import InputError
from pipeline.values import Inspection, StoredTensor

_DTYPES = {
    "FLOAT": "float32", "HALF": "float16", "CHAR": "int8", "BYTE": "uint8", "INT": "int32",
    "LONG": "int64", "BOOL": "bool", "DOUBLE": "float64", "SHORT": "int16",
}  # fmt: skip
_XNNPACK_DTYPES = {
    "xnn_datatype_fp32": "float32", "xnn_datatype_fp16": "float16", "xnn_datatype_qint8": "int8",
    "xnn_datatype_qcint8": "int8", "xnn_datatype_qcint4": "int4", "xnn_datatype_qbint4": "int4",
    "xnn_datatype_int32": "int32", "xnn_datatype_qint32": "int32", "xnn_datatype_qcint32": "int32",
}  # fmt: skip


def inspect(path: Path) -> Inspection:
    """Tells the constants and operators of a ``.pte`` file.

    An operator counts as delegated where XNNPACK runs it; the others run on portable kernels.

    Raises:
        InputError: The file is no ExecuTorch program, or it is damaged.
    """
    content = path.read_bytes()
    try:
        file = deserialize_pte_binary(content)
        graphs = [_decode_delegate(bytes(blob.data)) for blob in file.program.backend_delegate_data]
    except Exception as err:  # the parser fails in as many ways as there are damaged bytes
        raise InputError(
            f"{path} cannot be read as an ExecuTorch program", hint="build it again"
        ) from err
    tensors = [*_program_tensors(file), *_delegate_tensors(graphs, file)]
    kernels = sum(
        isinstance(instruction.instr_args, KernelCall)
        for plan in file.program.execution_plan
        for chain in plan.chains
        for instruction in chain.instructions
    )
    delegated = sum(len(graph["xnodes"]) for graph in graphs)
    return Inspection(
        tensors=tuple(sorted(tensors, key=lambda tensor: -tensor.size_bytes)),
        num_ops=kernels + delegated,
        num_delegated_ops=delegated,
        size_bytes=len(content),
    )


def num_delegate_calls(path: Path) -> int:
    """Returns how often a run of the program enters XNNPACK."""
    file = deserialize_pte_binary(path.read_bytes())
    return sum(
        isinstance(instruction.instr_args, DelegateCall)
        for plan in file.program.execution_plan
        for chain in plan.chains
        for instruction in chain.instructions
    )


def _decode_delegate(payload: bytes) -> dict[str, Any]:
    """Returns the XNNPACK graph of one delegate, decoded with ExecuTorch's own schema."""
    header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
    start = header.flatbuffer_offset
    with tempfile.TemporaryDirectory() as folder:
        schema, binary = Path(folder, "schema.fbs"), Path(folder, "graph.bin")
        schema.write_bytes(_get_schema_bytes())
        binary.write_bytes(payload[start : start + header.flatbuffer_size])
        options = ["--json", "--strict-json", "--raw-binary", "--defaults-json", "-o", folder]
        _run_flatc([*options, str(schema), "--", str(binary)])
        graph: dict[str, Any] = json.loads(Path(folder, "graph.json").read_text())
    return graph


def _program_tensors(file: PTEFile) -> Iterator[StoredTensor]:
    """Yields the constants that portable kernels read."""
    seen: set[int] = set()
    for plan in file.program.execution_plan:
        for position, value in enumerate(plan.values):
            tensor = value.val
            if not isinstance(tensor, ProgramTensor) or not tensor.data_buffer_idx:
                continue
            if tensor.data_buffer_idx in seen or tensor.allocation_info is not None:
                continue
            seen.add(tensor.data_buffer_idx)
            info = tensor.extra_tensor_info
            name = info.fully_qualified_name if info else None
            yield StoredTensor(
                name=name or f"constant_{position} {_shape(tensor.sizes)}",
                dtype=_DTYPES.get(tensor.scalar_type.name, tensor.scalar_type.name.lower()),
                size_bytes=len(file.program.constant_buffer[tensor.data_buffer_idx].storage),
            )


def _delegate_tensors(graphs: list[dict[str, Any]], file: PTEFile) -> Iterator[StoredTensor]:
    """Yields the constants that XNNPACK reads; what several delegates share counts once."""
    seen: set[str] = set()
    for number, graph in enumerate(graphs):
        for value in graph["xvalues"]:
            union = value["xvalue_union"]
            tensor = union.get("tensor_value", union)
            dtype = _XNNPACK_DTYPES.get(tensor["datatype"], tensor["datatype"])
            name = f"xnnpack_{number}.{tensor['id_out']} {_shape(tensor['dims'])}"
            scales = union.get("quant_params", {}).get("scale_buffer_idx", 0)
            parts = (
                (name, dtype, tensor.get("constant_buffer_idx", 0)),
                (f"{name} scale", "float32", scales),
            )
            for part_name, part_dtype, index in parts:
                stored = graph["constant_data"][index]
                key = stored.get("named_key") or f"{number}/{index}"
                if index and key not in seen:
                    seen.add(key)
                    yield StoredTensor(
                        name=part_name, dtype=part_dtype, size_bytes=_stored_size(stored, file)
                    )


def _stored_size(stored: Mapping[str, Any], file: PTEFile) -> int:
    key = stored.get("named_key")
    if not key or file.named_data is None:
        return int(stored["size"])
    entry = file.named_data.pte_data[key]
    return len(file.named_data.buffers[entry.buffer_index])


def _shape(sizes: list[int]) -> str:
    return "x".join(map(str, sizes)) if math.prod(sizes) != 1 else "scalar"
