"""MIL operators that read or write at computed indices.

Two conventions exist: up to iOS 16 a negative index counts from the end; from iOS 17 on (the
versions with ``validate_indices``) it is out of range. Core ML then gives anything when it does not
validate; a reference has no use for anything, so here out of range is always an error.
"""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def _from_start(indices: Tensor, size: int, validate_indices: Tensor | None) -> Tensor:
    """Returns int64 indices that count from the start, by the convention of the version."""
    if validate_indices is None:
        indices = torch.where(indices < 0, indices + size, indices)
    out_of_range = indices[(indices < 0) | (indices >= size)]
    if out_of_range.numel():
        raise IndexError(f"index {int(out_of_range[0])} is out of range for size {size}")
    return indices.long()


def _per_batch(
    gather: Callable[[Tensor, Tensor], Tensor], x: Tensor, indices: Tensor, num_dims: int
) -> Tensor:
    """Applies ``gather`` to every entry of the ``num_dims`` leading dimensions."""
    pairs = zip(x.flatten(0, num_dims - 1), indices.flatten(0, num_dims - 1), strict=True)
    values = torch.stack([gather(*pair) for pair in pairs])
    return values.reshape(x.shape[:num_dims] + values.shape[1:])


def _gather(
    x: Tensor,
    indices: Tensor,
    axis: Tensor,
    batch_dims: Tensor | None = None,
    validate_indices: Tensor | None = None,
) -> Tensor:
    num_batch = 0 if batch_dims is None else int(batch_dims)
    dim = int(axis) % x.dim() - num_batch

    def gather(x: Tensor, indices: Tensor) -> Tensor:
        rows = _from_start(indices.flatten(), x.shape[dim], validate_indices)
        return x.index_select(dim, rows).reshape(x.shape[:dim] + indices.shape + x.shape[dim + 1 :])

    return _per_batch(gather, x, indices, num_batch) if num_batch else gather(x, indices)


def _gather_along_axis(
    x: Tensor, indices: Tensor, axis: Tensor, validate_indices: Tensor | None = None
) -> Tensor:
    dim = int(axis)
    return x.gather(dim, _from_start(indices, x.shape[dim], validate_indices))


def _gather_nd(
    x: Tensor,
    indices: Tensor,
    batch_dims: Tensor | None = None,
    validate_indices: Tensor | None = None,
) -> Tensor:
    depth = indices.shape[-1]

    def gather(x: Tensor, indices: Tensor) -> Tensor:
        rows = _flat_rows(x.shape, indices, validate_indices)
        values = x.reshape(-1, *x.shape[depth:]).index_select(0, rows.flatten())
        return values.reshape(indices.shape[:-1] + x.shape[depth:])

    num_batch = 0 if batch_dims is None else int(batch_dims)
    return _per_batch(gather, x, indices, num_batch) if num_batch else gather(x, indices)


def _flat_rows(shape: Sequence[int], indices: Tensor, validate_indices: Tensor | None) -> Tensor:
    """Turns index tuples, ``(..., depth)``, into rows of the flattened leading dimensions."""
    rows = torch.zeros(indices.shape[:-1], dtype=torch.int64)
    for column, size in zip(indices.unbind(-1), shape, strict=False):
        rows = rows * size + _from_start(column, size, validate_indices)
    return rows


def _write(data: Tensor, axis: int, rows: Tensor, updates: Tensor, mode: str) -> Tensor:
    """Combines ``updates`` into ``data``; ``rows``, int64, has the shape of ``updates``."""
    if mode == "update":
        return data.scatter(axis, rows, updates)
    if mode in ("add", "sub"):
        return data.scatter_add(axis, rows, updates if mode == "add" else -updates)
    if mode in ("mul", "div"):
        factors = updates if mode == "mul" else updates.reciprocal()
        return data.scatter_reduce(axis, rows, factors, "prod")
    return data.scatter_reduce(axis, rows, updates, {"max": "amax", "min": "amin"}[mode])


def _scatter(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor,
    mode: str,
    validate_indices: Tensor | None = None,
) -> Tensor:
    dim = int(axis) % data.dim()
    rows = _from_start(indices, data.shape[dim], validate_indices)
    rows = rows.reshape([-1 if i == dim else 1 for i in range(data.dim())])
    return _write(data, dim, rows.expand_as(updates), updates, mode)


def _scatter_along_axis(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    axis: Tensor,
    mode: str,
    validate_indices: Tensor | None = None,
) -> Tensor:
    dim = int(axis)
    return _write(data, dim, _from_start(indices, data.shape[dim], validate_indices), updates, mode)


def _scatter_nd(
    data: Tensor,
    indices: Tensor,
    updates: Tensor,
    mode: str,
    validate_indices: Tensor | None = None,
) -> Tensor:
    depth = indices.shape[-1]
    rows = _flat_rows(data.shape, indices, validate_indices).reshape(-1, 1)
    table = data.reshape(math.prod(data.shape[:depth]), -1)
    updates = updates.reshape(len(rows), -1)
    return _write(table, 0, rows.expand_as(updates), updates, mode).reshape(data.shape)


INDEXING: dict[str, Callable[..., Tensor]] = {
    "gather": _gather,
    "gather_along_axis": _gather_along_axis,
    "gather_nd": _gather_nd,
    "scatter": _scatter,
    "scatter_along_axis": _scatter_along_axis,
    "scatter_nd": _scatter_nd,
}
