"""Compressed weights: every bit as coremltools decompresses them."""

from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil import Function, types
from coremltools.converters.mil.mil.ops.registry import SSAOpRegistry

from converters.coreml_evaluator.steps import bind
from converters.coreml_evaluator.weights import CONSTANT_EXPRESSIONS

RNG = np.random.default_rng(3)
IOS16, IOS18 = ct.target.iOS16, ct.target.iOS18
FLOATS = (np.float16, np.float32)


def codes(*shape: int, dtype: Any, num_bits: int = 8) -> np.ndarray:
    least = -(2 ** (num_bits - 1)) if np.dtype(dtype).kind == "i" else 0
    return RNG.integers(least, least + 2**num_bits, shape).astype(dtype)


def floats(*shape: int, dtype: Any) -> np.ndarray:
    return RNG.uniform(-2, 2, shape).astype(dtype)


def mask(*shape: int) -> np.ndarray:
    return (RNG.random(shape) < 0.4).astype(types.np_uint1_dtype)


def nonzeros(at: np.ndarray, dtype: Any, num_bits: int = 8) -> np.ndarray:
    return codes(int(at.sum()), dtype=dtype, num_bits=num_bits)


AFFINE = [
    (IOS16, "constexpr_affine_dequantize",
     {"quantized_data": codes(5, 3, 4, dtype=code), "scale": scale, "zero_point": zero,
      "axis": axis})
    for code in (np.int8, np.uint8)
    for real in FLOATS
    for scale, zero, axis in (
        (real(0.013), code(7), 0),
        (floats(5, dtype=real), codes(5, dtype=code), 0),
        (floats(4, dtype=real), code(3), -1),
        (real(0.5), codes(3, dtype=code), 1),
        (floats(3, dtype=real), floats(3, dtype=np.float32), 1),
    )
]  # fmt: skip

BLOCKWISE = [
    (IOS18, "constexpr_blockwise_shift_scale",
     {"data": codes(6, 8, dtype=code, num_bits=num_bits), "scale": floats(*blocks, dtype=real),
      **({"offset": codes(*blocks, dtype=code, num_bits=num_bits)} if shifted else {})})
    for code, num_bits in ((np.int8, 8), (np.uint8, 8), (types.np_int4_dtype, 4),
                           (types.np_uint4_dtype, 4))
    for real in FLOATS
    for blocks in ((6, 1), (1, 1), (6, 4), (3, 2))
    for shifted in (False, True)
] + [
    (IOS18, "constexpr_blockwise_shift_scale",
     {"data": codes(6, 8, dtype=np.int8), "scale": floats(6, 1, dtype=real),
      "offset": floats(6, 1, dtype=real)})
    for real in FLOATS
]  # fmt: skip

PALETTES = [
    (IOS16, "constexpr_lut_to_dense",
     {"indices": codes(-(-15 * num_bits // 8), dtype=np.uint8), "shape": np.uint32([5, 3]),
      "lut": floats(2**num_bits, dtype=real)})
    for num_bits in (1, 2, 4, 6, 8)
    for real in FLOATS
] + [
    (IOS18, "constexpr_lut_to_dense",
     {"indices": codes(4, 6, dtype=code, num_bits=num_bits),
      "lut": floats(*groups, 2**num_bits, 1, dtype=real)})
    for code, num_bits in ((types.np_uint1_dtype, 1), (types.np_uint4_dtype, 4), (np.uint8, 8))
    for real in (*FLOATS, np.int8)
    for groups in ((1, 1), (2, 1), (4, 3))
] + [
    (IOS18, "constexpr_lut_to_dense",
     {"indices": codes(4, 6, dtype=types.np_uint4_dtype, num_bits=4),
      "lut": floats(2, 1, 16, 3, dtype=np.float16), "vector_axis": axis})
    for axis in (0, 1, -1)
]  # fmt: skip


def _sparse() -> list[tuple[ct.target, str, dict[str, Any]]]:
    packed, dense = codes(2, dtype=np.uint8), mask(4, 6)
    packed[1] &= 0x7F  # 15 elements: the last bit is padding
    num_set = int(np.unpackbits(packed).sum())
    lut = floats(1, 1, 16, 1, dtype=np.float16)
    return [
        (IOS16, "constexpr_sparse_to_dense",
         {"nonzero_data": floats(num_set, dtype=np.float16), "mask": packed,
          "shape": np.uint32([3, 5])}),
        (IOS18, "constexpr_sparse_to_dense", {"nonzero_data": nonzeros(dense, np.int8),
                                              "mask": dense}),
        (IOS18, "constexpr_lut_to_sparse",
         {"indices_mask": dense, "lut": lut,
          "indices_nonzero_data": nonzeros(dense, types.np_uint4_dtype, 4)}),
        (IOS18, "constexpr_lut_to_sparse",
         {"indices_mask": dense, "lut": floats(1, 1, 16, 2, dtype=np.float16), "vector_axis": 1,
          "indices_nonzero_data": nonzeros(dense, types.np_uint4_dtype, 4)}),
        (IOS18, "constexpr_sparse_blockwise_shift_scale",
         {"data_mask": dense, "nonzero_data": nonzeros(dense, np.int8),
          "scale": floats(4, 2, dtype=np.float16), "offset": codes(4, 2, dtype=np.int8)}),
        (IOS18, "constexpr_cast", {"source_val": floats(3, 4, dtype=np.float16),
                                   "output_dtype": "fp32"}),
        (IOS16, "constexpr_cast", {"source_val": floats(3, 4, dtype=np.float16),
                                   "output_dtype": "fp32"}),
    ]  # fmt: skip


CASES = AFFINE + BLOCKWISE + PALETTES + _sparse()


def test_every_constant_expression_of_the_format_is_known_and_has_a_case() -> None:
    known = {name for name in SSAOpRegistry.core_ops if name.startswith("constexpr_")}

    assert known == set(CONSTANT_EXPRESSIONS) == {name for _, name, _ in CASES}


@pytest.mark.parametrize(
    ("opset", "name", "arguments"), CASES, ids=[f"{case[1]}-{i}" for i, case in enumerate(CASES)]
)
def test_expanded_weight_equals_coremltools(
    opset: ct.target, name: str, arguments: dict[str, Any]
) -> None:
    with Function({}, opset_version=opset) as function:
        results = getattr(mb, name)(**arguments)
        results = list(results) if isinstance(results, list | tuple) else [results]
        function.set_outputs(results)
    expected = results[0].op.materialized_val_inference()
    expected = expected if isinstance(expected, tuple) else (expected,)

    constants = bind(function, rounding="fp16").constant_results

    for result, wanted in zip(results, expected, strict=True):
        assert constants[result.name].shape == wanted.shape
        np.testing.assert_array_equal(constants[result.name].numpy(), wanted)


def test_unrounded_weight_keeps_the_whole_product() -> None:
    data, scale = codes(3, 4, dtype=np.int8), floats(3, 1, dtype=np.float16)
    with Function({}, opset_version=IOS18) as function:
        result = mb.constexpr_blockwise_shift_scale(data=data, scale=scale)
        function.set_outputs([result])

    weight = bind(function, rounding="fp32").constant_results[result.name]

    assert torch.equal(weight, torch.from_numpy(data.astype(np.float32) * np.float32(scale)))


def test_chained_expressions_expand_to_the_product_of_both() -> None:
    indices = codes(4, 6, dtype=types.np_uint4_dtype, num_bits=4)
    table, scale = codes(1, 1, 16, 1, dtype=np.int8), floats(4, 1, dtype=np.float16)
    with Function({}, opset_version=IOS18) as function:
        looked_up = mb.constexpr_lut_to_dense(indices=indices, lut=table)
        result = mb.constexpr_blockwise_shift_scale(data=looked_up, scale=scale)
        function.set_outputs([result])

    weight = bind(function, rounding="fp16").constant_results[result.name]

    np.testing.assert_array_equal(weight.numpy(), table.ravel()[indices] * scale)
