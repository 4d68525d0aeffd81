"""Random cases for every operator of ``mil_tensors`` and ``mil_indexing``."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch

from tests.converters.coreml_evaluator.mil_oracle import Case, t
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
from tests.converters.small_models import ct

# Shape and order -------------------------------------------------------------------------------


@st.composite
def _argsort(draw: Any) -> Case:
    x = draw(floats(unique=True))
    return Case("argsort", {"x": x}, {"axis": draw(axes_of(x)), "ascending": draw(st.booleans())})


@st.composite
def _band_part(draw: Any) -> Case:
    x = draw(floats(shapes(2)))
    return Case("band_part", {"x": x}, {side: draw(st.integers(-1, 4)) for side in
                                        ("lower", "upper")})  # fmt: skip


@st.composite
def _concat(draw: Any) -> Case:
    shape = list(draw(shapes()))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    parts = []
    for size in draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)):
        shape[axis] = size
        parts.append(draw(floats(tuple(shape))))
    return Case("concat", {"values": parts}, {"axis": axis})


@st.composite
def _cumsum(draw: Any) -> Case:
    x = draw(floats())
    axis, reverse = draw(axes_of(x)) % x.ndim, draw(st.booleans())
    return Case("cumsum", {"x": x}, {"axis": axis, "reverse": reverse}, tolerance=1e-5)


@st.composite
def _expand_dims(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3)))
    rank = x.ndim + draw(st.integers(1, 2))
    chosen = st.lists(st.integers(0, rank - 1), min_size=rank - x.ndim, max_size=rank - x.ndim,
                      unique=True)  # fmt: skip
    return Case("expand_dims", {"x": x}, {"axes": draw(chosen)})


@st.composite
def _one_hot(draw: Any) -> Case:
    size = draw(st.integers(1, 5))
    indices = draw(ints(shapes(1, 3), 0, size - 1))
    axis = draw(st.integers(-1, indices.ndim))
    return Case(
        "one_hot", {"indices": indices}, {"one_hot_vector_size": size, "axis": axis},
        reference=lambda indices, one_hot_vector_size, axis: torch.nn.functional.one_hot(
            t(indices).long(), one_hot_vector_size).movedim(-1, axis).int(),
    )  # fmt: skip


@st.composite
def _pad(draw: Any) -> Case:
    mode = draw(st.sampled_from(("constant", "reflect", "replicate")))
    x = draw(floats(shapes(2, 4)))
    widest = {"reflect": min(x.shape) - 1}.get(mode, 3)
    num_axes = draw(st.integers(1, 2 if mode != "constant" else x.ndim))
    pad = draw(st.lists(st.integers(0, widest), min_size=2 * num_axes, max_size=2 * num_axes))
    value = {"constant_val": draw(scalars())} if mode == "constant" else {}
    return Case("pad", {"x": x}, {"pad": pad, "mode": mode, **value})


@st.composite
def _reshape(draw: Any) -> Case:
    x = draw(floats())
    shape = list(draw(st.permutations(x.shape)))
    if draw(st.booleans()):
        shape[draw(st.integers(0, len(shape) - 1))] = -1
    return Case("reshape", {"x": x}, {"shape": [*shape, 1] if draw(st.booleans()) else shape})


@st.composite
def _select(draw: Any) -> Case:
    first, second, third = broadcastable(draw, 3)
    return Case("select", {"cond": draw(bools(first)), "a": draw(floats(second)),
                           "b": draw(floats(third))})  # fmt: skip


@st.composite
def _slice_by_index(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3)))
    begin, end, stride, squeezed = [], [], [], []
    for size in x.shape:
        first, last = sorted(draw(st.tuples(*[st.integers(0, size - 1)] * 2)))
        step, is_squeezed = draw(st.sampled_from((1, 2, -1))), draw(st.booleans())
        if is_squeezed:
            step = 1
        begin.append(last if step < 0 else first)
        end.append(first - 1 if step < 0 and first else last + 1)
        stride.append(step)
        squeezed.append(is_squeezed and x.ndim > 1 and sum(squeezed) < x.ndim - 1)
    # A slice that runs back to the start has no end to name: -1 would count from the end.
    open_end = [step < 0 and stop > start for start, stop, step in
                zip(begin, end, stride, strict=True)]  # fmt: skip
    return Case(
        "slice_by_index",
        {"x": x},
        {
            "begin": begin,
            "end": end,
            "stride": stride,
            "end_mask": open_end,
            "squeeze_mask": squeezed,
        },
    )


@st.composite
def _slice_by_size(draw: Any) -> Case:
    x = draw(floats())
    begin = [draw(st.integers(0, size - 1)) for size in x.shape]
    sizes = [draw(st.sampled_from((-1, size - first))) for first, size in
             zip(begin, x.shape, strict=True)]  # fmt: skip
    return Case("slice_by_size", {"x": x}, {"begin": begin, "size": sizes})


@st.composite
def _slice_update(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3)))
    begin = [draw(st.integers(0, size - 1)) for size in x.shape]
    end = [draw(st.integers(first + 1, size)) for first, size in zip(begin, x.shape, strict=True)]
    stride = [draw(st.integers(1, 2)) for _ in x.shape]
    spans = [len(range(*span)) for span in zip(begin, end, stride, strict=True)]
    return Case(
        "slice_update",
        {"x": x, "update": draw(floats(tuple(spans)))},
        {"begin": begin, "end": end, "stride": stride},
        opset=ct.target.iOS18,
    )


@st.composite
def _sliding_windows(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3, max_side=6)))
    axis = draw(axes_of(x))
    size, stride = draw(st.integers(1, x.shape[axis])), draw(st.integers(1, 3))
    return Case(
        "sliding_windows", {"x": x}, {"axis": axis, "size": size, "stride": stride},
        reference=lambda x, axis, size, stride: np.stack(
            [np.take(x, range(i, i + size), axis)
             for i in range(0, x.shape[axis] - size + 1, stride)], axis % x.ndim),
    )  # fmt: skip


@st.composite
def _split(draw: Any) -> Case:
    shape = list(draw(shapes()))
    axis = draw(st.integers(-len(shape), len(shape) - 1))
    sizes = draw(st.lists(st.integers(1, 3), min_size=2, max_size=4))
    shape[axis] = sum(sizes)
    return Case("split", {"x": draw(floats(tuple(shape)))}, {"split_sizes": sizes, "axis": axis})


@st.composite
def _squeeze(draw: Any) -> Case:
    x = draw(floats(shapes(2, 4, max_side=2)))
    ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    if not ones or len(ones) == x.ndim:
        x = x[:1, :1].repeat(2, axis=1)
        ones = [axis for axis, size in enumerate(x.shape) if size == 1]
    axes = draw(st.lists(st.sampled_from(ones), min_size=1, unique=True))
    return Case("squeeze", {"x": x}, {"axes": axes} if draw(st.booleans()) else {})


@st.composite
def _stack(draw: Any) -> Case:
    shape = draw(shapes(1, 3))
    parts = [draw(floats(shape)) for _ in range(draw(st.integers(1, 3)))]
    return Case("stack", {"values": parts}, {"axis": draw(st.integers(-len(shape), len(shape)))})


@st.composite
def _topk(draw: Any) -> Case:
    x = draw(floats(unique=True))
    axis = draw(axes_of(x))
    k = draw(st.integers(1, x.shape[axis]))
    return Case("topk", {"x": x}, {"k": k, "axis": axis, "ascending": draw(st.booleans())})


@st.composite
def _range_1d(draw: Any) -> Case:
    start, step, count = draw(st.tuples(st.integers(-9, 9), st.integers(1, 4), st.integers(1, 6)))
    sign = draw(st.sampled_from((1, -1)))
    bounds = {"start": start, "end": start + sign * step * count, "step": sign * step}
    return Case("range_1d", {}, {name: np.int32(value) for name, value in bounds.items()})


@st.composite
def _on_axes(draw: Any, op: str) -> Case:
    x = draw(floats())
    return Case(op, {"x": x}, {"axes": draw(axis_lists_of(x))})


TENSOR_PROPERTIES: dict[str, Cases] = {
    "argsort": _argsort(),
    "band_part": _band_part(),
    "concat": _concat(),
    "cumsum": _cumsum(),
    "expand_dims": _expand_dims(),
    "fill": st.builds(
        lambda shape, value: Case("fill", {}, {"shape": np.int32(shape), "value": value}),
        shapes(), scalars(),
    ),
    "fill_like": st.builds(
        lambda x, value: Case("fill_like", {"ref_tensor": x}, {"value": value}),
        floats(), scalars(),
    ),
    "flatten2d": floats(shapes(2)).flatmap(
        lambda x: st.integers(1, x.ndim - 1).map(
            lambda axis: Case("flatten2d", {"x": x}, {"axis": axis})
        )
    ),
    "non_zero": ints(low=0, high=2).map(lambda x: Case("non_zero", {"x": x})),
    "one_hot": _one_hot(),
    "pad": _pad(),
    "range_1d": _range_1d(),
    "reshape": _reshape(),
    "reverse": _on_axes("reverse"),
    "select": _select(),
    "shape": floats().map(lambda x: Case("shape", {"x": x})),
    "slice_by_index": _slice_by_index(),
    "slice_by_size": _slice_by_size(),
    "slice_update": _slice_update(),
    "sliding_windows": _sliding_windows(),
    "split": _split(),
    "squeeze": _squeeze(),
    "stack": _stack(),
    "tile": floats(shapes(1, 3)).flatmap(
        lambda x: st.lists(st.integers(1, 3), min_size=x.ndim, max_size=x.ndim).map(
            lambda reps: Case("tile", {"x": x}, {"reps": reps}))
    ),
    "topk": _topk(),
    "transpose": floats(shapes(1, 5)).flatmap(
        lambda x: st.permutations(range(x.ndim)).map(
            lambda perm: Case("transpose", {"x": x}, {"perm": perm}))
    ),
}  # fmt: skip

# Indexing --------------------------------------------------------------------------------------

_MODES = ("update", "add", "sub", "mul", "div", "max", "min")


@st.composite
def _gather(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3)))
    axis = draw(axes_of(x))
    indices = draw(ints(shapes(1, 2), 0, x.shape[axis] - 1))
    return Case("gather", {"x": x, "indices": indices}, {"axis": axis})


@st.composite
def _gather_along_axis(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3)))
    axis = draw(axes_of(x))
    shape = [*x.shape]
    shape[axis] = draw(st.integers(1, 4))
    indices = draw(ints(tuple(shape), 0, x.shape[axis] - 1))
    return Case("gather_along_axis", {"x": x, "indices": indices}, {"axis": axis})


def _tuples(draw: Any, shape: tuple[int, ...]) -> np.ndarray:
    """Index tuples into the leading dimensions, ``(count, depth)``, without repetition."""
    depth = draw(st.integers(1, len(shape)))
    one = st.tuples(*(st.integers(0, size - 1) for size in shape[:depth]))
    return np.array(draw(st.lists(one, min_size=1, max_size=4, unique=True)), np.int32)


@st.composite
def _gather_nd(draw: Any) -> Case:
    x = draw(floats(shapes(1, 3)))
    return Case("gather_nd", {"x": x, "indices": _tuples(draw, x.shape)},
                reference=lambda x, indices: t(x)[tuple(t(indices).long().T)])  # fmt: skip


def _written(data: np.ndarray, where: Any, updates: np.ndarray, mode: str) -> np.ndarray:
    result = data.copy()
    combine = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "div": np.divide,
               "max": np.maximum, "min": np.minimum}  # fmt: skip
    result[where] = updates if mode == "update" else combine[mode](data[where], updates)
    return result


@st.composite
def _scatter(draw: Any) -> Case:
    data = draw(floats(shapes(1, 3), 0.5, 3))
    axis = draw(axes_of(data)) % data.ndim
    rows = st.lists(st.integers(0, data.shape[axis] - 1), min_size=1, unique=True)
    indices = np.array(draw(rows), np.int32)
    updates = draw(floats(np.take(data, indices, axis).shape, 0.5, 3))
    return Case(
        "scatter", {"data": data, "indices": indices, "updates": updates},
        {"axis": axis, "mode": draw(st.sampled_from(_MODES))}, tolerance=1e-5,
        reference=lambda data, indices, updates, axis, mode: _written(
            data, (slice(None),) * axis + (indices,), updates, mode),
    )  # fmt: skip


@st.composite
def _scatter_along_axis(draw: Any) -> Case:
    data = draw(floats(shapes(1, 3), 0.5, 3))
    axis = draw(axes_of(data)) % data.ndim
    order = draw(st.permutations(range(data.shape[axis])))
    shape = [-1 if i == axis else 1 for i in range(data.ndim)]
    indices = np.broadcast_to(np.array(order, np.int32).reshape(shape), data.shape).copy()
    where = [*np.indices(data.shape)]
    where[axis] = indices
    return Case(
        "scatter_along_axis",
        {"data": data, "indices": indices, "updates": draw(floats(data.shape, 0.5, 3))},
        {"axis": axis, "mode": draw(st.sampled_from(_MODES))}, tolerance=1e-5,
        # coremltools' own overwrites in every mode.
        reference=lambda data, indices, updates, axis, mode: _written(
            data, tuple(where), updates, mode),
    )  # fmt: skip


@st.composite
def _scatter_nd(draw: Any) -> Case:
    data = draw(floats(shapes(1, 3), 0.5, 3))
    indices = _tuples(draw, data.shape)
    updates = draw(floats(data[tuple(indices.T)].shape or (1,), 0.5, 3))
    return Case(
        "scatter_nd", {"data": data, "indices": indices, "updates": updates},
        {"mode": draw(st.sampled_from(_MODES))}, tolerance=1e-5,
        reference=lambda data, indices, updates, mode: _written(
            data, tuple(indices.T), updates, mode),
    )  # fmt: skip


INDEXING_PROPERTIES: dict[str, Cases] = {
    "gather": _gather(),
    "gather_along_axis": _gather_along_axis(),
    "gather_nd": _gather_nd(),
    "scatter": _scatter(),
    "scatter_along_axis": _scatter_along_axis(),
    "scatter_nd": _scatter_nd(),
}
