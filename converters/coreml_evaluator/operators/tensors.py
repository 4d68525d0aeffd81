"""MIL operators that reshape, cut, join, order or make tensors."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch import Tensor


def _reshape(x: Tensor, shape: Tensor) -> Tensor:
    sizes = shape.tolist()
    for i, size in enumerate(sizes):
        if size == 0:  # inherits the dimension that is as far from the end
            from_end = len(sizes) - i
            sizes[i] = x.shape[-from_end] if from_end <= x.dim() else 1
    return x.reshape(sizes)


def _expand_dims(x: Tensor, axes: Tensor) -> Tensor:
    rank = x.dim() + axes.numel()
    for axis in sorted(axis % rank for axis in axes.tolist()):
        x = x.unsqueeze(axis)
    return x


def _squeeze(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.squeeze() if axes is None else x.squeeze(tuple(axes.tolist()))


def _flatten2d(x: Tensor, axis: Tensor) -> Tensor:
    first = math.prod(x.shape[: int(axis)])
    return x.reshape(first, x.numel() // first)


def _concat(values: Sequence[Tensor], axis: Tensor, interleave: Tensor) -> Tensor:
    if values[0].dim() == 0:
        return torch.stack(list(values))
    if interleave:
        dim = int(axis) % values[0].dim()
        return torch.stack(list(values), dim + 1).flatten(dim, dim + 1)
    return torch.cat(list(values), int(axis))


def _split(
    x: Tensor, axis: Tensor, num_splits: Tensor | None = None, split_sizes: Tensor | None = None
) -> tuple[Tensor, ...]:
    if split_sizes is not None:
        return torch.split(x, split_sizes.tolist(), int(axis))
    if num_splits is None:
        raise ValueError("split gives neither num_splits nor split_sizes")
    return torch.split(x, x.shape[int(axis)] // int(num_splits), int(axis))


def _spans(
    shape: Sequence[int],
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None,
    begin_mask: Tensor | None,
    end_mask: Tensor | None,
    squeeze_mask: Tensor | None,
) -> list[range]:
    """Returns the indices that a slice takes along each dimension."""

    def is_set(mask: Tensor | None, axis: int) -> bool:
        return mask is not None and bool(mask[axis])

    spans = []
    for axis, size in enumerate(shape):
        first = None if is_set(begin_mask, axis) else int(begin[axis])
        last = None if is_set(end_mask, axis) else int(end[axis])
        if is_set(squeeze_mask, axis):
            index = range(size)[first or 0]
            spans.append(range(index, index + 1))
        else:
            step = 1 if stride is None else int(stride[axis])
            spans.append(range(size)[slice(first, last, step)])
    return spans


def _slice_by_index(
    x: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    spans = _spans(x.shape, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    for axis, span in enumerate(spans):
        if span.step == 1:
            x = x.narrow(axis, span.start, len(span))
        else:  # PyTorch has no negative strides
            x = x.index_select(axis, torch.tensor(span))
    if squeeze_mask is None:
        return x
    return x.squeeze(tuple(axis for axis, mask in enumerate(squeeze_mask.tolist()) if mask))


def _slice_update(
    x: Tensor,
    update: Tensor,
    begin: Tensor,
    end: Tensor,
    stride: Tensor | None = None,
    begin_mask: Tensor | None = None,
    end_mask: Tensor | None = None,
    squeeze_mask: Tensor | None = None,
) -> Tensor:
    spans = _spans(x.shape, begin, end, stride, begin_mask, end_mask, squeeze_mask)
    grid = torch.meshgrid(*(torch.tensor(span) for span in spans), indexing="ij")
    return x.index_put(grid, update.reshape([len(span) for span in spans]))


def _slice_by_size(x: Tensor, begin: Tensor, size: Tensor) -> Tensor:
    for axis, (first, length) in enumerate(zip(begin.tolist(), size.tolist(), strict=True)):
        start = first % x.shape[axis] if first < 0 else first
        x = x.narrow(axis, start, x.shape[axis] - start if length == -1 else length)
    return x


def _pad(x: Tensor, pad: Tensor, mode: str, constant_val: Tensor) -> Tensor:
    amounts = pad.reshape(-1, 2).tolist()
    if mode == "constant":
        reverse = [amount for pair in reversed(amounts) for amount in pair]
        return F.pad(x, reverse, value=constant_val.item())
    for axis, pair in enumerate(amounts, start=x.dim() - len(amounts)):
        source = np.pad(np.arange(x.shape[axis]), pair, "reflect" if mode == "reflect" else "edge")
        x = x.index_select(axis, torch.from_numpy(source))
    return x


def _band_part(x: Tensor, lower: Tensor, upper: Tensor) -> Tensor:
    rows, columns = x.shape[-2:]
    x = x.triu(-int(lower) if lower >= 0 else -rows)
    return x.tril(int(upper) if upper >= 0 else columns)


def _reverse(x: Tensor, axes: Tensor | None = None) -> Tensor:
    return x.flip(list(range(x.dim())) if axes is None else axes.tolist())


def _sliding_windows(x: Tensor, axis: Tensor, size: Tensor, stride: Tensor) -> Tensor:
    dim = int(axis) % x.dim()
    return x.unfold(dim, int(size), int(stride)).movedim(-1, dim + 1)


def _argsort(x: Tensor, axis: Tensor, ascending: Tensor) -> Tensor:
    return x.argsort(dim=int(axis), descending=not ascending, stable=True)


def _topk(
    x: Tensor,
    k: Tensor,
    axis: Tensor,
    ascending: Tensor,
    sort: Tensor | None = None,
    return_indices: Tensor | None = None,
    output_indices_dtype: str | None = None,
) -> Tensor | tuple[Tensor, Tensor]:
    del sort, output_indices_dtype  # sorted is one of the orders that sort=False allows
    indices = _argsort(x, axis, ascending).narrow(int(axis), 0, int(k))
    values = x.gather(int(axis), indices)
    return values if return_indices is not None and not return_indices else (values, indices)


def _range_1d(end: Tensor, start: Tensor, step: Tensor) -> Tensor:
    return torch.arange(start.item(), end.item(), step.item(), dtype=start.dtype)


def _one_hot(
    indices: Tensor, one_hot_vector_size: Tensor, axis: Tensor, on_value: Tensor, off_value: Tensor
) -> Tensor:
    dim = int(axis) % (indices.dim() + 1)
    classes = torch.arange(int(one_hot_vector_size))
    hot = (indices.unsqueeze(-1) == classes).movedim(-1, dim)
    return torch.where(hot, on_value, off_value)


def _cumsum(x: Tensor, axis: Tensor, exclusive: Tensor, reverse: Tensor) -> Tensor:
    dim = int(axis)
    data = x.flip(dim) if reverse else x
    total = data.cumsum(dim)
    if exclusive:
        total = total.roll(1, dim).index_fill(dim, torch.tensor([0]), 0)
    return total.flip(dim) if reverse else total


TENSORS: dict[str, Callable[..., Tensor | tuple[Tensor, ...]]] = {
    "argsort": _argsort,
    "band_part": _band_part,
    "concat": _concat,
    "cumsum": _cumsum,
    "expand_dims": _expand_dims,
    "fill": lambda shape, value: value.expand(shape.tolist()),
    "fill_like": lambda ref_tensor, value: value.expand(ref_tensor.shape),
    "flatten2d": _flatten2d,
    "non_zero": lambda x: x.nonzero(),
    "one_hot": _one_hot,
    "pad": _pad,
    "range_1d": _range_1d,
    "reshape": _reshape,
    "reverse": _reverse,
    "select": lambda cond, a, b: torch.where(cond, a, b),
    "shape": lambda x: torch.tensor(x.shape, dtype=torch.int32),
    "slice_by_index": _slice_by_index,
    "slice_by_size": _slice_by_size,
    "slice_update": _slice_update,
    "sliding_windows": _sliding_windows,
    "split": _split,
    "squeeze": _squeeze,
    "stack": lambda values, axis: torch.stack(list(values), int(axis)),
    "tile": lambda x, reps: x.tile(reps.tolist()),
    "topk": _topk,
    "transpose": lambda x, perm: x.permute(perm.tolist()),
}
