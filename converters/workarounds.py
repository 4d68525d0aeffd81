"""Ways around bugs of others, each with the bug's name and when it can go.

``tests/converters/test_workarounds.py`` tells when one is no longer needed.
"""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor, dtype
    from torch.export import ExportedProgram


FRAMEWORKS = ("tensorflow", "executorch", "torchao", "transformers", "sklearn")


@contextlib.contextmanager
def coremltools_without_frameworks() -> Iterator[None]:
    """Hides frameworks while coremltools is imported.

    coremltools 9.0 imports every framework that it finds: TensorFlow, ExecuTorch, through torchao
    Triton, Transformers and scikit-learn. With TensorFlow 2.21 first and Triton 3.7.1 second the
    process ends in a segmentation fault; besides, each takes a second or more to import, in every
    process that opens a Core ML package, and nothing here uses it. It can go when coremltools
    imports a framework only for a model of that framework's.
    """
    # What is imported already is too late to hide.
    hidden = [name for name in FRAMEWORKS if name not in sys.modules]
    sys.modules.update(dict.fromkeys(hidden))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def remove_aliases(program: "ExportedProgram") -> None:
    """Removes the operators of a program that only give another name to what they take.

    ``torch.export`` 2.13 writes a slice that is the whole of its tensor as ``aten.alias``, as
    encoders slice their position ids at their full length, and coremltools 9.0 knows no such
    operator. It can go when ``ct.convert`` takes one.
    """
    import torch

    aliases = program.graph.find_nodes(op="call_function", target=torch.ops.aten.alias.default)
    for node in aliases:
        node.replace_all_uses_with(node.args[0])
        program.graph.erase_node(node)
    program.graph_module.recompile()


@contextlib.contextmanager
def coremltools_with_bounded_results(check: Callable[[float], None]) -> Iterator[None]:
    """Checks how many elements each result of a program has before coremltools computes it.

    While it reads a program, coremltools 9.0 computes every result that follows from constants, of
    any size: a package of 2 kB can ask for terabytes. It can go when it bounds them.

    Args:
        check: Raises for a number of elements that is too large.
    """
    from coremltools.converters.mil.mil import Operation, types

    compute = Operation._auto_val

    def bounded(self: Any, output_types: Any) -> Any:
        # Weights, compressed ones as well, are as large as the file that holds them.
        is_stored = self.op_type == "const" or self.op_type.startswith("constexpr_")
        for output_type in () if is_stored else output_types:
            if types.is_tensor(output_type):
                known = [size for size in output_type.get_shape() if isinstance(size, Integral)]
                check(math.prod(map(int, known)))
        return compute(self, output_types)

    Operation._auto_val = bounded
    try:
        yield
    finally:
        Operation._auto_val = compute


XNNPACK_PASSES_OF_NO_ENCODER = (
    "ConvertToUpsampleBilinear2d", "ConvertToSDPAPass", "FuseBatchNormPass", "DecomposeBatchNorm",
    "Conv1dUnsqueezePass", "PReLUReshapePass", "ChannelsLastTaggedReshapePass",
    "RemoveRedundantCopyPass",
)  # fmt: skip


@contextlib.contextmanager
def xnnpack_without_passes_for_images() -> Iterator[None]:
    """Leaves out the passes of ExecuTorch's XNNPACK backend that find nothing in an encoder.

    ExecuTorch 1.4.1 traces every delegated part again for each of 17 passes, whether they find
    something or not; these eight are for convolutions, batch norms, images, and an attention that
    is one operator. The file is the same to the byte, after 0.73 of the time (embedded student,
    two lengths). It can go when a pass that finds nothing costs nothing.
    """
    from executorch.backends.xnnpack import xnnpack_preprocess

    manager_class = xnnpack_preprocess.XNNPACKPassManager

    def manager(program: Any, passes: list[type] | None = None) -> Any:
        made = manager_class(program, passes)
        made.passes = [
            each for each in made.passes if each.__name__ not in XNNPACK_PASSES_OF_NO_ENCODER
        ]
        return made

    xnnpack_preprocess.XNNPACKPassManager = manager
    try:
        yield
    finally:
        xnnpack_preprocess.XNNPACKPassManager = manager_class


@contextlib.contextmanager
def torchao_traced_by_shapes() -> Iterator[None]:
    """Tells PyTorch the shapes that torchao's quantization of activations gives.

    torchao 0.18 registers no fake kernels for these operators, so whenever a program of dynamic
    length is traced, and a lowering traces it some thirty times, PyTorch computes the shape of
    every step inside of each. The file is the same to the byte, after 0.84 of the time (embedded
    student, four lengths). It can go when torchao registers them.
    """
    import torch
    import torchao  # noqa: F401  registers the operators
    from torch._decomp import decomposition_table

    rules: dict[Any, Callable[..., Any]] = {
        torch.ops.torchao.choose_qparams_affine.default: _choose_qparams_affine,
        torch.ops.torchao.quantize_affine.default: _quantize_affine,
        torch.ops.torchao.dequantize_affine.default: _dequantize_affine,
    }
    decomposition_table.update(rules)
    try:
        yield
    finally:
        for operator in rules:
            del decomposition_table[operator]


def _choose_qparams_affine(
    input: "Tensor",
    mapping_type: str,
    block_size: list[int],
    target_dtype: "dtype",
    quant_min: float | None = None,
    quant_max: float | None = None,
    eps: float | None = None,
    scale_dtype: "dtype | None" = None,
    zero_point_dtype: "dtype | None" = None,
    keepdim: bool = False,
) -> "tuple[Tensor, Tensor]":
    """Returns scales and zero points without values: one for each block."""
    import torch

    del mapping_type, target_dtype, quant_min, quant_max, eps
    shape = [
        size // block
        for size, block in zip(input.shape, block_size, strict=True)
        if keepdim or block == 1 or block != size
    ]
    return (
        input.new_empty(shape, dtype=scale_dtype or input.dtype),
        input.new_empty(shape, dtype=zero_point_dtype or torch.int32),
    )


def _quantize_affine(
    input: "Tensor",
    block_size: list[int],
    scale: "Tensor",
    zero_point: "Tensor | None",
    output_dtype: "dtype",
    quant_min: float | None = None,
    quant_max: float | None = None,
) -> "Tensor":
    """Returns integers without values."""
    del block_size, scale, zero_point, quant_min, quant_max
    return input.new_empty(input.shape, dtype=output_dtype)


def _dequantize_affine(
    input: "Tensor",
    block_size: list[int],
    scale: "Tensor",
    zero_point: "Tensor | None",
    input_dtype: "dtype",
    quant_min: float | None = None,
    quant_max: float | None = None,
    output_dtype: "dtype | None" = None,
) -> "Tensor":
    """Returns floats without values."""
    del block_size, zero_point, input_dtype, quant_min, quant_max
    return input.new_empty(input.shape, dtype=output_dtype or scale.dtype)
