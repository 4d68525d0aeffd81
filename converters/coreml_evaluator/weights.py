"""Compressed weights of a Core ML program, expanded exactly as the format defines them.

Every function is named after its ``constexpr_`` operator and takes the tensors with the dtypes that
the file stores. Where iOS 16 and iOS 18 define two versions of an operator, one function serves
both: the older version is the one that gives a ``shape``.

Source: coremltools 9.0, ``converters/mil/mil/ops/defs/iOS16/constexpr_ops.py`` and
``iOS18/compression.py``.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor


def affine_dequantize(
    quantized_data: Tensor, zero_point: Tensor, scale: Tensor, axis: Tensor
) -> Tensor:
    """Returns ``scale * (quantized_data - zero_point)`` in the dtype of ``scale``.

    Args:
        quantized_data: Any shape, int8 or uint8.
        zero_point: A scalar, or one value per index of ``axis``.
        scale: As ``zero_point``, float16 or float32.
        axis: A scalar.
    """
    shape = [1] * quantized_data.dim()
    shape[int(axis)] = -1

    def along_axis(parameter: Tensor) -> Tensor:
        return parameter.float().reshape(shape if parameter.dim() else ())

    shifted = quantized_data.float() - along_axis(zero_point)
    return (shifted * along_axis(scale)).to(scale.dtype)


def blockwise_shift_scale(data: Tensor, scale: Tensor, offset: Tensor | None = None) -> Tensor:
    """Returns ``scale * (data - offset)``, one scale per block, in the dtype of ``scale``.

    Args:
        data: Any shape, integers of 4 or 8 bits or floats.
        scale: As many dimensions as ``data``; each divides the one of ``data``.
        offset: The shape of ``scale``.
    """
    values = _in_blocks(data, scale.shape).to(scale.dtype)
    if offset is not None:
        values = values - _per_block(offset).to(scale.dtype)
    return (values * _per_block(scale)).reshape(data.shape)


def lut_to_dense(
    indices: Tensor,
    lut: Tensor,
    vector_axis: Tensor | None = None,
    shape: Tensor | None = None,
) -> Tensor:
    """Looks every index up in its block's table.

    Args:
        indices: iOS 16: packed bytes. iOS 18: one index per entry, already unpacked.
        lut: iOS 16: ``(num_palettes,)``. iOS 18: ``(*num_blocks, num_palettes, vector_size)``.
        vector_axis: iOS 18: where the elements of a looked-up vector go.
        shape: iOS 16: the shape of the result.
    """
    if shape is not None:
        num_bits = int(math.log2(len(lut)))
        return lut[_unpack(indices, num_bits, shape).int()]

    *num_blocks, num_palettes, vector_size = lut.shape
    first_rows = torch.arange(math.prod(num_blocks), dtype=torch.int32).reshape(num_blocks)
    rows = _in_blocks(indices.int(), num_blocks) + _per_block(first_rows * num_palettes)
    vectors = lut.reshape(-1, vector_size).index_select(0, rows.flatten())
    vectors = vectors.reshape(*indices.shape, vector_size)
    if vector_axis is None or vector_size == 1:
        return vectors.squeeze(-1)
    axis = int(vector_axis) % indices.dim()
    return vectors.movedim(-1, axis + 1).flatten(axis, axis + 1)


def sparse_to_dense(nonzero_data: Tensor, mask: Tensor, shape: Tensor | None = None) -> Tensor:
    """Puts the stored values where ``mask`` is set, and zero elsewhere.

    Args:
        nonzero_data: ``(num_set,)``, in row-major order.
        mask: iOS 16: packed bytes. iOS 18: one entry per element.
        shape: iOS 16: the shape of the result.
    """
    is_set = (mask if shape is None else _unpack(mask, 1, shape)).bool()
    return torch.zeros(is_set.shape, dtype=nonzero_data.dtype).masked_scatter(is_set, nonzero_data)


def lut_to_sparse(
    indices_mask: Tensor,
    indices_nonzero_data: Tensor,
    lut: Tensor,
    vector_axis: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Returns the mask of the looked-up values, and those values."""
    dense = lut_to_dense(sparse_to_dense(indices_nonzero_data, indices_mask), lut, vector_axis)
    mask = indices_mask
    if vector_axis is not None:
        mask = mask.repeat_interleave(lut.shape[-1], dim=int(vector_axis))
    return mask, dense[mask.bool()]


def sparse_blockwise_shift_scale(
    data_mask: Tensor, nonzero_data: Tensor, scale: Tensor, offset: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Returns the mask of the dequantized values, and those values."""
    dense = blockwise_shift_scale(sparse_to_dense(nonzero_data, data_mask), scale, offset)
    return data_mask, dense[data_mask.bool()]


def cast(source_val: Tensor, output_dtype: str) -> Tensor:
    """Widens a stored float16 tensor; ``fp32`` is the only target that the format knows."""
    if output_dtype != "fp32":
        raise NotImplementedError(f"constexpr_cast to {output_dtype}")
    return source_val.float()


def _in_blocks(data: Tensor, num_blocks: list[int] | torch.Size) -> Tensor:
    """Splits every dimension in two: ``(num_blocks, block_size)``."""
    pairs = ((num, size // num) for num, size in zip(num_blocks, data.shape, strict=True))
    return data.reshape([size for pair in pairs for size in pair])


def _per_block(parameter: Tensor) -> Tensor:
    """Gives every dimension a neighbour of size 1, to broadcast over the entries of a block."""
    return parameter.reshape([size for num in parameter.shape for size in (num, 1)])


def _unpack(packed: Tensor, num_bits: int, shape: Tensor) -> Tensor:
    """Unpacks fields of ``num_bits`` bits, the least significant bit first."""
    sizes = shape.tolist()
    bits = np.unpackbits(packed.numpy(), bitorder="little")[: math.prod(sizes) * num_bits]
    fields = np.packbits(bits.reshape(-1, num_bits), axis=1, bitorder="little")
    return torch.from_numpy(fields).reshape(sizes)


CONSTANT_EXPRESSIONS: dict[str, Callable[..., Tensor | tuple[Tensor, Tensor]]] = {
    "constexpr_affine_dequantize": affine_dequantize,
    "constexpr_blockwise_shift_scale": blockwise_shift_scale,
    "constexpr_cast": cast,
    "constexpr_lut_to_dense": lut_to_dense,
    "constexpr_lut_to_sparse": lut_to_sparse,
    "constexpr_sparse_blockwise_shift_scale": sparse_blockwise_shift_scale,
    "constexpr_sparse_to_dense": sparse_to_dense,
}
