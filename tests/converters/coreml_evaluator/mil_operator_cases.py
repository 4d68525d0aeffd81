"""The table of operator cases for ``test_mil_operators``."""

from typing import Any

import numpy as np
import torch.nn.functional as F  # noqa: N812

from tests.converters.coreml_evaluator.mil_network_cases import NETWORK_CASES
from tests.converters.coreml_evaluator.mil_oracle import Case, t
from tests.converters.small_models import ct

RNG = np.random.default_rng(7)


def floats(*shape: int, low: float = -3.0, high: float = 3.0) -> np.ndarray:
    return RNG.uniform(low, high, shape).astype(np.float32)


def ints(*values: Any) -> np.ndarray:
    return np.array(values, np.int32)


def bools(*shape: int) -> np.ndarray:
    return RNG.random(shape) < 0.5


# Elementwise -----------------------------------------------------------------------------------

_UNARY_RANGES = {
    "acos": (-0.99, 0.99), "asin": (-0.99, 0.99), "atanh": (-0.9, 0.9), "log": (0.01, 9),
    "rsqrt": (0.01, 9), "sqrt": (0, 9), "inverse": (0.1, 5),
}  # fmt: skip
_UNARY = (
    "abs", "acos", "asin", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "exp2", "floor",
    "identity", "inverse", "log", "relu", "relu6", "round", "rsqrt", "sigmoid", "sign", "sin",
    "sinh", "softplus", "softsign", "sqrt", "square", "tan", "tanh",
)  # fmt: skip
_BINARY = (
    "add", "equal", "greater", "greater_equal", "less", "less_equal", "maximum", "minimum", "mul",
    "not_equal", "sub",
)  # fmt: skip

ELEMENTWISE_CASES = [
    *(
        Case(op, {"x": floats(*shape, low=low, high=high)}, tolerance=1e-5)
        for op in _UNARY
        for low, high in [_UNARY_RANGES.get(op, (-3, 3))]
        for shape in [(7,), (2, 3, 4)]
    ),
    Case("round", {"x": np.array([0.5, 1.5, 2.5, -0.5], np.float32)}),
    Case("abs", {"x": ints(-3, 0, 4)}),
    Case("exp", {"x": np.array([-200, 0, 88, 200], np.float32)}),
    Case("erf", {"x": np.array([-9, -1e-4, 0, 1e-4, 9], np.float32)}),
    Case("rsqrt", {"x": floats(5, low=0, high=1)}, {"epsilon": np.float32(1e-3)}),
    Case("log", {"x": floats(5, low=0, high=1)}, {"epsilon": np.float32(0.5)}),
    Case("inverse", {"x": floats(5, low=1, high=2)}, {"epsilon": np.float32(0.5)}),
    Case("silu", {"x": floats(2, 9)}, reference=lambda x: x / (1 + np.exp(-x))),
    *(
        Case("cast", {"x": values}, {"dtype": dtype})
        for values in (
            np.array([-2.7, -0.5, 0, 0.5, 2.7, 100.9], np.float32),
            ints(-70000, -1, 0, 1, 300, 65537),
        )
        for dtype in ("int32", "fp32", "bool")
    ),
    Case("cast", {"x": ints(-70000, -1, 0, 40000, 65537)}, {"dtype": "int16"}),
    Case("cast", {"x": ints(-70000, -1, 0, 40000, 65537)}, {"dtype": "uint16"}),
    Case("cast", {"x": ints(-129, -1, 0, 200, 256)}, {"dtype": "int8"}),
    Case("cast", {"x": ints(-129, -1, 0, 200, 256)}, {"dtype": "uint8"}),
    Case("cast", {"x": np.array([True, False])}, {"dtype": "int32"}),
    Case("cast", {"x": np.array([True, False])}, {"dtype": "fp32"}),
    Case("clip", {"x": floats(9)}, {"alpha": np.float32(-1), "beta": np.float32(0.5)}),
    Case("threshold", {"x": floats(9)}, {"alpha": np.float32(0.5)}),
    Case("clamped_relu", {"x": floats(9)}, {"alpha": np.float32(0.3), "beta": np.float32(1)}),
    Case("clamped_relu", {"x": floats(9)}, {"alpha": np.float32(-2), "beta": np.float32(1)}),
    Case("elu", {"x": floats(9)}, {"alpha": np.float32(0.7)}),
    *(
        Case("gelu", {"x": floats(3, 40, low=-8, high=8)}, mode, tolerance=5e-6)
        for mode in (
            {},
            {"mode": "EXACT"},
            {"mode": "TANH_APPROXIMATION"},
            {"mode": "SIGMOID_APPROXIMATION"},
        )
    ),
    Case("leaky_relu", {"x": floats(9)}, {"alpha": np.float32(0.1)}),
    Case("linear_activation", {"x": floats(9)}, {"alpha": np.float32(2), "beta": np.float32(3)}),
    Case("prelu", {"x": floats(1, 3, 4, 2)}, {"alpha": floats(3)}),
    Case("scaled_tanh", {"x": floats(9)}, {"alpha": np.float32(2), "beta": np.float32(0.5)}),
    Case("sigmoid_hard", {"x": floats(9)}, {"alpha": np.float32(0.3), "beta": np.float32(0.5)}),
    Case("softplus_parametric", {"x": floats(1, 3, 2, 2)}, {"alpha": floats(3), "beta": floats(3)},
         tolerance=1e-5),
    Case("thresholded_relu", {"x": floats(9)}, {"alpha": np.float32(0.5)},
         reference=lambda x, alpha: np.where(x >= alpha, x, 0)),  # theirs writes into its input
    Case("softmax", {"x": floats(2, 3, 5)}),
    Case("softmax", {"x": floats(2, 3, 5)}, {"axis": 1}),
    Case("softmax", {"x": np.array([[0, -1e4, 5, 5e4]], np.float32)}, {"axis": -1}),
    *(Case(op, {"x": floats(2, 3, 4), "y": floats(2, 3, 4)}) for op in _BINARY),
    *(Case(op, {"x": floats(2, 3, 4)}, {"y": floats(3, 1)}) for op in _BINARY),
    *(Case(op, {"x": ints(1, 2, 3), "y": ints(3, 2, 1)}) for op in _BINARY),
    Case("sub", {"y": floats(2, 3)}, {"x": np.float32(1)}),
    Case("real_div", {"x": floats(2, 3), "y": floats(3, low=0.5)}),
    Case("real_div", {"x": floats(2, 3)}, {"y": np.float32(8)}),
    Case("pow", {"x": floats(2, 3, low=0.1)}, {"y": np.float32(0.5)}),
    Case("pow", {"x": floats(2, 3)}, {"y": np.float32(3)}, tolerance=1e-5),
    *(
        Case(op, {"x": x, "y": y})
        for op in ("mod", "floor_div")
        for x, y in (
            (floats(9, low=-9, high=9), floats(9, low=1)),
            (ints(-7, 7, 8), ints(3, -3, 4)),
        )
    ),
    *(
        Case(op, {"x": bools(3, 4), "y": bools(4)})
        for op in ("logical_and", "logical_or", "logical_xor")
    ),
    Case("logical_not", {"x": bools(6)}),
]  # fmt: skip

_REDUCE = (
    "reduce_l1_norm", "reduce_l2_norm", "reduce_log_sum", "reduce_log_sum_exp", "reduce_max",
    "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum", "reduce_sum_square",
)  # fmt: skip

REDUCTION_CASES = [
    *(
        Case(op, {"x": floats(2, 3, 4, low=0.5, high=2)}, constants, tolerance=1e-5)
        for op in _REDUCE
        for constants in (
            {"axes": [-1], "keep_dims": True},
            {"axes": [0, 2]},
            {"axes": [1, -1], "keep_dims": True},
            {"keep_dims": True},
        )
    ),
    Case("reduce_sum", {"x": ints([1, 2], [3, 4])}, {"axes": [1]}),
    Case("reduce_max", {"x": ints([1, 2], [3, 4])}, {"axes": [0]}),
    *(
        Case(op, {"x": floats(2, 3, 4)}, constants)
        for op in ("reduce_argmax", "reduce_argmin")
        for constants in ({}, {"axis": 1, "keep_dims": True}, {"axis": 0})
    ),
]

# Tensors ---------------------------------------------------------------------------------------


def _slice(x: np.ndarray, begin: list[int], end: list[int], **masks: list[Any]) -> Case:
    return Case("slice_by_index", {"x": x}, {"begin": begin, "end": end, **masks})


TENSOR_CASES = [
    Case("argsort", {"x": floats(3, 8)}),
    Case("argsort", {"x": floats(3, 8)}, {"axis": 0, "ascending": True}),
    *(
        Case("band_part", {"x": floats(2, 4, 5)}, {"lower": lower, "upper": upper})
        for lower, upper in ((-1, -1), (0, -1), (-1, 0), (1, 2), (0, 0))
    ),
    Case("concat", {"values": [floats(2, 3), floats(2, 1)]}, {"axis": -1}),
    Case("concat", {"values": [floats(2, 3), floats(4, 3), floats(1, 3)]}, {"axis": 0}),
    Case("concat", {"values": [floats(2, 3), floats(2, 3)]}, {"axis": 1, "interleave": True},
         reference=lambda values, **_: np.stack(values, 2).reshape(2, 6)),
    *(
        Case("cumsum", {"x": floats(3, 4)}, {"axis": axis, "reverse": reverse}, tolerance=1e-5)
        for axis in (0, 1)
        for reverse in (False, True)
    ),
    Case("cumsum", {"x": floats(3, 4)}, {"axis": 1, "exclusive": True},  # theirs fails
         reference=lambda x, **_: np.pad(np.cumsum(x, 1)[:, :-1], ((0, 0), (1, 0)))),
    Case("cumsum", {"x": floats(3, 4)}, {"axis": 1, "exclusive": True, "reverse": True},
         reference=lambda x, **_: (np.cumsum(x[:, ::-1], 1)[:, ::-1] - x), tolerance=1e-5),
    *(Case("expand_dims", {"x": floats(2, 3)}, {"axes": axes})
      for axes in ([0], [-1], [1, 2], [0, -1], [-1, -3])),
    Case("fill", {"shape": ints(2, 3)}, {"value": np.float32(1.5)},
         reference=lambda shape, value: np.full(shape, value)),
    Case("fill", {}, {"shape": ints(2, 3), "value": np.int32(4)}),
    Case("fill_like", {"ref_tensor": floats(2, 3)}, {"value": np.float32(1.5)}),
    *(Case("flatten2d", {"x": floats(2, 3, 4)}, {"axis": axis}) for axis in (1, 2, -1)),
    Case("flatten2d", {"x": floats(2, 3, 4)}, {"axis": 0},  # theirs fails
         reference=lambda x, axis: x.reshape(1, 24)),
    Case("non_zero", {"x": ints([0, 3, 0], [1, 0, 2])}),
    *(
        Case("one_hot", {"indices": ints([0, 2], [1, 3])}, {"one_hot_vector_size": 4, "axis": axis},
             reference=lambda indices, axis, **_: np.moveaxis(
                 np.eye(4, dtype=np.int32)[indices], -1, axis))
        for axis in (-1, 0, 1)
    ),
    Case("one_hot", {"indices": ints(0, 2)},
         {"one_hot_vector_size": 3, "on_value": np.float32(5), "off_value": np.float32(-1)},
         reference=lambda indices, **_: np.where(np.eye(3)[indices], 5, -1)),
    Case("pad", {"x": floats(2, 3, 4)}, {"pad": [1, 2, 0, 3], "constant_val": np.float32(9)}),
    Case("pad", {"x": floats(2, 3, 4)}, {"pad": [1, 0, 0, 0, 2, 1]}),
    Case("pad", {"x": floats(2, 3, 4)}, {"pad": [2, 1, 3, 2], "mode": "reflect"}),
    Case("pad", {"x": floats(2, 3, 4)}, {"pad": [2, 1, 3, 2], "mode": "replicate"}),
    Case("range_1d", {}, {"start": 2, "end": 9, "step": 3}),
    Case("range_1d", {}, {"start": np.float32(0.5), "end": np.float32(3), "step": np.float32(1)}),
    Case("range_1d", {}, {"start": 5, "end": 0, "step": -2}),
    *(Case("reshape", {"x": floats(2, 3, 4)}, {"shape": shape})
      for shape in ([6, 4], [-1], [2, -1, 2], [0, 0, -1, 2], [1, 0, 0, 0], [0, -1, 0])),
    Case("reshape", {"x": floats(2, 3, 4), "shape": ints(4, 6)},
         reference=lambda x, shape: x.reshape(shape)),
    Case("reshape", {"x": floats(2, 3, 4)}, {"shape": [0, -1, 2]}, opset=ct.target.iOS15),
    Case("reverse", {"x": floats(2, 3, 4)}),
    Case("reverse", {"x": floats(2, 3, 4)}, {"axes": [0, -1]}),
    Case("select", {"cond": bools(2, 3), "a": floats(2, 3), "b": floats(2, 3)}),
    Case("select", {"cond": bools(2, 3)}, {"a": np.float32(-1e4), "b": np.float32(0)},
         reference=lambda cond, a, b: np.where(cond, a, b)),
    Case("select", {"cond": bools(3, 1), "a": ints(1, 2), "b": ints(3, 4)},
         reference=lambda cond, a, b: np.where(cond, a, b)),
    Case("shape", {"x": floats(2, 3, 4)}),
    _slice(floats(5, 6), [1, 2], [4, 6]),
    _slice(floats(5, 6), [-3, 0], [-1, -2]),
    _slice(floats(5, 6), [0, 1], [0, 5], end_mask=[True, False], stride=[2, 3]),
    _slice(floats(5, 6), [4, 5], [0, 1], stride=[-1, -2]),
    _slice(floats(5, 6), [9, 9], [9, 9], begin_mask=[True, True], end_mask=[True, True],
           stride=[-1, 1]),
    _slice(floats(5, 6), [2, 1], [3, 4], squeeze_mask=[True, False]),
    _slice(floats(5, 6), [-1, 1], [0, 4], squeeze_mask=[True, False]),
    _slice(floats(5, 1, 6), [0, 0, 3], [5, 1, 4], squeeze_mask=[False, False, True]),
    _slice(ints(7, 8, 9), [1], [2], squeeze_mask=[True]),
    Case("slice_by_index", {"x": floats(5, 6), "end": ints(3, 4)}, {"begin": [1, 0]},
         reference=lambda x, begin, end: x[1:3, 0:4]),
    Case("slice_by_size", {"x": floats(5, 6)}, {"begin": [1, 2], "size": [3, -1]}),
    Case("slice_by_size", {"x": floats(5, 6)}, {"begin": [-2, 0], "size": [1, 6]}),
    Case("slice_update", {"x": floats(5, 6), "update": floats(2, 3)},
         {"begin": [1, 0], "end": [3, 6], "stride": [1, 2]}, opset=ct.target.iOS18),
    Case("slice_update", {"x": floats(5, 6), "update": floats(6)},
         {"begin": [2, 0], "end": [3, 0], "squeeze_mask": [True, False],
          "end_mask": [False, True]}, opset=ct.target.iOS18),
    Case("sliding_windows", {"x": floats(2, 7)}, {"axis": 1, "size": 3, "stride": 2},
         reference=lambda x, **_: np.stack([x[:, i : i + 3] for i in (0, 2, 4)], 1)),
    Case("sliding_windows", {"x": floats(4, 2)}, {"axis": -2, "size": 3},
         reference=lambda x, **_: np.stack([x[i : i + 3] for i in (0, 1)])),
    Case("split", {"x": floats(2, 6)}, {"num_splits": 3, "axis": 1}),
    Case("split", {"x": floats(2, 6)}, {"split_sizes": [1, 3, 2], "axis": -1}),
    Case("squeeze", {"x": floats(1, 2, 1, 3)}),
    Case("squeeze", {"x": floats(1, 2, 1, 3)}, {"axes": [-2]}),
    Case("squeeze", {"x": floats(1, 2, 1, 3)}, {"axes": [0, 2]}),
    Case("stack", {"values": [floats(2, 3), floats(2, 3)]}, {"axis": 1}),
    Case("stack", {"values": [floats(2, 3), floats(2, 3)]}, {"axis": -1}),
    Case("tile", {"x": floats(2, 3)}, {"reps": [2, 1]}),
    Case("tile", {"x": floats(1, 3)}, {"reps": [4, 2]}),
    Case("topk", {"x": floats(3, 8)}, {"k": 3}),
    Case("topk", {"x": floats(3, 8)}, {"k": 2, "axis": 0, "ascending": True}),
    Case("topk", {"x": floats(3, 8)}, {"k": 2, "return_indices": False}),
    Case("transpose", {"x": floats(2, 3, 4)}, {"perm": [2, 0, 1]}),
    Case("transpose", {"x": floats(2, 3, 4)}, {"perm": [0, -1, 1]}),
]  # fmt: skip

# Indexing --------------------------------------------------------------------------------------


def _scattered(data: np.ndarray, where: Any, updates: np.ndarray, mode: str) -> np.ndarray:
    result = data.copy()
    if mode == "update":
        result[where] = updates
    else:
        {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
         "max": np.maximum, "min": np.minimum}[mode].at(result, where, updates)  # fmt: skip
    return result


_MODES = ("update", "add", "sub", "mul", "div", "max", "min")

INDEXING_CASES = [
    Case("gather", {"x": floats(5, 3)}, {"indices": ints(4, 0, 2), "axis": 0}),
    Case("gather", {"x": floats(5, 3), "indices": ints([4, 0], [2, 2])}, {"axis": 0}),
    Case("gather", {"x": floats(2, 5, 3)}, {"indices": ints([1, 4]), "axis": 1}),
    Case("gather", {"x": floats(2, 5, 3)}, {"indices": np.int32(2), "axis": -1}),
    Case("gather", {"x": ints(7, 8, 9)}, {"indices": np.int32(1), "axis": 0}),
    Case("gather", {"x": floats(5, 3)}, {"indices": ints(1, 2), "validate_indices": True}),
    Case("gather", {"x": floats(5, 3)}, {"indices": np.array([4, 0], np.uint16), "axis": 0}),
    Case("gather", {"x": floats(5, 3)}, {"indices": ints(-1, 0, -5)}, opset=ct.target.iOS15),
    Case("gather", {"x": floats(5, 3)}, {"indices": ints(-1, 2)}, opset=ct.target.iOS16),
    Case("gather", {"x": floats(2, 5, 3), "indices": ints([4, 0], [1, 1])},
         {"axis": 1, "batch_dims": 1}, opset=ct.target.iOS16),
    Case("gather", {"x": floats(2, 2, 4)},
         {"indices": ints([[3], [0]], [[1], [2]]), "axis": 2, "batch_dims": 2}),
    Case("gather_along_axis", {"x": floats(3, 4), "indices": ints([0, 3], [1, 1], [2, 0])},
         {"axis": 1}),
    Case("gather_along_axis", {"x": floats(3, 4)}, {"indices": ints([-1, 0, 2, -3]), "axis": 0},
         opset=ct.target.iOS15),
    Case("gather_nd", {"x": floats(3, 4, 2), "indices": ints([0, 3], [2, 1])},
         reference=lambda x, indices: x[tuple(indices.T)]),
    Case("gather_nd", {"x": floats(3, 4), "indices": ints([[0, -1], [-3, 1]])},
         reference=lambda x, indices: x[indices[..., 0], indices[..., 1]], opset=ct.target.iOS15),
    Case("gather_nd", {"x": floats(2, 3, 4), "indices": ints([[2], [0]], [[1], [1]])},
         {"batch_dims": 1},
         reference=lambda x, indices, batch_dims: x[np.arange(2)[:, None], indices[..., 0]]),
    *(
        Case("scatter", {"data": floats(4, 3, low=1), "updates": floats(4, 2, low=1)},
             {"indices": ints(2, 0), "axis": 1, "mode": mode},
             reference=lambda data, updates, indices, axis, mode: _scattered(
                 data, (slice(None), indices), updates, mode))
        for mode in _MODES
    ),
    Case("scatter", {"data": floats(4, 3), "updates": floats(2, 3)}, {"indices": ints(-1, -1)},
         reference=lambda data, updates, indices: _scattered(data, indices, updates, "add"),
         opset=ct.target.iOS15),
    Case("scatter_along_axis", {"data": floats(3, 4), "updates": floats(3, 2)},
         {"indices": ints([0, 3], [1, 2], [2, 0]), "axis": 1, "mode": "update"}),
    Case("scatter_along_axis", {"data": floats(3, 4), "updates": floats(3, 2)},
         {"indices": ints([0, 0], [1, 2], [2, 0]), "axis": 1, "mode": "add"},
         reference=lambda data, updates, indices, **_: _scattered(
             data, (np.arange(3)[:, None], indices), updates, "add")),
    *(
        Case("scatter_nd", {"data": floats(3, 4, 2, low=1), "updates": floats(2, 2, low=1)},
             {"indices": ints([0, 3], [2, 1]), "mode": mode},
             reference=lambda data, updates, indices, mode: _scattered(
                 data, tuple(indices.T), updates, mode))
        for mode in _MODES
    ),
]  # fmt: skip

# Algebra ---------------------------------------------------------------------------------------

ALGEBRA_CASES = [
    Case("linear", {"x": floats(2, 3, 8)}, {"weight": floats(5, 8), "bias": floats(5)},
         tolerance=1e-5),
    Case("linear", {"x": floats(3, 8)}, {"weight": floats(5, 8)}, tolerance=1e-5),
    *(
        Case("matmul", {"x": x, "y": y}, {"transpose_x": tx, "transpose_y": ty}, tolerance=1e-5)
        for x, y, tx, ty in (
            (floats(2, 3, 4), floats(2, 4, 5), False, False),
            (floats(2, 4, 3), floats(1, 5, 4), True, True),
            (floats(3, 4), floats(2, 5, 4), False, True),
        )
    ),
    Case("matmul", {"x": floats(2, 3, 4)}, {"y": floats(4, 5)}, tolerance=1e-5),
    Case("einsum", {"values": [floats(2, 3, 4, 5), floats(2, 5, 4, 6)]},
         {"equation": "bnhj,bjhm->bnhm"}, tolerance=1e-5),
    Case("einsum", {"values": [floats(3, 4, 5), floats(5, 4, 2)]}, {"equation": "vnm,mnj->vnj"},
         tolerance=1e-5),
    *(
        Case("scaled_dot_product_attention",
             {"query": floats(1, 2, 5, 8), "key": floats(1, 2, 7, 8), "value": floats(1, 2, 7, 8),
              **mask}, tolerance=1e-5, opset=ct.target.iOS18)
        for mask in ({}, {"attn_mask": floats(1, 1, 5, 7)},
                     {"attn_mask": np.arange(35).reshape(1, 1, 5, 7) % 3 > 0})
    ),
    *(
        Case("layer_norm", {"x": floats(2, 3, 4)},
             {"axes": axes, "gamma": floats(*sizes), "beta": floats(*sizes),
              "epsilon": np.float32(1e-3)}, tolerance=1e-5)
        for axes, sizes in (([-1], [4]), ([1, 2], [3, 4]), ([1], [3]), ([0, 1], [2, 3]))
    ),
    Case("layer_norm", {"x": floats(2, 3, 4)}, {"axes": [2]}, tolerance=1e-5),
    Case("batch_norm", {"x": floats(2, 3, 4, 5)},
         {"mean": floats(3), "variance": floats(3, low=0.5), "gamma": floats(3),
          "beta": floats(3), "epsilon": np.float32(1e-2)},
         reference=lambda x, mean, variance, gamma, beta, epsilon: F.batch_norm(
             *map(t, (x, mean, variance, gamma, beta)), eps=float(epsilon))),
    Case("batch_norm", {"x": floats(2, 3, 4)}, {"mean": floats(3), "variance": floats(3, low=0.5)},
         reference=lambda x, mean, variance: (x - mean[:, None]) / np.sqrt(
             variance[:, None] + 1e-5)),
    Case("instance_norm", {"x": floats(2, 3, 4, 5)},
         {"gamma": floats(3), "beta": floats(3), "epsilon": np.float32(1e-2)},
         reference=lambda x, gamma, beta, epsilon: F.instance_norm(
             t(x), weight=t(gamma), bias=t(beta), eps=float(epsilon))),
    Case("l2_norm", {"x": floats(2, 3, 4, 5)}, {"epsilon": np.float32(1e-2)}),
    Case("l2_norm", {"x": floats(3, 4, 5)}),
    *(
        Case("quantize", {"input": floats(2, 3, low=-300, high=300)},
             {"scale": np.float32(1.5), "output_dtype": dtype, **zero_point})
        for dtype, zero_point in (("int8", {}), ("uint8", {"zero_point": np.uint8(100)}),
                                  ("int8", {"zero_point": np.int8(-3)}))
    ),
    Case("quantize", {"input": np.array([[0.5, 1.5], [2.5, -2.5]], np.float32)},
         {"scale": np.array([1, 0.5], np.float32), "output_dtype": "int8", "axis": 0}),
    Case("dequantize", {}, {"input": np.array([[-128, 5], [7, 127]], np.int8), "axis": 1,
                            "scale": np.array([0.5, 2], np.float32),
                            "zero_point": np.array([1, -2], np.int8)},
         reference=lambda input, scale, zero_point, axis: (input.astype(np.float32) - zero_point)
         * scale),
    Case("dequantize", {}, {"input": np.array([0, 255], np.uint8), "scale": np.float32(0.25)},
         reference=lambda input, scale: input * scale),
]  # fmt: skip

CASES = [
    *ELEMENTWISE_CASES,
    *REDUCTION_CASES,
    *TENSOR_CASES,
    *INDEXING_CASES,
    *ALGEBRA_CASES,
    *NETWORK_CASES,
]
CASE_IDS = [f"{case.op}-{number}" for number, case in enumerate(CASES)]
