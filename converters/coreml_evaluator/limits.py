"""Bounds on what a Core ML program may ask for: a small file can name a result of any size."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

MAX_ELEMENTS = 2**28
"""Of one result: 1 GiB in 32 bits. A 4K image with 32 channels has as many."""
MAX_LIVE_ELEMENTS = 2**30
"""Of all results that are still needed at one time: 4 GiB in 32 bits."""


class TooLargeError(ValueError):
    """A result would hold more elements than the bound."""


def check_elements(count: float, *, most: int = MAX_ELEMENTS) -> None:
    """Raises ``TooLargeError`` where a result would have more elements than the bound."""
    if not count <= most:
        raise TooLargeError(f"its result has {count:,.0f} elements, the bound is {most:,}")


def check_size(op_type: str, arguments: Mapping[str, Any], *, is_known: bool) -> None:
    """Checks the size of an operator's result, and of what it makes on the way.

    Args:
        op_type: Of the operator.
        arguments: What it takes.
        is_known: Whether the program tells the sizes of its results, which were checked with it.

    Raises:
        TooLargeError: One has more than ``MAX_ELEMENTS`` elements.
    """
    if not is_known or op_type in _COUNTS:
        check_elements(count_elements(op_type, arguments))


def count_elements(op_type: str, arguments: Mapping[str, Any]) -> float:
    """Returns how many elements an operator makes, and at least those of its result."""
    count: Callable[..., float] = _COUNTS.get(op_type, _count_broadcast)
    return count(**arguments)


def _count_broadcast(**arguments: Any) -> float:
    """Returns the size of what operands of one shape, or of one that fits, make together."""
    tensors = [each for each in arguments.values() if isinstance(each, Tensor)]
    shapes = [each.shape for each in tensors if each.dim()]
    try:
        return math.prod(np.broadcast_shapes(*shapes))
    except ValueError:  # operands of different roles, such as weights
        return max((each.numel() for each in tensors), default=0)


def _count_resized(x: Tensor, height: float, width: float) -> float:
    return math.prod(x.shape[:-2]) * max(height, x.shape[-2]) * max(width, x.shape[-1])


def _count_scaled(
    x: Tensor, scale_factor_height: Tensor, scale_factor_width: Tensor, **_: Any
) -> float:
    height, width = float(scale_factor_height), float(scale_factor_width)
    return _count_resized(x, x.shape[-2] * height + 1, x.shape[-1] * width + 1)


def _count_resize(x: Tensor, shape: Tensor, resized_dims: Tensor, **_: Any) -> float:
    sizes = list(x.shape)
    count = int(resized_dims)
    for axis, size in zip(range(-count, 0), shape.tolist()[-count:], strict=True):
        sizes[axis] = max(size, sizes[axis])
    return math.prod(sizes)


def _count_padded(x: Tensor, pad: Tensor, **_: Any) -> float:
    amounts = pad.reshape(-1, 2).tolist()
    sizes = list(x.shape)
    for axis, pair in enumerate(amounts, start=len(sizes) - len(amounts)):
        sizes[axis] += sum(pair)
    return math.prod(sizes)


def _count_windows(x: Tensor, kernel_sizes: Tensor, pad: Tensor | None = None, **_: Any) -> float:
    """Returns the size of the padded input of a pool."""
    return _count_spatial(x, kernel_sizes.tolist(), pad, channels=x.shape[1])


def _count_conv(
    x: Tensor, weight: Tensor, dilations: Tensor, pad: Tensor | None = None, **_: Any
) -> float:
    windows = [
        (size - 1) * step + 1
        for size, step in zip(weight.shape[2:], dilations.tolist(), strict=True)
    ]
    return _count_spatial(x, windows, pad, channels=max(x.shape[1], weight.shape[0]))


def _count_conv_transpose(
    x: Tensor, weight: Tensor, strides: Tensor, dilations: Tensor, groups: Tensor, **_: Any
) -> float:
    sizes = [
        size * step + (window - 1) * dilation + 1
        for size, step, window, dilation in zip(
            x.shape[2:], strides.tolist(), weight.shape[2:], dilations.tolist(), strict=True
        )
    ]
    return float(x.shape[0] * weight.shape[1] * int(groups) * math.prod(sizes))


def _count_spatial(
    x: Tensor, windows: Sequence[int], pad: Tensor | None, *, channels: int
) -> float:
    pads = pad.reshape(-1, 2).sum(1).tolist() if pad is not None else [0] * len(windows)
    sizes = [
        size + max(more, window)
        for size, more, window in zip(x.shape[2:], pads, windows, strict=False)
    ]
    return float(x.shape[0] * channels * math.prod(sizes))


def _count_matmul(x: Tensor, y: Tensor, transpose_x: Tensor, transpose_y: Tensor) -> float:
    x, y = (x.mT if transpose_x else x), (y.mT if transpose_y else y)
    if min(x.dim(), y.dim()) < 2:
        return max(x.numel(), y.numel())
    batch = math.prod(np.broadcast_shapes(x.shape[:-2], y.shape[:-2]))
    # Both operands are spread over the batch, too.
    rows, depth, columns = x.shape[-2], x.shape[-1], y.shape[-1]
    return batch * max(rows * columns, rows * depth, depth * columns)


def _count_einsum(values: Sequence[Tensor], equation: str) -> float:
    given, _, result = equation.replace(" ", "").partition("->")
    sizes = {
        letter: size
        for letters, value in zip(given.split(","), values, strict=False)
        for letter, size in zip(letters, value.shape, strict=False)
    }
    return math.prod(sizes.get(letter, 1) for letter in result)


def _count_attention(query: Tensor, key: Tensor, value: Tensor, **_: Any) -> float:
    rows = query.numel() // max(query.shape[-1], 1)
    return rows * max(key.shape[-2], value.shape[-1])


def _count_gather(
    x: Tensor, indices: Tensor, axis: Tensor, batch_dims: Tensor | None = None, **_: Any
) -> float:
    batch = math.prod(x.shape[: 0 if batch_dims is None else int(batch_dims)])
    return indices.numel() * (x.numel() // max(x.shape[int(axis)] * batch, 1))


def _count_gather_nd(
    x: Tensor, indices: Tensor, batch_dims: Tensor | None = None, **_: Any
) -> float:
    start = 0 if batch_dims is None else int(batch_dims)
    depth = indices.shape[-1]
    return indices.numel() / max(depth, 1) * math.prod(x.shape[start + depth :])


def _count_range(end: Tensor, start: Tensor, step: Tensor) -> float:
    return 1 + (abs(float(end) - float(start)) / abs(float(step)) if float(step) else 0)


_COUNTS: dict[str, Callable[..., float]] = {
    "avg_pool": _count_windows,
    "concat": lambda values, **_: sum(each.numel() for each in values),
    "conv": _count_conv,
    "conv_transpose": _count_conv_transpose,
    "einsum": _count_einsum,
    "fill": lambda shape, value: math.prod(shape.tolist()),
    "gather": _count_gather,
    "gather_along_axis": lambda x, indices, **_: max(x.numel(), indices.numel()),
    "gather_nd": _count_gather_nd,
    "l2_pool": _count_windows,
    "linear": lambda x, weight, bias: x.numel() // max(x.shape[-1], 1) * weight.shape[0],
    "lstm": lambda x, weight_ih, **_: x.shape[0] * x.shape[1] * weight_ih.shape[0],
    "matmul": _count_matmul,
    "max_pool": _count_windows,
    "non_zero": lambda x: x.numel() * max(x.dim(), 1),
    "one_hot": lambda indices, one_hot_vector_size, **_: indices.numel() * int(one_hot_vector_size),
    "pad": _count_padded,
    "range_1d": _count_range,
    "resample": lambda x, coordinates, **_: x.shape[1] * coordinates.numel() // 2,
    "resize": _count_resize,
    "resize_bilinear": lambda x, target_size_height, target_size_width, **_: _count_resized(
        x, int(target_size_height), int(target_size_width)
    ),
    "resize_nearest_neighbor": lambda x, target_size_height, target_size_width, **_: _count_resized(
        x, int(target_size_height), int(target_size_width)
    ),
    "rnn": lambda x, weight_ih, **_: x.shape[0] * x.shape[1] * weight_ih.shape[0],
    "scaled_dot_product_attention": _count_attention,
    "sliding_windows": lambda x, size, **_: x.numel() * int(size),
    "stack": lambda values, axis: sum(each.numel() for each in values),
    "tile": lambda x, reps: x.numel() * math.prod(reps.tolist()),
    "upsample_bilinear": _count_scaled,
    "upsample_nearest_neighbor": _count_scaled,
}
"""How many elements an operator makes, from its arguments; others make no more than they take."""
