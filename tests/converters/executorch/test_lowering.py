"""What of a converted student XNNPACK runs."""

from collections import Counter

import pytest

from converters.executorch.file import read_program
from converters.values.artifact import Artifact
from converters.values.precision import FixedPrecision


@pytest.mark.parametrize("precision", ["fp32", "int8", "int4"])
def test_executorch_artifact_leaves_xnnpack_for_layer_norms_alone(
    artifacts: dict[str, dict[FixedPrecision, Artifact]], precision: FixedPrecision
) -> None:
    [method] = read_program(artifacts["executorch"][precision].path).methods
    names = Counter(kernel.name for kernel in method.kernels)
    assert names["aten::native_layer_norm"] == 5  # two a layer, and the embeddings'
    assert len(method.graphs) == 5 + 2  # before the first, between, and on both sides of the split
    rest = {name for name in names if "norm" not in name and "embedding" not in name}
    assert rest <= {
        "aten::sym_size", "aten::slice_copy", "aten::split_with_sizes_copy",
        "dim_order_ops::_to_dim_order_copy",
    }  # fmt: skip
