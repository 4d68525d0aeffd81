"""The precisions, and what each promises of the artifact that carries it.

- ``fp32``: weights and arithmetic in 32-bit floats.
- ``fp16``: weights in 16-bit floats; arithmetic in 16 bits where the runtime has it.
- ``int8``: weights of linear layers and embeddings in int8, one scale per output channel or per
  row; activations are quantized on the fly where the runtime can. Norms and biases stay float.
- ``int4``: the same with four bits, one scale for each group of neighbouring columns. The small
  weights that hurt most keep eight bits: positions and head.
- ``auto``: eight or four bits, chosen for each tensor group under a budget.
"""

from typing import Literal, get_args

FixedPrecision = Literal["fp32", "fp16", "int8", "int4"]
"""The precisions that stand for one recipe each."""
FIXED_PRECISIONS: tuple[FixedPrecision, ...] = get_args(FixedPrecision)

Precision = FixedPrecision | Literal["auto"]
PRECISIONS: tuple[Precision, ...] = (*FIXED_PRECISIONS, "auto")

Activations = Literal["dynamic", "static"]
ACTIVATIONS: tuple[Activations, ...] = get_args(Activations)
"""How runtimes that multiply integers round what a linear layer takes: each token by its own range
while they run, or all alike by ranges that the file fixes, which rounds the layer's output as well.
"""
