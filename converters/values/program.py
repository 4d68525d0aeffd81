"""The exported program that every converter starts from."""

import copy
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

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
        """The range of the length, as ``torch.export`` takes it; None where there is only one."""
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
    """Returns the range of the length for each input; None where there is only one length."""
    if len(seq_lens) == 1:
        return None
    seq_len = torch.export.Dim("seq_len", min=seq_lens[0], max=seq_lens[-1])
    return {name: {1: seq_len} for name in names}
