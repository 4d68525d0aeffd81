"""The exported program that every converter starts from."""

import copy
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from converters.values.artifact import Artifact, ComputeUnits, TensorSpec
from converters.values.precision import Activations, Precision

_ABOUT = "pocketbert.json"


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
        inputs = self.sample_inputs(seq_len)
        return torch.export.export(self.module(), (), inputs, strict=False)

    def sample_inputs(self, seq_len: int) -> dict[str, torch.Tensor]:
        """Returns one example tensor per input, ``(1, seq_len) int32``."""
        return sample_inputs(self.input_names, seq_len=seq_len)

    def module(self) -> torch.fx.GraphModule:
        """Returns a fresh copy of the program as a module whose graph may be rewritten."""
        module = copy.deepcopy(self.program.module(check_guards=False))
        assert isinstance(module, torch.fx.GraphModule)
        return module

    def matrices(self) -> dict[str, np.ndarray]:
        """Returns the weights of linear layers and embeddings, by name in the state dict.

        Each is ``(rows, columns) float32``: a row is an output channel, or a token.
        """
        module = self.program.module(check_guards=False)
        assert isinstance(module, torch.fx.GraphModule)
        found = {}
        for target, position in (
            (torch.ops.aten.linear.default, 1),
            (torch.ops.aten.embedding.default, 0),
        ):
            for node in module.graph.find_nodes(op="call_function", target=target):
                name = str(node.args[position].target)
                found[name] = module.get_parameter(name).detach().float().numpy()
        return found

    def artifact(
        self,
        *,
        backend: str,
        precision: Precision,
        path: Path,
        requires: Mapping[str, str],
        entry_points: Sequence[str],
        activations: Activations = "dynamic",
        compute_units: ComputeUnits | None = None,
        by_position: bool = False,
    ) -> Artifact:
        """Describes what a backend made of this model.

        Args:
            backend: That made it.
            precision: Of the artifact.
            path: Where it lies.
            requires: The least versions of what runs it on a phone.
            entry_points: What to call for each of the lengths.
            activations: Of its linear layers.
            compute_units: What Core ML is to run it on.
            by_position: Whether its tensors go by position, as ExecuTorch's do, or by name.
        """
        return Artifact(
            backend=backend,
            precision=precision,
            activations=activations,
            compute_units=compute_units,
            path=path,
            requires=requires,
            entry_points=tuple(entry_points),
            seq_lens=self.seq_lens,
            inputs=_specs(self.input_names, "int32", by_position),
            outputs=_specs(self.output_names, "float32", by_position),
        )

    def save(self, path: Path) -> None:
        """Writes one ``.pt2`` file that ``load`` reads, in this process or another."""
        names = {"input_names": self.input_names, "output_names": self.output_names}
        about = json.dumps({**names, "seq_lens": self.seq_lens})
        # PyTorch's own writer of files ends the process where the disk is full.
        buffer = io.BytesIO()
        torch.export.save(self.program, buffer, extra_files={_ABOUT: about})
        path.write_bytes(buffer.getbuffer())

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


def _specs(names: tuple[str, ...], dtype: str, by_position: bool) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=name, artifact_name=str(position) if by_position else name, dtype=dtype)
        for position, name in enumerate(names)
    )
