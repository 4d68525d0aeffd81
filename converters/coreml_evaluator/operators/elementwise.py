"""MIL operators that act on each element by itself, and the reductions.

Arguments carry the names that the format gives them. A constant argument is a tensor like any
other; only strings are Python values.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch import Tensor


def _cast(x: Tensor, dtype: str) -> Tensor:
    if dtype == "bool":
        return x.bool()
    if dtype in ("fp16", "fp32"):
        return x.float()  # rounding to fp16 follows from the declared type of the result
    whole = x.int()
    # Integers are held as int32, so the narrow types have to wrap by hand.
    return whole & 0xFFFF if dtype == "uint16" else whole.to(_INTEGER_TYPES[dtype]).int()


_INTEGER_TYPES = {
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "int32": torch.int32,
}


def _gelu(x: Tensor, mode: str) -> Tensor:
    if mode == "SIGMOID_APPROXIMATION":
        return x * torch.sigmoid(1.702 * x)
    return F.gelu(x, approximate="tanh" if mode == "TANH_APPROXIMATION" else "none")


def _per_channel(parameter: Tensor, x: Tensor) -> Tensor:
    return parameter.reshape([-1 if axis == 1 else 1 for axis in range(x.dim())])


def _prelu(x: Tensor, alpha: Tensor) -> Tensor:
    return torch.where(x >= 0, x, x * _per_channel(alpha, x))


def _softplus_parametric(x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
    return _per_channel(alpha, x) * F.softplus(x * _per_channel(beta, x))


def _dims(x: Tensor, axes: Tensor | None) -> list[int]:
    return list(range(x.dim())) if axes is None else axes.tolist()


def _reduce_by(reduce: Callable[[Tensor, list[int], bool], Tensor]) -> Callable[..., Tensor]:
    def operator(x: Tensor, keep_dims: Tensor, axes: Tensor | None = None) -> Tensor:
        return reduce(x, _dims(x, axes), bool(keep_dims))

    return operator


def _prod(x: Tensor, dims: list[int], keep_dims: bool) -> Tensor:
    for axis in sorted((axis % x.dim() for axis in dims), reverse=True):
        x = x.prod(axis, keepdim=keep_dims)
    return x


def _arg(pick: Callable[..., Tensor]) -> Callable[..., Tensor]:
    def operator(
        x: Tensor, axis: Tensor, keep_dims: Tensor, output_dtype: str | None = None
    ) -> Tensor:
        del output_dtype  # the declared type of the result says the same
        return pick(x, int(axis), bool(keep_dims))

    return operator


UNARY: dict[str, Callable[..., Tensor]] = {
    "abs": lambda x: x.abs(),
    "acos": lambda x: x.acos(),
    "asin": lambda x: x.asin(),
    "atan": lambda x: x.atan(),
    "atanh": lambda x: x.atanh(),
    "cast": _cast,
    "ceil": lambda x: x.ceil(),
    "clip": lambda x, alpha, beta: x.clamp(alpha, beta),
    "cos": lambda x: x.cos(),
    "cosh": lambda x: x.cosh(),
    "erf": lambda x: x.erf(),
    "exp": lambda x: x.exp(),
    "exp2": lambda x: x.exp2(),
    "floor": lambda x: x.floor(),
    "identity": lambda x: x,
    "inverse": lambda x, epsilon: (x + epsilon).reciprocal(),
    "log": lambda x, epsilon: (x + epsilon).log(),
    "logical_not": lambda x: x.logical_not(),
    "round": lambda x: x.round(),
    "rsqrt": lambda x, epsilon: (x + epsilon).rsqrt(),
    "sign": lambda x: x.sign(),
    "sin": lambda x: x.sin(),
    "sinh": lambda x: x.sinh(),
    "sqrt": lambda x: x.sqrt(),
    "square": lambda x: x.square(),
    "tan": lambda x: x.tan(),
    "threshold": lambda x, alpha: x.maximum(alpha),
}

ACTIVATIONS: dict[str, Callable[..., Tensor]] = {
    "clamped_relu": lambda x, alpha, beta: torch.where(x >= 0, x, alpha * x).minimum(beta),
    "elu": lambda x, alpha: torch.where(x >= 0, x, alpha * x.expm1()),
    "gelu": _gelu,
    "leaky_relu": lambda x, alpha: torch.where(x >= 0, x, alpha * x),
    "linear_activation": lambda x, alpha, beta: alpha * x + beta,
    "prelu": _prelu,
    "relu": lambda x: x.relu(),
    "relu6": lambda x: x.clamp(0, 6),
    "scaled_tanh": lambda x, alpha, beta: alpha * (beta * x).tanh(),
    "sigmoid": lambda x: x.sigmoid(),
    "sigmoid_hard": lambda x, alpha, beta: (alpha * x + beta).clamp(0, 1),
    "silu": lambda x: F.silu(x),
    "softmax": lambda x, axis: x.softmax(int(axis)),
    "softplus": lambda x: F.softplus(x),
    "softplus_parametric": _softplus_parametric,
    "softsign": lambda x: F.softsign(x),
    "tanh": lambda x: x.tanh(),
    "thresholded_relu": lambda x, alpha: torch.where(x >= alpha, x, 0),
}

BINARY: dict[str, Callable[..., Tensor]] = {
    "add": lambda x, y: x + y,
    "equal": lambda x, y: x == y,
    "floor_div": lambda x, y: x.floor_divide(y),
    "greater": lambda x, y: x > y,
    "greater_equal": lambda x, y: x >= y,
    "less": lambda x, y: x < y,
    "less_equal": lambda x, y: x <= y,
    "logical_and": lambda x, y: x.logical_and(y),
    "logical_or": lambda x, y: x.logical_or(y),
    "logical_xor": lambda x, y: x.logical_xor(y),
    "maximum": lambda x, y: x.maximum(y),
    "minimum": lambda x, y: x.minimum(y),
    "mod": lambda x, y: x.remainder(y),
    "mul": lambda x, y: x * y,
    "not_equal": lambda x, y: x != y,
    "pow": lambda x, y: x.pow(y),
    "real_div": lambda x, y: x / y,
    "sub": lambda x, y: x - y,
}

REDUCTIONS: dict[str, Callable[..., Tensor]] = {
    "reduce_argmax": _arg(torch.argmax),
    "reduce_argmin": _arg(torch.argmin),
    "reduce_l1_norm": _reduce_by(lambda x, dims, keep: x.abs().sum(dims, keep)),
    "reduce_l2_norm": _reduce_by(lambda x, dims, keep: x.square().sum(dims, keep).sqrt()),
    "reduce_log_sum": _reduce_by(lambda x, dims, keep: x.sum(dims, keep).log()),
    "reduce_log_sum_exp": _reduce_by(lambda x, dims, keep: x.logsumexp(dims, keep)),
    "reduce_max": _reduce_by(lambda x, dims, keep: x.amax(dims, keep)),
    "reduce_mean": _reduce_by(lambda x, dims, keep: x.float().mean(dims, keep)),
    "reduce_min": _reduce_by(lambda x, dims, keep: x.amin(dims, keep)),
    "reduce_prod": _reduce_by(_prod),
    "reduce_sum": _reduce_by(lambda x, dims, keep: x.sum(dims, keep)),
    "reduce_sum_square": _reduce_by(lambda x, dims, keep: x.square().sum(dims, keep)),
}

ELEMENTWISE = UNARY | ACTIVATIONS | BINARY | REDUCTIONS
