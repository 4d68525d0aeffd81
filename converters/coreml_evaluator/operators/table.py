"""Every MIL operator that the Core ML reference can run, over PyTorch on the CPU.

Floats arrive as float32 and integers as int32, whatever the program declares.

Source: coremltools 9.0, ``converters/mil/mil/ops/defs``.
"""

from collections.abc import Callable

from torch import Tensor

from converters.coreml_evaluator.operators.algebra import ALGEBRA
from converters.coreml_evaluator.operators.convolution import CONVOLUTION
from converters.coreml_evaluator.operators.elementwise import ELEMENTWISE
from converters.coreml_evaluator.operators.images import IMAGES
from converters.coreml_evaluator.operators.indexing import INDEXING
from converters.coreml_evaluator.operators.recurrent import RECURRENT
from converters.coreml_evaluator.operators.tensors import TENSORS

OPERATORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    **ALGEBRA,
    **CONVOLUTION,
    **ELEMENTWISE,
    **IMAGES,
    **INDEXING,
    **RECURRENT,
    **TENSORS,
}

_TENSORS_WITH_ARITHMETIC = {"cumsum", "range_1d"}

VALUE_PRESERVING = (frozenset(TENSORS) - _TENSORS_WITH_ARITHMETIC) | {
    *("abs", "gather", "gather_along_axis", "gather_nd", "identity", "maximum", "minimum"),
    *("reduce_max", "reduce_min", "relu", "sign"),
}
"""Those whose results are among their operands: rounding them again would change nothing."""
