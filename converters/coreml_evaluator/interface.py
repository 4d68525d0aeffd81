"""What a Core ML package takes and gives, as its description tells."""

from dataclasses import dataclass
from typing import Any

from converters.values.errors import InputError

_INT32_FLAG = 0x20000  # ArrayFeatureType: 0x1.... are floats, 0x2.... are integers
_NUM_CHANNELS = {10: 1, 20: 3, 30: 3, 40: 1}
"""Channels of an image, by its colour space: gray, RGB, BGR, gray in fp16."""
BRIGHTEST = 255


@dataclass(frozen=True, kw_only=True)
class InputShapes:
    """What one input accepts.

    Attributes:
        is_integer: Whether the input takes int32 rather than floats.
        shapes: The accepted shapes, where they are listed.
        ranges: The least and the greatest size of each dimension, where they are not; None is
            no limit.
        is_image: Whether it takes the pixels of an image, ``(1, channels, height, width)``, from
            zero to ``BRIGHTEST``, channels in the package's order.
    """

    name: str
    is_integer: bool
    shapes: tuple[tuple[int, ...], ...] = ()
    ranges: tuple[tuple[int, int | None], ...] = ()
    is_image: bool = False

    def accepts(self, shape: tuple[int, ...]) -> bool:
        """Returns whether an array of this shape can be given."""
        if self.shapes:
            return shape in self.shapes
        return len(shape) == len(self.ranges) and all(
            least <= size and (greatest is None or size <= greatest)
            for size, (least, greatest) in zip(shape, self.ranges, strict=True)
        )

    def __str__(self) -> str:
        if self.shapes:
            return " or ".join(map(str, self.shapes))
        dims = (
            str(least) if least == greatest else f"{least}..{'' if greatest is None else greatest}"
            for least, greatest in self.ranges
        )
        return f"({', '.join(dims)})"


@dataclass(frozen=True, kw_only=True)
class Interface:
    """What a package takes and gives by default, in the order of its description.

    Attributes:
        label_name: The output that names a classifier's choice; None where it is no classifier.
        probabilities_name: The output that holds a classifier's scores by label.
    """

    inputs: tuple[InputShapes, ...]
    output_names: tuple[str, ...]
    label_name: str | None = None
    probabilities_name: str | None = None

    @property
    def input_names(self) -> tuple[str, ...]:
        """The inputs' names."""
        return tuple(each.name for each in self.inputs)


def read_interface(description: Any) -> Interface:
    """Returns what a description, or one of its functions, tells.

    Raises:
        InputError: An input or output is neither an array, an image nor part of a classifier.
    """
    label = getattr(description, "predictedFeatureName", "") or None
    names = tuple(feature.name for feature in description.output)
    probabilities = getattr(description, "predictedProbabilitiesName", "") or None
    for feature in description.output:
        kind = feature.type.WhichOneof("Type")
        is_label = feature.name in (label, probabilities)
        if kind not in ("multiArrayType", "imageType") and not is_label:
            raise InputError(
                f"output {feature.name!r} is of type {kind}, expected an array or an image",
                hint="convert with TensorType outputs",
            )
    return Interface(
        inputs=tuple(_input_shapes(feature) for feature in description.input),
        output_names=names,
        label_name=label if label in names else None,
        probabilities_name=probabilities if probabilities in names else None,
    )


def _input_shapes(feature: Any) -> InputShapes:
    kind = feature.type.WhichOneof("Type")
    if kind == "imageType":
        return _image_shapes(feature.name, feature.type.imageType)
    if kind != "multiArrayType":
        raise InputError(
            f"input {feature.name!r} is of type {kind}, expected an array or an image",
            hint="convert with TensorType or ImageType inputs",
        )
    array = feature.type.multiArrayType
    is_integer = bool(array.dataType & _INT32_FLAG)
    flexibility = array.WhichOneof("ShapeFlexibility")
    if flexibility == "shapeRange":
        ranges = tuple(_range(size) for size in array.shapeRange.sizeRanges)
        return InputShapes(name=feature.name, is_integer=is_integer, ranges=ranges)
    listed = array.enumeratedShapes.shapes if flexibility == "enumeratedShapes" else [array]
    shapes = tuple(tuple(entry.shape) for entry in listed)
    return InputShapes(name=feature.name, is_integer=is_integer, shapes=shapes)


def _image_shapes(name: str, image: Any) -> InputShapes:
    channels = _NUM_CHANNELS.get(image.colorSpace)
    if channels is None:
        raise InputError(
            f"input {name!r} is an image of an unknown colour space",
            hint="convert with an ImageType of RGB, BGR or GRAYSCALE",
        )
    flexibility = image.WhichOneof("SizeFlexibility")
    if flexibility == "imageSizeRange":
        sizes = (image.imageSizeRange.heightRange, image.imageSizeRange.widthRange)
        ranges = ((1, 1), (channels, channels), *map(_range, sizes))
        return InputShapes(name=name, is_integer=False, is_image=True, ranges=ranges)
    listed = image.enumeratedSizes.sizes if flexibility == "enumeratedSizes" else [image]
    shapes = tuple((1, channels, size.height, size.width) for size in listed)
    return InputShapes(name=name, is_integer=False, is_image=True, shapes=shapes)


def _range(size: Any) -> tuple[int, int | None]:
    # An upper bound below zero stands for no bound.
    return size.lowerBound, None if size.upperBound < 0 else size.upperBound
