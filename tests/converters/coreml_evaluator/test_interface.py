"""What a package says of its inputs, as its description holds it."""

from converters.coreml_evaluator.interface import read_interface
from converters.workarounds import coremltools_without_frameworks


def test_range_of_a_size_may_have_no_upper_end() -> None:
    with coremltools_without_frameworks():
        from coremltools.proto import Model_pb2
    description = Model_pb2.ModelDescription()
    given = description.input.add()
    given.name = "ids"
    sizes = given.type.multiArrayType.shapeRange.sizeRanges
    for lower, upper in ((1, 1), (4, 32), (2, -1)):
        sizes.add(lowerBound=lower, upperBound=upper)
    (shapes,) = read_interface(description).inputs
    assert shapes.ranges == ((1, 1), (4, 32), (2, None))
