"""Random cases for the operators that multiply, normalize, slide windows, resize or recur."""

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from tests.converters.coreml_evaluator.mil_network_cases import at_points, states_by_torch
from tests.converters.coreml_evaluator.mil_oracle import Case, t
from tests.converters.coreml_evaluator.mil_strategies import (
    Cases,
    axis_lists_of,
    broadcastable,
    floats,
    ints,
    scalars,
    shapes,
)
from tests.converters.small_models import ct

# Products and norms ----------------------------------------------------------------------------


@st.composite
def _matmul(draw: Any) -> Case:
    first, second = broadcastable(draw, 2)
    rows, depth, columns = draw(st.tuples(*[st.integers(1, 4)] * 3))
    across, down = draw(st.booleans()), draw(st.booleans())
    x = draw(floats((*first, *((depth, rows) if across else (rows, depth)))))
    y = draw(floats((*second, *((columns, depth) if down else (depth, columns)))))
    return Case("matmul", {"x": x, "y": y}, {"transpose_x": across, "transpose_y": down},
                tolerance=2e-5)  # fmt: skip


@st.composite
def _linear(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3)))
    num_out = draw(st.integers(1, 4))
    weight = {"weight": draw(floats((num_out, x.shape[-1])))}
    bias = {"bias": draw(floats((num_out,)))} if draw(st.booleans()) else {}
    return Case("linear", {"x": x}, {**weight, **bias}, tolerance=2e-5)


@st.composite
def _einsum(draw: Any) -> Case:
    a, b, c, d, e = draw(st.tuples(*[st.integers(1, 3)] * 5))
    values = [draw(floats((a, b, c, d))), draw(floats((a, d, c, e)))]
    return Case("einsum", {"values": values}, {"equation": "bnhj,bjhm->bnhm"}, tolerance=2e-5)


@st.composite
def _attention(draw: Any) -> Case:
    lead = draw(shapes(1, 2, max_side=2))
    queries, keys, width, value_width = draw(st.tuples(*[st.integers(1, 4)] * 4))
    feeds = {
        "query": draw(floats((*lead, queries, width))),
        "key": draw(floats((*lead, keys, width))),
        "value": draw(floats((*lead, keys, value_width))),
    }
    if draw(st.booleans()):
        feeds["attn_mask"] = draw(floats((*lead, queries, keys), -50, 50))
    return Case("scaled_dot_product_attention", feeds, opset=ct.target.iOS18, tolerance=2e-5)


@st.composite
def _layer_norm(draw: Any) -> Case:
    x = draw(floats(shapes(2, 4)))
    axes = sorted(axis % x.ndim for axis in draw(axis_lists_of(x)))
    sizes = tuple(x.shape[axis] for axis in axes)
    names = ("gamma", "beta") if draw(st.booleans()) else ()
    given = {name: draw(floats(sizes)) for name in names}
    return Case("layer_norm", {"x": x}, {"axes": axes, "epsilon": np.float32(1e-2), **given},
                tolerance=5e-5)  # fmt: skip


@st.composite
def _batch_norm(draw: Any) -> Case:
    x = draw(floats(shapes(3, 5, max_side=3)))
    size = (x.shape[1],)
    given = {name: draw(floats(size)) for name in ("mean", "gamma", "beta")}
    variance = draw(floats(size, 0.5, 3))
    return Case(
        "batch_norm", {"x": x}, {**given, "variance": variance, "epsilon": np.float32(1e-3)},
        tolerance=1e-5,
        reference=lambda x, mean, variance, gamma, beta, epsilon: F.batch_norm(
            *map(t, (x, mean, variance, gamma, beta)), eps=float(epsilon)),
    )  # fmt: skip


@st.composite
def _instance_norm(draw: Any) -> Case:
    x = draw(floats((2, draw(st.integers(1, 3)), 3, draw(st.integers(1, 4)))))
    given = {name: draw(floats((x.shape[1],))) for name in ("gamma", "beta")}
    return Case(
        "instance_norm", {"x": x}, {**given, "epsilon": np.float32(1e-2)}, tolerance=5e-5,
        reference=lambda x, gamma, beta, epsilon: (x - x.mean((2, 3), keepdims=True)) / np.sqrt(
            x.var((2, 3), keepdims=True) + epsilon) * gamma[:, None, None] + beta[:, None, None],
    )  # fmt: skip


@st.composite
def _l2_norm(draw: Any) -> Case:
    x = draw(floats(shapes(3, 5, max_side=3)))
    return Case("l2_norm", {"x": x}, {"epsilon": np.float32(1e-2)}, tolerance=1e-5)


@st.composite
def _quantize(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3), -200, 200))
    kind = draw(st.sampled_from((np.int8, np.uint8)))
    axis = draw(st.sampled_from((None, *range(x.ndim))))
    # Powers of two divide without an error that could turn a tie.
    powers = [np.float32(2.0**k) for k in range(-2, 3)]
    count = None if axis is None else x.shape[axis]
    scale = (
        draw(st.sampled_from(powers))
        if count is None
        else np.array(
            draw(st.lists(st.sampled_from(powers), min_size=count, max_size=count)), np.float32
        )
    )
    shift = kind(draw(st.integers(0, 50)))
    zeros = shift if count is None else np.full(count, shift, kind)
    along = {} if axis is None else {"axis": axis}
    return Case(
        "quantize",
        {"input": x},
        {"scale": scale, "zero_point": zeros, "output_dtype": kind.__name__, **along},
    )


@st.composite
def _dequantize(draw: Any) -> Case:
    values = draw(ints(shapes(1, 3), -128, 127)).astype(np.int8)
    axis = draw(st.integers(0, values.ndim - 1))
    scale = draw(floats((values.shape[axis],), 0.1, 2))
    shape = [-1 if i == axis else 1 for i in range(values.ndim)]
    return Case("dequantize", {}, {"input": values, "scale": scale, "axis": axis},
                reference=lambda input, scale, axis: input * scale.reshape(shape))  # fmt: skip


# Windows ---------------------------------------------------------------------------------------

_CONVOLUTIONS = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSED = {1: F.conv_transpose1d, 2: F.conv_transpose2d, 3: F.conv_transpose3d}


@st.composite
def _conv(draw: Any, op: str) -> Case:
    rank, groups = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    channels_in, channels_out = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))

    def numbers(least: int, most: int) -> list[int]:
        return draw(st.lists(st.integers(least, most), min_size=rank, max_size=rank))

    kernel, strides, dilations = numbers(1, 3), numbers(1, 2), numbers(1, 2)
    pad = [draw(st.integers(0, (k - 1) * d // 2)) for k, d in zip(kernel, dilations, strict=True)]
    transposed = op == "conv_transpose"
    channels = (
        (channels_in, channels_out // groups)
        if transposed
        else (channels_out, channels_in // groups)
    )
    weight = draw(floats((*channels, *kernel)))
    x = draw(floats((draw(st.integers(1, 2)), channels_in, *numbers(5, 6))))
    function = (_TRANSPOSED if transposed else _CONVOLUTIONS)[rank]
    return Case(
        op, {"x": x},
        {"weight": weight, "bias": draw(floats((channels_out,))), "strides": strides,
         "dilations": dilations, "groups": groups, "pad_type": "custom",
         "pad": [amount for one in pad for amount in (one, one)]},
        tolerance=5e-5,
        reference=lambda x, weight, bias, **_: function(
            t(x), t(weight), t(bias), strides, pad, groups=groups, dilation=dilations),
    )  # fmt: skip


@st.composite
def _pool(draw: Any, op: str, functions: dict[int, Callable[..., torch.Tensor]]) -> Case:
    rank = draw(st.integers(1, max(functions)))
    kernel, strides = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    # PyTorch and the format differ where a stride leaps over the end; no converter makes that.
    strides = min(strides, kernel)
    # PyTorch scales what hangs over the end of its norm by a rule of its own.
    ceil_mode = rank < 3 and op != "l2_pool" and draw(st.booleans())
    pad = 0 if op == "l2_pool" else draw(st.integers(0, kernel // 2))
    excluded = draw(st.booleans())
    x = draw(floats((1, 2, *(draw(st.integers(3, 6)) for _ in range(rank)))))
    settings: dict[str, Any] = {"kernel_size": kernel, "stride": strides, "ceil_mode": ceil_mode}
    if op == "l2_pool":
        settings["norm_type"] = 2.0
    else:
        settings["padding"] = pad
    if op == "avg_pool":
        settings["count_include_pad"] = not excluded
    return Case(
        op, {"x": x},
        {"kernel_sizes": [kernel] * rank, "strides": [strides] * rank, "pad_type": "custom",
         "pad": [pad] * 2 * rank, "ceil_mode": ceil_mode,
         **({"exclude_padding_from_average": excluded} if op == "avg_pool" else {})},
        tolerance=1e-5, reference=lambda x, **_: functions[rank](t(x), **settings),
    )  # fmt: skip


_MAX = {1: F.max_pool1d, 2: F.max_pool2d, 3: F.max_pool3d}
_AVERAGE: dict[int, Any] = {1: F.avg_pool1d, 2: F.avg_pool2d, 3: F.avg_pool3d}
_NORM = {1: F.lp_pool1d, 2: F.lp_pool2d}

# Images ----------------------------------------------------------------------------------------


def _image(draw: Any) -> np.ndarray:
    return draw(floats((1, 2, draw(st.integers(2, 5)), draw(st.integers(2, 5)))))


def _sizes(draw: Any) -> tuple[int, int]:
    return draw(st.tuples(st.integers(1, 9), st.integers(1, 9)))


@st.composite
def _resize_bilinear(draw: Any, op: str) -> Case:
    x, (height, width) = _image(draw), _sizes(draw)
    mode, aligned = draw(
        st.sampled_from((("UNALIGN_CORNERS", False), ("STRICT_ALIGN_CORNERS", True)))
    )
    target = (
        {"target_size_height": height, "target_size_width": width}
        if op == "resize_bilinear"
        else {"shape": [height, width], "resized_dims": np.uint32(2)}
    )
    return Case(op, {"x": x}, {**target, "sampling_mode": mode}, tolerance=1e-5,
                reference=lambda x, **_: F.interpolate(
                    t(x), (height, width), mode="bilinear", align_corners=aligned))  # fmt: skip


@st.composite
def _upsample(draw: Any, op: str) -> Case:
    x = _image(draw)
    height, width = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    scales = {"scale_factor_height": height, "scale_factor_width": width}
    if op == "upsample_nearest_neighbor":
        return Case(
            op, {"x": x}, scales, reference=lambda x, **_: x.repeat(height, 2).repeat(width, 3)
        )
    aligned = draw(st.booleans())

    def points(size: int, scale: int) -> Any:
        if aligned:
            return np.linspace(0, size - 1, size * scale)
        return (np.arange(size * scale) + 0.5) / scale - 0.5

    return Case(op, {"x": x}, {**scales, "align_corners": aligned}, tolerance=1e-5,
                reference=lambda x, **_: at_points(
                    x, points(x.shape[2], height), points(x.shape[3], width)))  # fmt: skip


@st.composite
def _resize_nearest(draw: Any) -> Case:
    x, (height, width) = _image(draw), _sizes(draw)
    return Case("resize_nearest_neighbor", {"x": x},
                {"target_size_height": height, "target_size_width": width},
                reference=lambda x, **_: F.interpolate(t(x), (height, width)))  # fmt: skip


@st.composite
def _resample(draw: Any) -> Case:
    x, value = _image(draw), draw(scalars())
    # At whole pixels, an oracle needs no interpolation.
    rows = draw(ints((3,), -1, x.shape[2]))
    columns = draw(ints((3,), -1, x.shape[3]))
    grid = np.stack([columns / (x.shape[3] - 1), rows / (x.shape[2] - 1)], -1)[None, None]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), constant_values=value)
    return Case(
        "resample", {"x": x, "coordinates": grid.astype(np.float32)},
        {"sampling_mode": draw(st.sampled_from(("bilinear", "nearest"))),
         "padding_mode": "constant", "padding_value": value, "align_corners": True,
         "coordinates_mode": "normalized_zero_to_one"},
        tolerance=1e-4,
        reference=lambda **_: padded[:, :, rows + 1, columns + 1][:, :, None],
    )  # fmt: skip


@st.composite
def _crop(draw: Any) -> Case:
    x = _image(draw)
    (top, left), bottom = draw(st.tuples(*[st.integers(0, 1)] * 2)), x.shape[2] - 2
    below = draw(st.integers(0, max(0, bottom - top)))
    return Case("crop", {"x": x}, {"crop_height": [top, below], "crop_width": [left, 0]},
                reference=lambda x, **_: x[:, :, top : x.shape[2] - below, left:])  # fmt: skip


@st.composite
def _shuffle(draw: Any, op: str, apply: Callable[[torch.Tensor, int], torch.Tensor]) -> Case:
    factor, channels = draw(st.integers(2, 3)), draw(st.integers(1, 2))
    height, width = draw(st.tuples(*[st.integers(1, 3)] * 2))
    joins = op in ("pixel_shuffle", "depth_to_space")
    shape = (
        (channels * factor**2, height, width)
        if joins
        else (channels, height * factor, width * factor)
    )
    name = {"pixel_shuffle": "upscale_factor", "pixel_unshuffle": "downscale_factor"}.get(
        op, "block_size"
    )
    given = np.uint32(factor) if op == "pixel_unshuffle" else factor
    return Case(op, {"x": draw(floats((1, *shape)))}, {name: given},
                reference=lambda x, **_: apply(t(x), factor))  # fmt: skip


def _with_channels_last(
    apply: Callable[[torch.Tensor, int], torch.Tensor],
) -> Callable[[torch.Tensor, int], torch.Tensor]:
    """TensorFlow's order: PyTorch's of each channel by itself, the groups outermost."""

    def wrapped(x: torch.Tensor, factor: int) -> torch.Tensor:
        area = factor**2
        if apply is F.pixel_shuffle:
            return apply(x.unflatten(1, (area, -1)).transpose(1, 2).flatten(1, 2), factor)
        return apply(x, factor).unflatten(1, (-1, area)).transpose(1, 2).flatten(1, 2)

    return wrapped


# Recurrence ------------------------------------------------------------------------------------


@st.composite
def _recurrent(draw: Any, op: str, kind: type[nn.RNNBase], num_gates: int) -> Case:
    steps, batch, width, hidden = draw(st.tuples(*[st.integers(1, 3)] * 4))
    ways = ("forward", "reverse", "bidirectional") if op == "lstm" else ("forward", "reverse")
    direction = draw(st.sampled_from(ways))
    both = direction == "bidirectional"
    states = ("initial_h", "initial_c") if op == "lstm" else ("initial_h",)
    feeds = {"x": draw(floats((steps, batch, width)))} | {
        name: draw(floats((batch, hidden * (1 + both)))) for name in states
    }
    constants: dict[str, Any] = {"direction": direction, "output_sequence": draw(st.booleans())}
    for back in ("", "_back") if both else ("",):
        constants[f"weight_ih{back}"] = draw(floats((num_gates * hidden, width)))
        constants[f"weight_hh{back}"] = draw(floats((num_gates * hidden, hidden)))
        constants[f"bias{back}"] = draw(floats((num_gates * hidden,)))
    return Case(op, feeds, constants, tolerance=1e-4,
                reference=lambda **arguments: states_by_torch(kind, arguments))  # fmt: skip


NETWORK_PROPERTIES: dict[str, Cases] = {
    "avg_pool": _pool("avg_pool", _AVERAGE),
    "batch_norm": _batch_norm(),
    "conv": _conv("conv"),
    "conv_transpose": _conv("conv_transpose"),
    "crop": _crop(),
    "depth_to_space": _shuffle("depth_to_space", _with_channels_last(F.pixel_shuffle)),
    "dequantize": _dequantize(),
    "einsum": _einsum(),
    "instance_norm": _instance_norm(),
    "l2_norm": _l2_norm(),
    "l2_pool": _pool("l2_pool", _NORM),
    "layer_norm": _layer_norm(),
    "linear": _linear(),
    "lstm": _recurrent("lstm", nn.LSTM, 4),
    "matmul": _matmul(),
    "max_pool": _pool("max_pool", _MAX),
    "pixel_shuffle": _shuffle("pixel_shuffle", F.pixel_shuffle),
    "pixel_unshuffle": _shuffle("pixel_unshuffle", F.pixel_unshuffle),
    "quantize": _quantize(),
    "resample": _resample(),
    "resize": _resize_bilinear("resize"),
    "resize_bilinear": _resize_bilinear("resize_bilinear"),
    "resize_nearest_neighbor": _resize_nearest(),
    "rnn": _recurrent("rnn", nn.RNN, 1),
    "scaled_dot_product_attention": _attention(),
    "space_to_depth": _shuffle("space_to_depth", _with_channels_last(F.pixel_unshuffle)),
    "upsample_bilinear": _upsample("upsample_bilinear"),
    "upsample_nearest_neighbor": _upsample("upsample_nearest_neighbor"),
}
