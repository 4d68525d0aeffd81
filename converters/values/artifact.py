"""The value types that flow between ``pipeline`` and ``converters``."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, get_args

import numpy as np

from converters.values.errors import InputError
from converters.values.precision import Activations, Precision

Arrays = Mapping[str, np.ndarray]

ComputeUnits = Literal["all", "cpu-and-ne", "cpu-and-gpu", "cpu-only"]
COMPUTE_UNITS: tuple[ComputeUnits, ...] = get_args(ComputeUnits)
"""What of a chip Core ML may use, in its own words; ``ne`` is the Neural Engine."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """One file or package of one backend and precision.

    Attributes:
        activations: ``static`` where the file fixes how its linear layers round what they take.
        compute_units: What Core ML is to run the artifact on; None for other backends.
        requires: The least versions of what runs it on a phone, by name.
        entry_points: What to call for each of the lengths: a method, a signature or a function.
        bundle: The folder of the bundle that it was found in; ``None`` where it was just built.
        sha256s: What the bundle's manifest states of its files, by their path inside the bundle.
    """

    backend: str
    precision: Precision
    path: Path
    seq_lens: tuple[int, ...]
    inputs: tuple["TensorSpec", ...]
    outputs: tuple["TensorSpec", ...]
    activations: Activations = "dynamic"
    compute_units: ComputeUnits | None = None
    requires: Mapping[str, str] = field(default_factory=dict)
    entry_points: tuple[str, ...] = ()
    bundle: Path | None = None
    sha256s: Mapping[str, str] = field(default_factory=dict)

    def entry_point(self, seq_len: int) -> str:
        """Returns what to call for rows of a length, as an app does.

        Raises:
            InputError: The artifact serves no such rows.
        """
        if seq_len not in self.seq_lens:
            raise InputError(
                f"{self.path} has no entry point for rows of {seq_len} tokens",
                hint=f"its lengths are {', '.join(map(str, self.seq_lens))}",
            )
        return self.entry_points[self.seq_lens.index(seq_len)]

    def entry_point_of(self, inputs: Arrays) -> str:
        """Returns what to call for rows of the length that these inputs have.

        Args:
            inputs: Every input by name, ``(1, seq_len)``.

        Raises:
            InputError: The artifact serves no such rows.
        """
        return self.entry_point(inputs[self.inputs[0].name].shape[1])

    def check_entry_points(self, known: Collection[str], *, kind: str) -> None:
        """Checks that the file has all that an app is to call in it.

        Args:
            known: What can be called.
            kind: What that is, for people.

        Raises:
            InputError: Something is not there.
        """
        for name in self.entry_points:
            if name not in known:
                raise InputError(
                    f"{self.path} has no {kind} {name!r}, it has {', '.join(sorted(known))}",
                    hint="build the bundle again",
                )


def entry_point_for(seq_len: int) -> str:
    """Returns the name of what serves one length, where an artifact has a graph for each."""
    return f"len_{seq_len}"


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
    """A constant inside an artifact, with the bytes that it takes there.

    Attributes:
        is_scale: Whether all that it holds are the scales of a weight of integers.
    """

    name: str
    dtype: str
    size_bytes: int
    is_scale: bool = False


@dataclass(frozen=True, kw_only=True)
class Inspection:
    """What a finished file holds, read from the file itself.

    Attributes:
        tensors: Every stored constant, largest first.
        num_ops: Operators of the program, constants not counted.
        num_delegated_ops: Those that a delegate takes over; ``None`` where only the phone knows.
        num_macs: Multiply-adds of the matrix products of a run at the longest length.
        num_delegated_macs: Those of delegated operators; ``None`` where only the phone knows.
    """

    tensors: tuple[StoredTensor, ...]
    num_ops: int
    num_delegated_ops: int | None
    num_macs: int
    num_delegated_macs: int | None
    size_bytes: int = 0
    bytes_by_dtype: Mapping[str, int] = field(init=False)

    def __post_init__(self) -> None:
        totals: dict[str, int] = {}
        for tensor in self.tensors:
            totals[tensor.dtype] = totals.get(tensor.dtype, 0) + tensor.size_bytes
        object.__setattr__(self, "bytes_by_dtype", dict(sorted(totals.items())))

    @property
    def float_tensors(self) -> tuple[StoredTensor, ...]:
        """What stayed in floating point, largest first; scales of integers do not count."""
        return tuple(
            tensor for tensor in self.tensors if "float" in tensor.dtype and not tensor.is_scale
        )


class Runner(Protocol):
    """An artifact loaded into a runtime, ready to answer."""

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Returns the outputs by name, each ``(1, seq_len) float32``.

        Args:
            inputs: Every input by name, ``(1, seq_len) int32``, at one of the artifact's lengths.
        """
        ...
