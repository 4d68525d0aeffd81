"""The matrices of a model: what is quantized, stored and audited."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from pipeline.running.one_at_a_time import ALONE

if TYPE_CHECKING:
    from transformers import PreTrainedModel

_NUM_TOKENS = 8


def used_matrices(model: "PreTrainedModel", input_names: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the weights of the linear layers, then of the embeddings, that a model runs through.

    A model may hold layers that its task does not use, which are in no artifact.

    Args:
        model: In fp32, in evaluation mode.
        input_names: What it takes, each ``(1, seq_len)`` integers.

    Returns:
        By name in the state dict of the traced model, in the order in which they are used, each
        ``(rows, columns) float32``.
    """
    names = {module: name for name, module in model.named_modules()}
    used: list[nn.Module] = []

    def note(module: nn.Module, *_: object) -> None:
        used.append(module)

    layers = [each for each in names if isinstance(each, nn.Linear | nn.Embedding)]
    inputs = {name: torch.ones(1, _NUM_TOKENS, dtype=torch.int64) for name in input_names}
    with ALONE, torch.inference_mode():
        hooks = [layer.register_forward_pre_hook(note) for layer in layers]
        try:
            model(**inputs)
        finally:
            for hook in hooks:
                hook.remove()
    return {
        f"model.{names[module]}.weight": module.get_parameter("weight").detach().float().numpy()
        for kind in (nn.Linear, nn.Embedding)
        for module in used
        if isinstance(module, kind)
    }
