"""The student as an artifact computes it, in PyTorch: what quantization does to it, and no more.

It takes the very integers that the backends store, so its answers are those of the artifacts but
for the order of additions, and a recipe is judged without converting anything.
"""

import copy
from dataclasses import replace

import torch
from torch import nn

from converters.weights.activations import HIGHEST, LOWEST, LinearActivations
from converters.weights.quantized import ModelWeights
from pipeline.student.load import Student


def emulated(student: Student, weights: ModelWeights) -> Student:
    """Returns a student that computes with the given weights.

    Linear layers of integers round their inputs as well, as XNNPACK does while it runs, or inputs
    and outputs by fixed scales. Core ML does not: it computes them in floats, so there the loss is
    a little smaller.

    Args:
        student: In fp32; it stays as it is.
        weights: By the names of the traced student.
    """
    copied = with_integers(student, weights)
    activations = {name.removeprefix("model."): each for name, each in weights.activations.items()}
    for name, module in copied.model.named_modules():
        if f"{name}.weight" in activations:
            _fix(module, activations[f"{name}.weight"])
        elif isinstance(module, nn.Linear) and f"model.{name}.weight" in weights.integers:
            module.register_forward_pre_hook(_round_input)
    return copied


def with_integers(student: Student, weights: ModelWeights) -> Student:
    """Returns a copy of a student whose weights are rounded, and nothing else.

    Args:
        student: In fp32; it stays as it is.
        weights: By the names of the traced student.
    """
    model = copy.deepcopy(student.model)
    with torch.no_grad():
        for name, weight in weights.integers.items():
            parameter = model.get_parameter(name.removeprefix("model."))
            parameter.copy_(torch.from_numpy(weight.dequantize()))
    return replace(student, model=model)


def _round_input(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
    return (round_per_token(inputs[0]),)


def _fix(module: nn.Module, activations: LinearActivations) -> None:
    """Lets a linear layer round what it takes and gives by fixed scales."""
    scale, zero = activations.input_scale, activations.input_zero_point
    scales = torch.from_numpy(activations.output_scales)

    def take(_: nn.Module, inputs: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        integers = ((inputs[0] / scale).round() + zero).clamp(LOWEST, HIGHEST)
        return ((integers - zero) * scale,)

    def give(_: nn.Module, __: object, output: torch.Tensor) -> torch.Tensor:
        return (output / scales).round().clamp(LOWEST, HIGHEST) * scales

    module.register_forward_pre_hook(take)
    module.register_forward_hook(give)


def round_per_token(activations: torch.Tensor) -> torch.Tensor:
    """Rounds each token to 256 levels from its least value to its largest, zero among them.

    Args:
        activations: ``(..., columns) float32``.
    """
    least = activations.amin(-1, keepdim=True).clamp(max=0)
    largest = activations.amax(-1, keepdim=True).clamp(min=0)
    scale = ((largest - least) / 255).clamp(min=torch.finfo(torch.float32).tiny)
    zero = (-128 - least / scale).round().clamp(-128, 127)
    integers = ((activations / scale).round() + zero).clamp(-128, 127)
    return (integers - zero) * scale
