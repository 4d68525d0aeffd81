"""MIL operators that resize an image, sample it, cut it, or move pixels between its axes.

Where Core ML's own documents leave the order of channels or of ties open, PyTorch's operator of the
same name decides, or TensorFlow's where the format took the operator from there.
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F  # noqa: N812 - the name that everybody knows
from torch import Tensor


def _grid(num_in: int, num_out: int, sampling_mode: str) -> Tensor:
    """Returns where the new points of one axis lie between the old ones, ``(num_out,) float32``.

    Source: coremltools 9.0, the notes on ``resize_bilinear``.
    """
    steps = torch.arange(num_out, dtype=torch.float64)
    if sampling_mode in ("STRICT_ALIGN_CORNERS", "ALIGN_CORNERS"):
        points = steps * ((num_in - 1) / max(num_out - 1, 1))
        if num_out == 1 and sampling_mode == "ALIGN_CORNERS":
            points = points + (num_in - 1) / 2
    elif sampling_mode == "DEFAULT":
        points = steps * (num_in / num_out)
    elif sampling_mode == "UNALIGN_CORNERS":
        points = (steps + 0.5) * (num_in / num_out) - 0.5
    elif sampling_mode == "OFFSET_CORNERS":
        points = (steps + 0.5) * (max(1, num_in - 1) / num_out)
    else:
        raise NotImplementedError(f"sampling_mode {sampling_mode!r}")
    return points.clamp(0, num_in - 1).float()


def _interpolate(x: Tensor, axis: int, num_out: int, sampling_mode: str) -> Tensor:
    points = _grid(x.shape[axis], num_out, sampling_mode)
    below = points.long()
    above = (below + 1).clamp(max=x.shape[axis] - 1)
    share = (points - below).reshape([-1] + [1] * (-axis - 1))
    return torch.lerp(x.index_select(axis, below), x.index_select(axis, above), share)


def _bilinear(x: Tensor, height: int, width: int, sampling_mode: str) -> Tensor:
    return _interpolate(_interpolate(x, -2, height, sampling_mode), -1, width, sampling_mode)


def _nearest(x: Tensor, height: int, width: int) -> Tensor:
    for axis, num_out in ((-2, height), (-1, width)):
        num_in = x.shape[axis]
        x = x.index_select(axis, torch.arange(num_out) * num_in // num_out)
    return x


def _scaled(x: Tensor, height: Tensor, width: Tensor) -> tuple[int, int]:
    # In 32 bits, as the file stores a scale: 10 * 2.1 is 21 and not a hair less.
    return tuple(  # type: ignore[return-value]
        int((torch.tensor(size, dtype=scale.dtype) * scale).floor())
        for size, scale in zip(x.shape[-2:], (height, width), strict=True)
    )


def _upsample_nearest_neighbor(
    x: Tensor, scale_factor_height: Tensor, scale_factor_width: Tensor
) -> Tensor:
    return _nearest(x, *_scaled(x, scale_factor_height, scale_factor_width))


def _upsample_bilinear(
    x: Tensor,
    scale_factor_height: Tensor,
    scale_factor_width: Tensor,
    align_corners: Tensor,
    half_pixel_centers: Tensor | None = None,
) -> Tensor:
    centers = not align_corners if half_pixel_centers is None else bool(half_pixel_centers)
    if align_corners and centers:
        raise NotImplementedError(
            "upsample_bilinear with both align_corners and half_pixel_centers"
        )
    mode = "UNALIGN_CORNERS" if centers else "STRICT_ALIGN_CORNERS" if align_corners else "DEFAULT"
    return _bilinear(x, *_scaled(x, scale_factor_height, scale_factor_width), mode)


def _resize(
    x: Tensor, shape: Tensor, resized_dims: Tensor, interpolation_mode: str, sampling_mode: str
) -> Tensor:
    if interpolation_mode != "LINEAR":
        # How its sampling modes round to a neighbour is written nowhere.
        raise NotImplementedError(f"resize with interpolation_mode {interpolation_mode!r}")
    count = int(resized_dims)
    for axis, size in zip(range(-count, 0), shape.tolist()[-count:], strict=True):
        if size:  # zero keeps the axis as it is
            x = _interpolate(x, axis, size, sampling_mode)
    return x


def _resample(
    x: Tensor,
    coordinates: Tensor,
    sampling_mode: str,
    padding_mode: str,
    padding_value: Tensor,
    coordinates_mode: str,
    align_corners: Tensor,
) -> Tensor:
    aligned = bool(align_corners)
    grid = coordinates.float()
    if coordinates_mode == "normalized_zero_to_one":
        grid = grid * 2 - 1
    elif coordinates_mode != "normalized_minus_one_to_one":
        raise NotImplementedError(f"resample with coordinates_mode {coordinates_mode!r}")
    mode = {"constant": "zeros", "border": "border"}.get(padding_mode)
    if padding_mode == ("reflection" if aligned else "symmetric"):
        mode = "reflection"
    if mode is None:
        raise NotImplementedError(
            f"resample with padding_mode {padding_mode!r} and align_corners {aligned}"
        )
    # PyTorch pads with zeros only: shifted by the padding value, that is what they are.
    shift = padding_value if mode == "zeros" else torch.zeros(())
    return F.grid_sample(x - shift, grid, sampling_mode, mode, aligned) + shift


def _crop(x: Tensor, crop_height: Tensor, crop_width: Tensor) -> Tensor:
    for axis, crop in ((-2, crop_height), (-1, crop_width)):
        before, after = crop.flatten().tolist()
        x = x.narrow(axis, before, x.shape[axis] - before - after)
    return x


def _depth_to_space(x: Tensor, block_size: Tensor) -> Tensor:
    size = int(block_size)
    batch, channels, height, width = x.shape
    blocks = x.reshape(batch, size, size, channels // size**2, height, width)
    # (batch, channels, height, rows, width, columns)
    return blocks.permute(0, 3, 4, 1, 5, 2).reshape(
        batch, channels // size**2, height * size, width * size
    )


def _space_to_depth(x: Tensor, block_size: Tensor) -> Tensor:
    size = int(block_size)
    batch, channels, height, width = x.shape
    blocks = x.reshape(batch, channels, height // size, size, width // size, size)
    # (batch, rows, columns, channels, height, width)
    return blocks.permute(0, 3, 5, 1, 2, 4).reshape(
        batch, channels * size**2, height // size, width // size
    )


IMAGES: dict[str, Callable[..., Tensor]] = {
    "crop": _crop,
    "depth_to_space": _depth_to_space,
    "pixel_shuffle": lambda x, upscale_factor: F.pixel_shuffle(x, int(upscale_factor)),
    "pixel_unshuffle": lambda x, downscale_factor: F.pixel_unshuffle(x, int(downscale_factor)),
    "resample": _resample,
    "resize": _resize,
    "resize_bilinear": lambda x, target_size_height, target_size_width, sampling_mode: _bilinear(
        x, int(target_size_height), int(target_size_width), sampling_mode
    ),
    "resize_nearest_neighbor": lambda x, target_size_height, target_size_width: _nearest(
        x, int(target_size_height), int(target_size_width)
    ),
    "space_to_depth": _space_to_depth,
    "upsample_bilinear": _upsample_bilinear,
    "upsample_nearest_neighbor": _upsample_nearest_neighbor,
}
