"""MIL operators that multiply matrices, normalize, and quantize."""

import math
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch import Tensor


def _matmul(x: Tensor, y: Tensor, transpose_x: Tensor, transpose_y: Tensor) -> Tensor:
    return torch.matmul(x.mT if transpose_x else x, y.mT if transpose_y else y)


def _einsum(values: Sequence[Tensor], equation: str) -> Tensor:
    return torch.einsum(equation, *values)


def _scaled_dot_product_attention(
    query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None
) -> Tensor:
    # By the format's own formula. PyTorch's operator gives zeros for a row that is masked whole;
    # the formula, and a device, divides zero by zero there.
    scores = query @ key.mT / math.sqrt(query.shape[-1])
    if attn_mask is not None:
        is_bool = attn_mask.dtype == torch.bool
        scores = torch.where(attn_mask, scores, -torch.inf) if is_bool else scores + attn_mask
    return scores.softmax(-1) @ value


def _layer_norm(
    x: Tensor,
    axes: Tensor,
    epsilon: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    dims = sorted(axis % x.dim() for axis in axes.tolist())
    sizes = [x.shape[axis] for axis in dims]
    if dims == list(range(x.dim() - len(dims), x.dim())):
        return F.layer_norm(x, sizes, gamma, beta, float(epsilon))

    # Channels-first programs normalize over an inner axis; move it to the end and back.
    ends = list(range(-len(dims), 0))
    return F.layer_norm(x.movedim(dims, ends), sizes, gamma, beta, float(epsilon)).movedim(
        ends, dims
    )


def _batch_norm(
    x: Tensor,
    mean: Tensor,
    variance: Tensor,
    epsilon: Tensor,
    gamma: Tensor | None = None,
    beta: Tensor | None = None,
) -> Tensor:
    return F.batch_norm(x, mean, variance, gamma, beta, eps=float(epsilon))


def _instance_norm(
    x: Tensor, epsilon: Tensor, gamma: Tensor | None = None, beta: Tensor | None = None
) -> Tensor:
    return F.instance_norm(x, weight=gamma, bias=beta, eps=float(epsilon))


def _l2_norm(x: Tensor, epsilon: Tensor) -> Tensor:
    return x / (x.square().sum((-3, -2, -1), keepdim=True) + epsilon).sqrt()


def _along_axis(parameter: Tensor, x: Tensor, axis: Tensor | None) -> Tensor:
    if parameter.dim() == 0 or axis is None:
        return parameter
    return parameter.reshape([-1 if i == int(axis) % x.dim() else 1 for i in range(x.dim())])


def _quantize(
    input: Tensor,
    scale: Tensor,
    output_dtype: str,
    zero_point: Tensor | None = None,
    axis: Tensor | None = None,
) -> Tensor:
    whole = (input / _along_axis(scale, input, axis)).round()
    if zero_point is not None:
        whole = whole + _along_axis(zero_point, input, axis)
    return whole.clamp(*((0, 255) if output_dtype == "uint8" else (-128, 127)))


def _dequantize(
    input: Tensor,
    scale: Tensor,
    zero_point: Tensor | None = None,
    axis: Tensor | None = None,
) -> Tensor:
    shifted = input if zero_point is None else input - _along_axis(zero_point, input, axis)
    return shifted * _along_axis(scale, input, axis)


ALGEBRA: dict[str, Callable[..., Tensor]] = {
    "batch_norm": _batch_norm,
    "dequantize": _dequantize,
    "einsum": _einsum,
    "instance_norm": _instance_norm,
    "l2_norm": _l2_norm,
    "layer_norm": _layer_norm,
    "linear": lambda x, weight, bias: F.linear(x, weight, bias),
    "matmul": _matmul,
    "quantize": _quantize,
    "scaled_dot_product_attention": _scaled_dot_product_attention,
}
