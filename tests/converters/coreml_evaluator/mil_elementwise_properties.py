"""Random cases for every operator of ``mil_elementwise``."""

from typing import Any

import hypothesis.strategies as st
import numpy as np

from tests.converters.coreml_evaluator.mil_oracle import Case
from tests.converters.coreml_evaluator.mil_strategies import (
    Cases,
    axes_of,
    axis_lists_of,
    bools,
    broadcastable,
    floats,
    ints,
    scalars,
    shapes,
)

_RANGES = {
    "acos": (-0.99, 0.99), "asin": (-0.99, 0.99), "atanh": (-0.9, 0.9), "inverse": (0.1, 5),
    "log": (0.01, 9), "rsqrt": (0.01, 9), "sqrt": (0, 9), "tan": (-1.4, 1.4),
}  # fmt: skip
_UNARY = (
    "abs", "acos", "asin", "atan", "atanh", "ceil", "cos", "cosh", "erf", "exp", "exp2", "floor",
    "identity", "inverse", "log", "relu", "relu6", "round", "rsqrt", "sigmoid", "sign", "sin",
    "sinh", "softplus", "softsign", "sqrt", "square", "tan", "tanh",
)  # fmt: skip


def _unary(op: str) -> Cases:
    return floats(None, *_RANGES.get(op, (-3, 3))).map(lambda x: Case(op, {"x": x}, tolerance=1e-5))


def _with_constants(op: str, **constants: Any) -> Cases:
    return st.builds(
        lambda x, given: Case(op, {"x": x}, given, tolerance=1e-5),
        floats(),
        st.fixed_dictionaries(constants),
    )


@st.composite
def _cast(draw: Any) -> Case:
    kind = draw(st.sampled_from(("int32", "fp32", "bool", "int8", "uint8", "int16", "uint16")))
    wide = draw(ints(low=-(2**20), high=2**20))
    # A float beyond a narrow integer is undefined in NumPy, too.
    x = draw(st.sampled_from((wide, draw(floats())))) if kind in ("int32", "fp32", "bool") else wide
    return Case("cast", {"x": x}, {"dtype": kind})


@st.composite
def _clip(draw: Any) -> Case:
    least, width = draw(scalars()), draw(scalars(0.1))
    return Case("clip", {"x": draw(floats())}, {"alpha": least, "beta": least + width})


@st.composite
def _per_channel(draw: Any, op: str, *names: str) -> Case:
    x = draw(floats(shapes(4, 4, max_side=3)))
    given = {name: draw(floats((x.shape[1],))) for name in names}
    return Case(op, {"x": x}, given, tolerance=1e-5)


@st.composite
def _softmax(draw: Any) -> Case:
    x = draw(floats(low=-1e4, high=1e4))
    return Case("softmax", {"x": x}, {"axis": draw(axes_of(x))})


@st.composite
def _binary(draw: Any, op: str) -> Case:
    first, second = broadcastable(draw, 2)
    if op.startswith("logical"):
        x, y = draw(bools(first)), draw(bools(second))
    elif op == "pow":
        x, y = draw(floats(first, 0.1, 3)), draw(floats(second, -2, 2))
    elif op in ("floor_div", "mod", "real_div"):
        # Near a whole quotient, float32 decides by its last bit: eighths have none to lose.
        x, y = draw(ints(first, -64, 64)) / 8, draw(ints(second, 4, 16)) / 8
        x, y = x.astype(np.float32), y.astype(np.float32)
    else:
        draw_numbers = draw(st.sampled_from((floats, ints)))
        x, y = draw(draw_numbers(first)), draw(draw_numbers(second))
    if draw(st.booleans()):
        return Case(op, {"x": x}, {"y": y}, tolerance=1e-5)
    return Case(op, {"x": x, "y": y}, tolerance=1e-5)


@st.composite
def _reduction(draw: Any, op: str) -> Case:
    x = draw(floats(None, 0.5, 2))
    constants: dict[str, Any] = {"keep_dims": draw(st.booleans())}
    if draw(st.booleans()):
        constants["axes"] = draw(axis_lists_of(x))
    return Case(op, {"x": x}, constants, tolerance=1e-5)


@st.composite
def _arg(draw: Any, op: str) -> Case:
    """Ties are likely: the first of them counts."""
    x = draw(ints(low=0, high=3)).astype(np.float32)
    return Case(op, {"x": x}, {"axis": draw(axes_of(x)), "keep_dims": draw(st.booleans())})


_GELU_MODES = ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")

ELEMENTWISE_PROPERTIES: dict[str, Cases] = {
    **{op: _unary(op) for op in _UNARY},
    "cast": _cast(),
    "clamped_relu": _with_constants("clamped_relu", alpha=scalars(), beta=scalars(0.1)),
    "clip": _clip(),
    "elu": _with_constants("elu", alpha=scalars(0.1, 2)),
    "gelu": _with_constants("gelu", mode=st.sampled_from(_GELU_MODES)),
    "leaky_relu": _with_constants("leaky_relu", alpha=scalars(0, 1)),
    "linear_activation": _with_constants("linear_activation", alpha=scalars(), beta=scalars()),
    "logical_not": bools().map(lambda x: Case("logical_not", {"x": x})),
    "prelu": _per_channel("prelu", "alpha"),
    "scaled_tanh": _with_constants("scaled_tanh", alpha=scalars(), beta=scalars()),
    "sigmoid_hard": _with_constants("sigmoid_hard", alpha=scalars(), beta=scalars()),
    "silu": floats().map(
        lambda x: Case("silu", {"x": x}, reference=lambda x: x / (1 + np.exp(-x)))
    ),
    "softmax": _softmax(),
    "softplus_parametric": _per_channel("softplus_parametric", "alpha", "beta"),
    "threshold": _with_constants("threshold", alpha=scalars()),
    "thresholded_relu": st.builds(
        # coremltools' own writes into its input.
        lambda x, alpha: Case("thresholded_relu", {"x": x}, {"alpha": alpha},
                              reference=lambda x, alpha: np.where(x >= alpha, x, 0)),
        floats(), scalars(),
    ),
    **{
        op: _binary(op)
        for op in (
            "add", "equal", "floor_div", "greater", "greater_equal", "less", "less_equal",
            "logical_and", "logical_or", "logical_xor", "maximum", "minimum", "mod", "mul",
            "not_equal", "pow", "real_div", "sub",
        )
    },
    **{
        op: _reduction(op)
        for op in (
            "reduce_l1_norm", "reduce_l2_norm", "reduce_log_sum", "reduce_log_sum_exp",
            "reduce_max", "reduce_mean", "reduce_min", "reduce_prod", "reduce_sum",
            "reduce_sum_square",
        )
    },
    "reduce_argmax": _arg("reduce_argmax"),
    "reduce_argmin": _arg("reduce_argmin"),
}  # fmt: skip
