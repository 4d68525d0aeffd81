"""Weights of a Core ML program, stored as the integers and scales that every backend stores.

``ct.convert`` looks in a program's state dict for notes on how each weight was compressed, and
stores the weight as they say. Here the notes are written before the conversion, under PyTorch's own
names, so that nothing has to be found again in the converted program.

Source: coremltools guide, "Conversion", section "Use compression info embedded in torch models",
https://apple.github.io/coremltools/docs-guides/source/opt-conversion.html
"""

from collections.abc import Mapping, Sequence

import torch

from converters.values.errors import InputError
from converters.weights.quantized import QuantizedWeight
from converters.workarounds import coremltools_without_frameworks, remove_aliases

with coremltools_without_frameworks():
    import coremltools as ct

_QUANTIZATION = 3
"""The guide's number for linear quantization, beside 1 for pruning and 2 for palettes."""


def deployment_target(weights: Mapping[str, QuantizedWeight]) -> ct.target:
    """Returns the oldest system whose Core ML can hold these weights.

    iOS 17 holds eight bits with a scale a row; four bits and groups came with iOS 18.
    """
    is_plain = all(w.bits == 8 and w.scales.shape[1] == 1 for w in weights.values())
    return ct.target.iOS17 if is_plain else ct.target.iOS18


def store(
    program: torch.export.ExportedProgram, weights: Mapping[str, QuantizedWeight]
) -> torch.export.ExportedProgram:
    """Returns a copy of the program from which ``ct.convert`` stores these weights as they are.

    A weight becomes one constant expression in the program, ``constexpr_affine_dequantize`` for
    iOS 17 and ``constexpr_blockwise_shift_scale`` for iOS 18, with its scales in the float format
    that the program computes in. What is not named stays a float.

    Args:
        program: Straight from ``torch.export``; the copy is decomposed as coremltools needs it.
        weights: By name in the state dict of the program, or of the student inside it.

    Raises:
        InputError: There is no such weight, or it has another shape, that of kernels of one element
            not counted.
    """
    noted: torch.export.ExportedProgram = program.run_decompositions({})
    remove_aliases(noted)
    for name, weight in weights.items():
        parameter = _parameter(program, name)
        shape = program.state_dict[parameter].shape
        if shape not in (weight.values.shape, (*weight.values.shape, 1, 1)):
            raise InputError(
                f"weight {name} has shape {tuple(shape)}, "
                f"its quantized values have {weight.values.shape}",
                hint="quantize the weight of this very model",
            )
        # coremltools divides by the scale and rounds, which gives back the integers.
        noted.state_dict[parameter] = torch.nn.Parameter(
            torch.from_numpy(weight.dequantize()).reshape(shape), requires_grad=False
        )
        noted.state_dict.update(_notes(parameter, weight))
    return noted


def _parameter(program: torch.export.ExportedProgram, name: str) -> str:
    """Returns the program's name of a weight: its wrapper puts a prefix before the student's."""
    names: Sequence[str] = program.graph_signature.parameters
    found = [known for known in names if f".{known}".endswith(f".{name}")]
    if len(found) != 1:
        raise InputError(
            f"{len(found) or 'no'} weights are called {name!r}, expected one",
            hint=f"the weights are {', '.join(names)}",
        )
    return found[0]


def _notes(parameter: str, weight: QuantizedWeight) -> dict[str, torch.Tensor]:
    module, dot, leaf = parameter.rpartition(".")
    notes = {
        "compression_type": torch.tensor([_QUANTIZATION]),
        "quantization_n_bits": torch.tensor(weight.bits),
        "quantization_scale": torch.from_numpy(weight.scales),
    }
    return {f"{module}{dot}_COREML_/{leaf}/{key}": value for key, value in notes.items()}
