"""Makes a ``.pte`` file: quantizes the traced graph, then lowers it to XNNPACK."""

from importlib.metadata import version

import torch

from converters.conversion import Conversion
from converters.executorch.lowering import lower
from converters.executorch.precision import quantize, to_fp16
from converters.values.artifact import Artifact
from converters.values.program import TracedModel
from converters.weights.quantized import ModelWeights

_LEAST_RUNTIME = ".".join(version("executorch").split(".")[:2])
"""A file runs on the minor release that wrote it and on the next, not on an older one."""

_ARM64_FP16 = {"arm64-fp16": "8.2"}
"""What computes in halves needs of an arm64 processor: FEAT_FP16, which came with Armv8.2, and
without which XNNPACK refuses the file. x86 needs nothing: there XNNPACK computes in floats."""


def convert(conversion: Conversion) -> Artifact:
    """Writes a file whose one method is of dynamic length, so every weight is stored once."""
    weights = conversion.weights
    program = _at_precision(conversion.traced, weights)
    with conversion.path.open("wb") as file:
        lower(program).to_executorch().write_to_file(file)
    requires = {"executorch": _LEAST_RUNTIME}
    return conversion.artifact(
        "executorch",
        requires=requires | _ARM64_FP16 if weights.precision == "fp16" else requires,
        entry_points=["forward"] * len(conversion.traced.seq_lens),
        by_position=True,
    )


def _at_precision(traced: TracedModel, weights: ModelWeights) -> torch.export.ExportedProgram:
    """Returns the program with its weights as they are to be stored."""
    if weights.precision == "fp32":
        return traced.program
    module = traced.module()
    if weights.precision == "fp16":
        to_fp16(module)
    else:
        quantize(module, weights.integers, weights.activations)
    inputs = traced.sample_inputs(traced.seq_lens[-1])
    return torch.export.export(
        module, (), inputs, dynamic_shapes=traced.dynamic_shapes, strict=False
    )
