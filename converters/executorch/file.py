"""Opens a finished ``.pte`` file: its program, and the graphs that it hands to XNNPACK."""

import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import (
    CONSTANT_TENSOR_ALIGNMENT,
    XNNHeader,
    _get_schema_bytes,
)
from executorch.exir._serialize._flatbuffer import _flatc_compile, _get_flatc_path
from executorch.exir._serialize._program import PTEFile, deserialize_pte_binary
from executorch.exir.schema import KernelCall, Tensor

from converters.reading.damage import refused

KIND = "an ExecuTorch program"

_FLATC_SECONDS = 60
"""For all graphs of a file; those of DistilBERT take less than one."""

_MAX_JSON_BYTES = 2 * 10**8
"""Of a graph; those of DistilBERT take a hundredth of it."""

_NOT_FINITE = re.compile(r"(?<=[:,\[ ])(-?inf|-?nan)(?=[,\]}\s])")
"""As flatc writes the bounds of a ReLU, in which JSON has no such numbers."""


@dataclass(frozen=True, kw_only=True)
class XnnpackValue:
    """A value of a graph for XNNPACK.

    Attributes:
        number: By which nodes know it.
        datatype: As XNNPACK calls it, such as ``qcint8``.
        constant: Which of the graph's constants it is; 0 where it is computed.
        quantization: The schema's ``XNNQuantParams``; empty for floats.
    """

    number: int
    datatype: str
    shape: tuple[int, ...]
    constant: int
    quantization: Mapping[str, Any]

    @property
    def scale_constant(self) -> int:
        """Which of the graph's constants holds its scales; 0 where none does."""
        return int(self.quantization.get("scale_buffer_idx", 0))


@dataclass(frozen=True, kw_only=True)
class XnnpackGraph:
    """A graph for XNNPACK, decoded with ExecuTorch's own schema.

    Attributes:
        nodes: The kind and the fields of each.
        values: By number.
        constants: The bytes of each, with a key that graphs which share it have in common.
    """

    nodes: tuple[tuple[str, Mapping[str, Any]], ...]
    values: Mapping[int, XnnpackValue]
    constants: tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, kw_only=True)
class Kernel:
    """A call of a kernel outside of delegates; what it takes, as the schema has it."""

    name: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Method:
    """A method of the program.

    Attributes:
        constants: The tensors that it takes from the file, by the buffer that holds them.
    """

    name: str
    kernels: tuple[Kernel, ...]
    constants: Mapping[int, Tensor]
    graphs: tuple[XnnpackGraph, ...]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A whole ``.pte`` file.

    Attributes:
        buffers: What the tensors of all methods hold.
    """

    methods: tuple[Method, ...]
    buffers: tuple[bytes, ...]


def read_program(path: Path) -> Program:
    """Reads a ``.pte`` file.

    Raises:
        InputError: The file is no ExecuTorch program, or it is damaged.
    """
    with refused(path, KIND):
        file = deserialize_pte_binary(path.read_bytes())
        payloads = [bytes(blob.data) for blob in file.program.backend_delegate_data]
        graphs = [
            _graph(payload, graph, file)
            for payload, graph in zip(payloads, decode_payloads(payloads), strict=True)
        ]
        return Program(
            methods=tuple(_method(plan, graphs) for plan in file.program.execution_plan),
            buffers=tuple(bytes(buffer.storage) for buffer in file.program.constant_buffer),
        )


def _method(plan: Any, graphs: Sequence[XnnpackGraph]) -> Method:
    values = [value.val for value in plan.values]
    constants = {
        value.data_buffer_idx: value
        for value in reversed(values)
        if isinstance(value, Tensor) and value.data_buffer_idx and value.allocation_info is None
    }
    return Method(
        name=plan.name,
        kernels=tuple(_kernels(plan, values)),
        constants=dict(reversed(constants.items())),
        graphs=tuple(graphs[delegate.processed.index] for delegate in plan.delegates),
    )


def _kernels(plan: Any, values: list[Any]) -> Iterator[Kernel]:
    for chain in plan.chains:
        for instruction in chain.instructions:
            call = instruction.instr_args
            if isinstance(call, KernelCall):
                arguments = tuple(values[index] for index in call.args)
                yield Kernel(name=plan.operators[call.op_index].name, arguments=arguments)


def decode_payloads(payloads: Sequence[bytes]) -> list[dict[str, Any]]:
    """Returns the graph of each delegate for XNNPACK, as its schema has it."""
    if not payloads:
        return []
    with tempfile.TemporaryDirectory() as folder:
        schema = Path(folder, "schema.fbs")
        schema.write_bytes(_get_schema_bytes())
        binaries = [Path(folder, f"{number}.bin") for number in range(len(payloads))]
        for binary, payload in zip(binaries, payloads, strict=True):
            header = _header(payload)
            start = header.flatbuffer_offset
            binary.write_bytes(payload[start : start + header.flatbuffer_size])
        _decompile(schema, binaries)
        return [_decoded(binary.with_suffix(".json")) for binary in binaries]


def _decompile(schema: Path, binaries: Sequence[Path]) -> None:
    """Writes a JSON file beside each flatbuffer.

    ``flatc`` checks nothing that it reads: on a damaged file it may crash, or write for ever.
    """
    options = [
        "--json",
        "--strict-json",
        "--raw-binary",
        "--defaults-json",
        "-o",
        str(schema.parent),
    ]
    done = subprocess.run(
        [_get_flatc_path(), *options, schema, "--", *binaries],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=_FLATC_SECONDS, check=False,
    )  # fmt: skip
    if done.returncode:
        raise ValueError("a graph for XNNPACK does not follow its schema")


def _decoded(path: Path) -> dict[str, Any]:
    if path.stat().st_size > _MAX_JSON_BYTES:
        raise ValueError("a graph for XNNPACK refers to itself again and again")
    graph: dict[str, Any] = json.loads(_NOT_FINITE.sub(_as_json, path.read_text()))
    return graph


def encode_payload(graph: Mapping[str, Any], payload: bytes) -> bytes:
    """Returns the payload of a delegate with another graph over its constants."""
    with tempfile.TemporaryDirectory() as folder:
        schema, text = Path(folder, "schema.fbs"), Path(folder, "graph.json")
        schema.write_bytes(_get_schema_bytes())
        text.write_text(json.dumps(graph).replace("Infinity", "inf").replace("NaN", "nan"))
        _flatc_compile(folder, str(schema), str(text))
        encoded = Path(folder, "graph.bin").read_bytes()
    before = _header(payload)
    size = len(encoded) + -len(encoded) % CONSTANT_TENSOR_ALIGNMENT
    header = replace(
        before,
        flatbuffer_size=len(encoded),
        constant_data_offset=before.flatbuffer_offset + size,
    )
    start = header.to_bytes().ljust(before.flatbuffer_offset, b"\0")
    payload_start: bytes = start
    return payload_start + encoded.ljust(size, b"\0") + payload[before.constant_data_offset :]


def _header(payload: bytes) -> XNNHeader:
    return XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])


def _graph(payload: bytes, graph: Mapping[str, Any], file: PTEFile) -> XnnpackGraph:
    values = [_value(value["xvalue_union"]) for value in graph["xvalues"]]
    inline = payload[_header(payload).constant_data_offset :]
    return XnnpackGraph(
        nodes=tuple((node["xnode_union_type"], node["xnode_union"]) for node in graph["xnodes"]),
        values={value.number: value for value in values},
        constants=tuple(_constant(entry, inline, file) for entry in graph["constant_data"]),
    )


def _as_json(found: re.Match[str]) -> str:
    return {"inf": "Infinity", "-inf": "-Infinity"}.get(found[0], "NaN")


def _value(union: Mapping[str, Any]) -> XnnpackValue:
    tensor = union.get("tensor_value", union)
    return XnnpackValue(
        number=tensor["id_out"],
        datatype=tensor["datatype"].removeprefix("xnn_datatype_"),
        shape=tuple(tensor["dims"]),
        constant=tensor.get("constant_buffer_idx", 0),
        quantization=union.get("quant_params", {}),
    )


def _constant(entry: Mapping[str, Any], inline: bytes, file: PTEFile) -> tuple[str, bytes]:
    """Returns a constant from the file's named data, or from behind its graph."""
    key, offset, size = entry.get("named_key", ""), entry["offset"], entry["size"]
    if not key or file.named_data is None:
        # The schema's first constant is an empty one.
        key, data = "", inline[offset : offset + size]
    else:
        # It may be padded.
        index = file.named_data.pte_data[key].buffer_index
        data = bytes(file.named_data.buffers[index])[:size]
    if len(data) != size:
        raise ValueError(f"of a constant's {size:,} bytes there are {len(data):,}")
    return key, data
