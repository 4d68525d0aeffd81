"""The value types that flow between ``pipeline`` and ``converters``.

Precision names, and what each promises of the artifact that carries it:

- ``fp32``: weights and arithmetic in 32-bit floats.
- ``fp16``: weights in 16-bit floats; arithmetic in 16 bits where the runtime has it.
- ``int8``: weights of linear layers and embeddings in int8, one scale per output channel or per
  row; activations are quantized on the fly where the runtime can. Norms and biases stay float.
"""

import copy
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

import numpy as np
import torch

Precision = Literal["fp32", "fp16", "int8"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True, kw_only=True)
class TracedModel:
    """A student as one exported program, before any backend has touched it.

    Attributes:
        program: Takes ``input_names`` by keyword, each ``(1, seq_len) int32``, and returns
            ``output_names``, each ``(1, seq_len) float32``. Its length is dynamic where
            ``seq_lens`` holds several.
        input_names: In the order in which the program takes them.
        output_names: In the order in which the program returns them.
        seq_lens: The lengths that an artifact must serve, ascending.
    """

    program: torch.export.ExportedProgram
    input_names: tuple[str, ...]
    output_names: tuple[str, ...]
    seq_lens: tuple[int, ...]

    @property
    def dynamic_shapes(self) -> dict[str, dict[int, Any]] | None:
        """What ``torch.export`` is told of the length: nothing where there is only one."""
        return dynamic_shapes(self.input_names, self.seq_lens)

    def at_length(self, seq_len: int) -> torch.export.ExportedProgram:
        """Returns the program with its length fixed."""
        if self.seq_lens == (seq_len,):
            return self.program
        inputs = sample_inputs(self.input_names, seq_len=seq_len)
        return torch.export.export(self.module(), (), inputs, strict=False)

    def module(self) -> torch.fx.GraphModule:
        """Returns a fresh copy of the program as a module whose graph may be rewritten."""
        module = copy.deepcopy(self.program.module(check_guards=False))
        assert isinstance(module, torch.fx.GraphModule)
        return module

    def save(self, path: Path) -> None:
        """Writes one ``.pt2`` file that ``load`` reads, in this process or another."""
        names = {"input_names": self.input_names, "output_names": self.output_names}
        about = json.dumps({**names, "seq_lens": self.seq_lens})
        torch.export.save(self.program, path, extra_files={_ABOUT: about})

    @classmethod
    def load(cls, path: Path) -> "TracedModel":
        """Reads what ``save`` wrote."""
        extra = {_ABOUT: ""}
        program = torch.export.load(path, extra_files=extra)
        about = {name: tuple(values) for name, values in json.loads(extra[_ABOUT]).items()}
        return cls(program=program, **about)


def sample_inputs(names: tuple[str, ...], *, seq_len: int) -> dict[str, torch.Tensor]:
    """Returns one example tensor per input, ``(1, seq_len) int32``.

    No two of them are one object: a tracer that sees the same tensor twice takes two inputs for
    one, and the artifact then ignores the second.
    """
    return {name: torch.ones(1, seq_len, dtype=torch.int32) for name in names}


def dynamic_shapes(
    names: tuple[str, ...], seq_lens: tuple[int, ...]
) -> dict[str, dict[int, Any]] | None:
    """Returns the range between the shortest and the longest length, for each input."""
    if len(seq_lens) == 1:
        return None
    seq_len = torch.export.Dim("seq_len", min=seq_lens[0], max=seq_lens[-1])
    return {name: {1: seq_len} for name in names}


_ABOUT = "pocketbert.json"


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file or package of one backend and precision."""

    backend: str
    precision: Precision
    path: Path
    seq_lens: tuple[int, ...]
    inputs: tuple["TensorSpec", ...]
    outputs: tuple["TensorSpec", ...]


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """An input or output as the artifact itself names it.

    Attributes:
        name: The role that the pipeline knows it by, such as ``input_ids``.
        artifact_name: The name inside the artifact; where tensors go by position, the position.
        dtype: A NumPy dtype name.
    """

    name: str
    artifact_name: str
    dtype: str


@dataclass(frozen=True, kw_only=True)
class StoredTensor:
    """A constant inside an artifact, with the bytes that it takes there."""

    name: str
    dtype: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a finished file holds, read from the file itself.

    Attributes:
        tensors: Every stored constant, largest first.
        num_ops: Operators of the program, constants not counted.
        num_delegated_ops: Those that a delegate takes over; ``None`` where only the phone knows.
    """

    tensors: tuple[StoredTensor, ...]
    num_ops: int
    num_delegated_ops: int | None
    size_bytes: int = 0
    bytes_by_dtype: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        totals: dict[str, int] = {}
        for tensor in self.tensors:
            totals[tensor.dtype] = totals.get(tensor.dtype, 0) + tensor.size_bytes
        object.__setattr__(self, "bytes_by_dtype", dict(sorted(totals.items())))


class Runner(Protocol):
    """An artifact loaded into a runtime, ready to answer."""

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Returns the outputs by name, each ``(1, seq_len) float32``.

        Args:
            inputs: Every input by name, ``(1, seq_len) int32``, at one of the artifact's lengths.
        """
        ...
