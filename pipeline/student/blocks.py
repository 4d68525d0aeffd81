"""The blocks of an encoder, and what each of them makes of what came before.

A block is what two neighbouring layer norms enclose: in an encoder of BERT's layout ``embeddings``,
``layer.0.attention``, ``layer.0.ffn`` and so on each end in a norm. ``head`` makes the logits.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from converters.values.artifact import Arrays
from converters.values.errors import InputError
from pipeline.student.load import Student
from pipeline.student.trace import ExportableEncoder
from pipeline.tasks.task import OutputSpec

HEAD = "head"
SUPPORTED = ("distilbert", "bert", "electra")

_LAYER = re.compile(r"\.layer\.(\d+)\.(.+)$")

Blocks = Mapping[str, np.ndarray]
"""The output of each block by name, in the order in which they run, each ``(seq_len, width)``; the
head's is as ``head_of`` gives it."""


def norm_blocks(student: Student) -> dict[str, nn.LayerNorm]:
    """Returns the blocks that end in a layer norm, with that norm, in the order of the layers.

    ELECTRA's projection from the width of the embeddings counts to ``layer.0.attention``.

    Raises:
        InputError: The encoder is not of BERT's layout.
    """
    norms = {
        _block_of(name): module
        for name, module in student.model.named_modules()
        if isinstance(module, nn.LayerNorm)
    }
    layers = range(student.model.config.num_hidden_layers)
    expected = ["embeddings"] + [
        f"layer.{n}.{part}" for n in layers for part in ("attention", "ffn")
    ]
    if list(norms) != expected or student.model.config.model_type not in SUPPORTED:
        raise InputError(
            f"blocks are told apart by their layer norms, which a {type(student.model).__name__} "
            "does not have at the end of each",
            hint=f"leave out --localize; it takes {', '.join(SUPPORTED)}",
        )
    return norms


def run_blocks(
    student: Student, row: Arrays, *, given: Blocks | None = None
) -> dict[str, np.ndarray]:
    """Returns what the student's blocks make of a row.

    Args:
        student: Of BERT's layout.
        row: One row of input, by name.
        given: Block outputs to go on from: each block then takes the given output of those before
            it instead of the student's own.

    Returns:
        Each ``(seq_len, width) float32``; that of the head is as ``head_of`` gives it.
    """
    made: dict[str, np.ndarray] = {}
    encoder = ExportableEncoder(student.model, output_names=student.output_names).eval()
    tensors = {name: torch.from_numpy(value) for name, value in row.items()}
    with _hooks(norm_blocks(student), made, given), torch.inference_mode():
        outputs = encoder(**tensors)
    values = {name: value.numpy() for name, value in outputs.items()}
    return {**made, HEAD: head_of(values, student.task.outputs)}


def head_of(outputs: Arrays, specs: Sequence[OutputSpec]) -> np.ndarray:
    """Returns what the head made of a row: a line for each token, or one for the row.

    Args:
        outputs: By name, each of the shape that its specification says.
        specs: All for each token, or all for the row.

    Returns:
        ``(seq_len, numbers) float32``, or ``(1, numbers) float32``.
    """
    values = [np.asarray(outputs[spec.name], np.float32) for spec in specs]
    return np.concatenate(
        [
            each.reshape(-1, spec.width)  # (lines, width)
            for each, spec in zip(values, specs, strict=True)
        ],
        axis=1,
    )


@contextmanager
def _hooks(
    norms: Mapping[str, nn.Module], made: dict[str, np.ndarray], given: Blocks | None
) -> Iterator[None]:
    def hook(name: str, output: torch.Tensor) -> torch.Tensor:
        made[name] = output[0].numpy()
        return output if given is None else torch.from_numpy(given[name])[None]

    handles = [
        module.register_forward_hook(lambda _, __, output, name=name: hook(name, output))
        for name, module in norms.items()
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _block_of(norm: str) -> str:
    found = _LAYER.search(norm)
    if found is None:
        return "embeddings"
    # DistilBERT calls the norm after its self-attention sa_layer_norm.
    part = "attention" if re.match(r"(attention|sa_)", found[2]) else "ffn"
    return f"layer.{found[1]}.{part}"
