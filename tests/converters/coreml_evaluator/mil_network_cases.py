"""Operator cases of networks other than encoders: windows, images and recurrence."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from tests.converters.coreml_evaluator.mil_oracle import Case, t
from tests.converters.small_models import ct

RNG = np.random.default_rng(11)


def floats(*shape: int, low: float = -3.0, high: float = 3.0) -> np.ndarray:
    return RNG.uniform(low, high, shape).astype(np.float32)


# Windows ---------------------------------------------------------------------------------------


def _by_torch(function: Callable[..., torch.Tensor], **settings: Any) -> Callable[..., Any]:
    return lambda x, **_: function(t(x), **settings)


def _same(size: int, window: int, stride: int) -> tuple[int, int]:
    """The padding of TensorFlow's SAME: half of it before, the odd one after."""
    total = max(0, (-(-size // stride) - 1) * stride + window - size)
    return total // 2, total - total // 2


def _same_conv(x: np.ndarray, weight: np.ndarray, *, upside_down: bool) -> torch.Tensor:
    before, after = _same(x.shape[-1], weight.shape[-1], 2)
    return F.conv1d(F.pad(t(x), (after, before) if upside_down else (before, after)), t(weight),
                    stride=2)  # fmt: skip


WINDOW_CASES = [
    Case("conv", {"x": floats(1, 4, 1, 6)}, {"weight": floats(3, 4, 1, 1), "bias": floats(3)},
         reference=lambda x, weight, bias: F.conv2d(t(x), t(weight), t(bias))),
    Case("conv", {"x": floats(2, 4, 9)},
         {"weight": floats(6, 2, 3), "pad_type": "custom", "pad": [2, 1], "strides": [2],
          "dilations": [2], "groups": 2},
         reference=lambda x, weight, **_: F.conv1d(
             F.pad(t(x), (2, 1)), t(weight), stride=2, dilation=2, groups=2)),
    Case("conv", {"x": floats(1, 2, 5, 6)},
         {"weight": floats(3, 2, 2, 3), "pad_type": "custom", "pad": [1, 0, 2, 1]},
         reference=lambda x, weight, **_: F.conv2d(F.pad(t(x), (2, 1, 1, 0)), t(weight))),
    *(
        Case("conv", {"x": floats(1, 2, size)},
             {"weight": floats(3, 2, 4), "pad_type": pad_type, "strides": [2]},
             reference=lambda x, weight, pad_type, **_: _same_conv(
                 x, weight, upside_down=pad_type == "same_lower"))
        for size in (7, 8)
        for pad_type in ("same", "same_lower")
    ),
    Case("conv_transpose", {"x": floats(1, 4, 5)},
         {"weight": floats(4, 3, 4), "bias": floats(3), "strides": [2], "pad_type": "custom",
          "pad": [1, 1]},
         reference=lambda x, weight, bias, **_: F.conv_transpose1d(
             t(x), t(weight), t(bias), stride=2, padding=1)),
    Case("conv_transpose", {"x": floats(2, 4, 3, 4)},
         {"weight": floats(4, 2, 2, 3), "groups": 2, "dilations": [2, 1]},
         reference=lambda x, weight, **_: F.conv_transpose2d(
             t(x), t(weight), groups=2, dilation=(2, 1))),
    Case("max_pool", {"x": floats(1, 2, 9)}, {"kernel_sizes": [2], "pad_type": "valid"},
         reference=_by_torch(F.max_pool1d, kernel_size=2, stride=1)),
    Case("max_pool", {"x": floats(1, 2, 5, 6, high=-1)},
         {"kernel_sizes": [3, 3], "strides": [2, 2], "pad_type": "custom", "pad": [1, 1, 1, 1],
          "ceil_mode": True},
         reference=_by_torch(F.max_pool2d, kernel_size=3, stride=2, padding=1, ceil_mode=True)),
    Case("max_pool", {"x": floats(1, 2, 4, 4, 4)},
         {"kernel_sizes": [2, 2, 2], "strides": [2, 2, 2], "pad_type": "valid"},
         reference=_by_torch(F.max_pool3d, kernel_size=2)),
    Case("max_pool", {"x": floats(1, 2, 5)},
         {"kernel_sizes": [2], "strides": [2], "pad_type": "same_lower"},
         reference=lambda x, **_: F.max_pool1d(F.pad(t(x), (1, 0), value=-9.0), 2)),
    *(
        Case("avg_pool", {"x": floats(1, 2, 5, 6)},
             {"kernel_sizes": [3, 3], "strides": [2, 2], "pad_type": "custom",
              "pad": [1, 1, 1, 1], "ceil_mode": ceil_mode,
              "exclude_padding_from_average": excluded},
             reference=_by_torch(F.avg_pool2d, kernel_size=3, stride=2, padding=1,
                                 ceil_mode=ceil_mode, count_include_pad=not excluded))
        for ceil_mode in (False, True)
        for excluded in (False, True)
    ),
    Case("avg_pool", {"x": floats(1, 2, 6)},
         {"kernel_sizes": [4], "strides": [4], "pad_type": "custom", "pad": [2, 0],
          "exclude_padding_from_average": True},
         reference=lambda x, **_: np.stack([x[..., :2].mean(-1), x[..., 2:].mean(-1)], -1)),
    Case("l2_pool", {"x": floats(1, 2, 6, 7)},
         {"kernel_sizes": [2, 3], "strides": [2, 3], "pad_type": "valid"}, tolerance=1e-5,
         reference=_by_torch(F.lp_pool2d, norm_type=2.0, kernel_size=(2, 3))),
]  # fmt: skip

# Images ----------------------------------------------------------------------------------------


def at_points(x: np.ndarray, *points: list[float]) -> np.ndarray:
    """Linear interpolation of the last two axes at given points, by NumPy's own."""
    for axis, at in zip((-2, -1), points, strict=True):
        steps = np.arange(x.shape[axis])
        x = np.apply_along_axis(lambda line, at=at, s=steps: np.interp(at, s, line), axis, x)
    return x


# The tables in coremltools' notes on resize_bilinear, for two points that become five.
_DOCUMENTED = {
    "UNALIGN_CORNERS": [0.0, 0.1, 0.5, 0.9, 1.0],
    "STRICT_ALIGN_CORNERS": [0.0, 0.25, 0.5, 0.75, 1.0],
    "ALIGN_CORNERS": [0.0, 0.25, 0.5, 0.75, 1.0],
    "DEFAULT": [0.0, 0.4, 0.8, 1.0, 1.0],
    "OFFSET_CORNERS": [0.1, 0.3, 0.5, 0.7, 0.9],
}

IMAGE_CASES = [
    *(
        Case("resize_bilinear", {"x": floats(1, 3, 2, 2)},
             {"target_size_height": 5, "target_size_width": 5, "sampling_mode": mode},
             reference=lambda x, sampling_mode, **_: at_points(
                 x, *[_DOCUMENTED[sampling_mode]] * 2))
        for mode in _DOCUMENTED
    ),
    Case("resize_bilinear", {"x": floats(3, 4, 5)},
         {"target_size_height": 1, "target_size_width": 1, "sampling_mode": "ALIGN_CORNERS"},
         reference=lambda x, **_: at_points(x, [1.5], [2.0])),
    Case("resize", {"x": floats(1, 3, 2, 4)},
         {"shape": [1, 5, 0], "resized_dims": np.uint32(2), "sampling_mode": "UNALIGN_CORNERS"},
         reference=lambda x, **_: at_points(
             x, _DOCUMENTED["UNALIGN_CORNERS"], [0.0, 1.0, 2.0, 3.0])),
    Case("resize_nearest_neighbor", {"x": floats(1, 3, 4, 5)},
         {"target_size_height": 7, "target_size_width": 3},
         reference=_by_torch(F.interpolate, size=(7, 3))),
    Case("upsample_nearest_neighbor", {"x": floats(1, 3, 4, 5)},
         {"scale_factor_height": 2, "scale_factor_width": 3},
         reference=_by_torch(F.interpolate, scale_factor=(2, 3))),
    Case("upsample_nearest_neighbor", {"x": floats(3, 10, 4)},
         {"scale_factor_height": np.float32(2.1), "scale_factor_width": np.float32(0.5)},
         reference=lambda x, **_: F.interpolate(t(x)[None], size=(21, 2))[0]),
    *(
        Case("upsample_bilinear", {"x": floats(1, 3, 4, 5)},
             {"scale_factor_height": np.float32(2), "scale_factor_width": np.float32(1.4),
              "align_corners": aligned},
             reference=lambda x, align_corners, **_: F.interpolate(
                 t(x), size=(8, 7), mode="bilinear", align_corners=align_corners))
        for aligned in (False, True)
    ),
    Case("upsample_bilinear", {"x": floats(1, 1, 2, 2)},
         {"scale_factor_height": np.float32(2.5), "scale_factor_width": np.float32(2.5),
          "align_corners": False, "half_pixel_centers": False},
         reference=lambda x, **_: at_points(x, *[_DOCUMENTED["DEFAULT"]] * 2)),
    *(
        Case("resample", {"x": floats(1, 3, 4, 5), "coordinates": floats(1, 2, 6, 2, high=2)},
             {"sampling_mode": sampling, "padding_mode": padding, "padding_value": np.float32(0),
              "coordinates_mode": "normalized_minus_one_to_one", "align_corners": aligned},
             reference=lambda x, coordinates, sampling_mode, padding_mode, align_corners, **_:
             F.grid_sample(
                 t(x), t(coordinates), sampling_mode,
                 {"constant": "zeros", "symmetric": "reflection"}.get(padding_mode, padding_mode),
                 align_corners))
        for sampling in ("bilinear", "nearest")
        for padding, aligned in (("constant", True), ("constant", False), ("border", False),
                                 ("reflection", True), ("symmetric", False))
    ),
    Case("resample", {"x": floats(1, 1, 3, 3)},
         {"coordinates": np.array([[[[0, 0.5], [9, 9]]]], np.float32), "sampling_mode": "nearest",
          "padding_mode": "constant", "padding_value": np.float32(7),
          "coordinates_mode": "normalized_zero_to_one", "align_corners": True},
         reference=lambda x, **_: np.array([[[[x[0, 0, 1, 0], 7]]]])),
    Case("crop", {"x": floats(2, 5, 6)}, {"crop_height": [1, 2], "crop_width": [0, 3]},
         reference=lambda x, **_: x[:, 1:3, :3]),
    Case("pixel_shuffle", {"x": floats(1, 8, 2, 3)}, {"upscale_factor": 2},
         reference=_by_torch(F.pixel_shuffle, upscale_factor=2)),
    Case("pixel_unshuffle", {"x": floats(1, 2, 4, 6)}, {"downscale_factor": np.uint32(2)},
         reference=_by_torch(F.pixel_unshuffle, downscale_factor=2)),
    # TensorFlow's, which moves whole groups of channels; channels last there.
    Case("depth_to_space", {"x": floats(1, 8, 2, 3)}, {"block_size": 2},
         reference=lambda x, block_size: x.reshape(1, 2, 2, 2, 2, 3).transpose(
             0, 3, 4, 1, 5, 2).reshape(1, 2, 4, 6)),
    Case("space_to_depth", {"x": floats(1, 2, 4, 6)}, {"block_size": 2},
         reference=lambda x, block_size: np.concatenate(
             [x[:, :, row::2, column::2] for row in (0, 1) for column in (0, 1)], 1)),
]  # fmt: skip

# Recurrence ------------------------------------------------------------------------------------


def states_by_torch(kind: type[nn.RNNBase], arguments: dict[str, Any]) -> list[np.ndarray]:
    """Runs PyTorch's layer on weights that are in the order of MIL's gates."""
    hidden = arguments["weight_hh"].shape[1]
    order = [0, 1, 3, 2] if kind is nn.LSTM else [0]  # MIL: input, forget, output, cell
    both = "weight_ih_back" in arguments
    layer = kind(arguments["x"].shape[-1], hidden, bidirectional=both)
    backwards = arguments.get("direction") == "reverse"
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            what, gate, _, *back = name.split("_")
            suffix = "_back" if back else ""
            given = arguments.get(f"{what}_{gate}{suffix}" if what == "weight" else f"bias{suffix}")
            if given is None or (what == "bias" and gate == "hh"):
                parameter.zero_()
            else:
                parts = np.split(given, len(order))
                parameter.copy_(t(np.concatenate([parts[i] for i in order])))

    def per_direction(state: np.ndarray) -> torch.Tensor:
        return torch.stack(t(state).chunk(2 if both else 1, -1))

    start = per_direction(arguments["initial_h"])
    if kind is nn.LSTM:
        start = (start, per_direction(arguments["initial_c"]))
    x = t(arguments["x"])
    with torch.inference_mode():
        states, last = layer(x.flip(0) if backwards else x, start)
    states = states.flip(0) if backwards else states
    last = last if isinstance(last, tuple) else (last,)
    ends = [torch.cat(list(part), -1).numpy() for part in last]
    return [states.numpy() if arguments.get("output_sequence") else ends[0][None], *ends]


def lstm(**settings: Any) -> Case:
    num_directions = 2 if settings.get("direction") == "bidirectional" else 1
    back = {
        "weight_ih_back": floats(12, 4), "weight_hh_back": floats(12, 3), "bias_back": floats(12),
    }  # fmt: skip
    return Case(
        "lstm",
        {"x": floats(5, 2, 4), "initial_h": floats(2, 3 * num_directions),
         "initial_c": floats(2, 3 * num_directions)},
        {"weight_ih": floats(12, 4), "weight_hh": floats(12, 3), "bias": floats(12),
         **(back if num_directions == 2 else {}), **settings},
        reference=lambda **arguments: states_by_torch(nn.LSTM, arguments),
        tolerance=1e-5,
    )  # fmt: skip


def rnn(**settings: Any) -> Case:
    return Case(
        "rnn",
        {"x": floats(5, 2, 4), "initial_h": floats(2, 3)},
        {"weight_ih": floats(3, 4), "weight_hh": floats(3, 3), **settings},
        reference=lambda **arguments: states_by_torch(nn.RNN, arguments),
        tolerance=1e-5,
    )


RECURRENT_CASES = [
    *(
        make(direction=direction, output_sequence=whole)
        for whole in (False, True)
        for make, directions in (
            (lstm, ("forward", "reverse", "bidirectional")),
            (rnn, ("forward", "reverse")),
        )
        for direction in directions
    ),
    rnn(bias=floats(3)),
    Case(
        "lstm",
        {"x": floats(2, 1, 2), "initial_h": floats(1, 2), "initial_c": floats(1, 2)},
        {"weight_ih": floats(8, 2), "weight_hh": floats(8, 2)},
        reference=lambda **arguments: states_by_torch(nn.LSTM, arguments),
        opset=ct.target.iOS15,
    ),
]

NETWORK_CASES = WINDOW_CASES + IMAGE_CASES + RECURRENT_CASES
