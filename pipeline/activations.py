"""Calibration: what the linear layers of a student take and give over real texts."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from converters.activations import LinearActivations, linear_activations
from pipeline.load import Student
from pipeline.squad import Question
from pipeline.trace import ExportableEncoder

MAX_EXAMPLES = 200
"""Examples. The ranges hardly grow beyond some dozens, and each costs a run of the student."""


def calibrate(
    student: Student, examples: Sequence[Question], *, seq_len: int
) -> dict[str, LinearActivations]:
    """Returns the ranges of every linear layer, by the name of its weight in the trace.

    Rows run without their padding, which is no text.

    Args:
        student: In fp32.
        examples: Of which the first ``MAX_EXAMPLES`` are read.
        seq_len: The longest row, in tokens.
    """
    encoder = ExportableEncoder(student.model, output_names=student.task.OUTPUT_NAMES).eval()
    ranges: dict[str, _Range] = {}
    hooks = [
        module.register_forward_hook(_recorder(ranges, f"{name}.weight"))
        for name, module in encoder.named_modules()
        if isinstance(module, nn.Linear)
    ]
    try:
        with torch.inference_mode():
            for item in student.encode(examples[:MAX_EXAMPLES], seq_lens=(seq_len,)):
                for window in item.windows:
                    real = slice(0, window.num_tokens)
                    rows = {k: torch.from_numpy(v[:, real]) for k, v in window.inputs.items()}
                    encoder(**rows)
    finally:
        for hook in hooks:
            hook.remove()
    return {
        name: linear_activations(
            lowest=each.lowest, highest=each.highest, largest_outputs=each.largest_outputs.numpy()
        )
        for name, each in ranges.items()
    }


class _Range:
    """What one layer took and gave so far."""

    def __init__(self, num_channels: int) -> None:
        self.lowest = self.highest = 0.0
        self.largest_outputs = torch.zeros(num_channels)

    def add(self, taken: torch.Tensor, given: torch.Tensor) -> None:
        """Widens the range; both are ``(batch, tokens, channels) float32``."""
        self.lowest = min(self.lowest, float(taken.min()))
        self.highest = max(self.highest, float(taken.max()))
        largest = given.abs().flatten(0, -2).amax(0)  # (channels,)
        self.largest_outputs = torch.maximum(self.largest_outputs, largest)


def _recorder(ranges: dict[str, _Range], name: str) -> Callable[..., None]:
    def record(_: nn.Module, taken: tuple[Any, ...], given: torch.Tensor) -> None:
        if name not in ranges:
            ranges[name] = _Range(given.shape[-1])
        ranges[name].add(taken[0], given)

    return record
