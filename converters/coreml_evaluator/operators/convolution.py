"""MIL operators that slide a window: convolutions and pools of one to three dimensions."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch import Tensor

Pairs = list[tuple[int, int]]
"""For each spatial dimension, how many elements go before it and after it."""


def _padding(
    pad_type: str,
    pad: Tensor | None,
    *,
    sizes: Sequence[int],
    windows: Sequence[int],
    strides: Sequence[int],
) -> Pairs:
    """Returns the padding that a ``pad_type`` stands for; ``windows`` count their dilation."""
    if pad_type == "valid" or (pad_type == "custom" and pad is None):
        return [(0, 0)] * len(sizes)
    if pad_type == "custom" and pad is not None:
        return [(before, after) for before, after in pad.reshape(-1, 2).tolist()]
    if pad_type not in ("same", "same_lower"):
        raise NotImplementedError(f"pad_type {pad_type!r}")
    pairs = []
    for size, window, stride in zip(sizes, windows, strides, strict=True):
        total = max(0, -(-size // stride) * stride - size + window - stride)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if pad_type == "same" else (more, less))
    return pairs


def _pad(x: Tensor, pairs: Pairs, value: float = 0.0) -> Tensor:
    return F.pad(x, [amount for pair in reversed(pairs) for amount in pair], value=value)


def _conv(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: Tensor,
    bias: Tensor | None = None,
) -> Tensor:
    steps, dilation = strides.tolist(), dilations.tolist()
    windows = [(size - 1) * d + 1 for size, d in zip(weight.shape[2:], dilation, strict=True)]
    pairs = _padding(pad_type, pad, sizes=x.shape[2:], windows=windows, strides=steps)
    convolve = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.dim()]
    return convolve(_pad(x, pairs), weight, bias, steps, dilation=dilation, groups=int(groups))


def _conv_transpose(
    x: Tensor,
    weight: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    dilations: Tensor,
    groups: Tensor,
    bias: Tensor | None = None,
    output_shape: Tensor | None = None,
) -> Tensor:
    if pad_type not in ("valid", "custom"):
        raise NotImplementedError(f"conv_transpose with pad_type {pad_type!r}")
    convolve = {3: F.conv_transpose1d, 4: F.conv_transpose2d, 5: F.conv_transpose3d}[x.dim()]
    y = convolve(x, weight, bias, strides.tolist(), groups=int(groups), dilation=dilations.tolist())
    # Padding here is what is cut from the result.
    pairs = pad.reshape(-1, 2).tolist() if pad_type == "custom" else []
    for axis, (before, after) in enumerate(pairs, start=2):
        y = y.narrow(axis, before, y.shape[axis] - before - after)
    if output_shape is not None and y.shape != torch.Size(output_shape.tolist()):
        raise NotImplementedError(f"conv_transpose to {output_shape.tolist()}, not {[*y.shape]}")
    return y


def _beyond(
    sizes: Sequence[int], pairs: Pairs, windows: Sequence[int], strides: Sequence[int]
) -> list[int]:
    """Returns how far the last window of ``ceil_mode`` reaches over the padded end.

    Source: ``spatial_dimensions_out_shape`` of coremltools 9.0.
    """
    reach = []
    for size, (before, after), window, stride in zip(sizes, pairs, windows, strides, strict=True):
        padded = size + before + after
        num_windows = -(-(padded - window) // stride) + 1
        if (before or after) and (num_windows - 1) * stride >= size + (before + after) / 2:
            num_windows -= 1
        reach.append(max(0, (num_windows - 1) * stride + window - padded))
    return reach


_MAX_POOLS = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVG_POOLS: dict[int, Callable[..., Tensor]] = {
    1: F.avg_pool1d,
    2: F.avg_pool2d,
    3: F.avg_pool3d,
}


def _windows(
    x: Tensor, kernel_sizes: Tensor, strides: Tensor, pad_type: str, pad: Tensor, ceil_mode: Tensor
) -> tuple[Pairs, Pairs]:
    """Returns the padding that belongs to the windows, and what ``ceil_mode`` adds to it."""
    windows, steps, sizes = kernel_sizes.tolist(), strides.tolist(), x.shape[2:]
    pairs = _padding(pad_type, pad, sizes=sizes, windows=windows, strides=steps)
    added = _beyond(sizes, pairs, windows, steps) if ceil_mode else [0] * len(sizes)
    return pairs, [(0, more) for more in added]


def _max_pool(
    x: Tensor, kernel_sizes: Tensor, strides: Tensor, pad_type: str, pad: Tensor, ceil_mode: Tensor
) -> Tensor:
    pairs, added = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    padded = _pad(_pad(x, pairs, -torch.inf), added, -torch.inf)
    return _MAX_POOLS[x.dim() - 2](padded, kernel_sizes.tolist(), strides.tolist())


def _avg_pool(
    x: Tensor,
    kernel_sizes: Tensor,
    strides: Tensor,
    pad_type: str,
    pad: Tensor,
    ceil_mode: Tensor,
    exclude_padding_from_average: Tensor,
) -> Tensor:
    pairs, added = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    average = _AVG_POOLS[x.dim() - 2]
    windows, steps = kernel_sizes.tolist(), strides.tolist()
    mean = average(_pad(_pad(x, pairs), added), windows, steps)
    is_whole = not any(map(any, added)) and not (
        exclude_padding_from_average and any(map(any, pairs))
    )
    if is_whole:
        return mean
    # What does not count is zero in the mean above; here follows which share of it counts.
    padding_counts = 0.0 if exclude_padding_from_average else 1.0
    counted = _pad(_pad(torch.ones_like(x[:1, :1]), pairs, padding_counts), added)
    return mean / average(counted, windows, steps)


def _l2_pool(
    x: Tensor, kernel_sizes: Tensor, strides: Tensor, pad_type: str, pad: Tensor, ceil_mode: Tensor
) -> Tensor:
    pairs, added = _windows(x, kernel_sizes, strides, pad_type, pad, ceil_mode)
    windows = kernel_sizes.tolist()
    squares = _pad(_pad(x.square(), pairs), added)
    mean = _AVG_POOLS[x.dim() - 2](squares, windows, strides.tolist())
    return (mean * int(kernel_sizes.prod())).sqrt()


CONVOLUTION: dict[str, Callable[..., Tensor]] = {
    "avg_pool": _avg_pool,
    "conv": _conv,
    "conv_transpose": _conv_transpose,
    "l2_pool": _l2_pool,
    "max_pool": _max_pool,
}
