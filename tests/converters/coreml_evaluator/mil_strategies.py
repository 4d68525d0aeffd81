"""What hypothesis draws for the operators' properties: arrays, axes and shapes, all small."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis.extra import numpy as hnp

from tests.converters.coreml_evaluator.mil_oracle import Case

Cases = st.SearchStrategy[Case]


def shapes(min_dims: int = 1, max_dims: int = 4, *, max_side: int = 4) -> Any:
    return hnp.array_shapes(min_dims=min_dims, max_dims=max_dims, max_side=max_side)


def floats(shape: Any = None, low: float = -3.0, high: float = 3.0, *, unique: bool = False) -> Any:
    """Arrays of float32, of one to four dimensions unless told otherwise."""
    elements = st.floats(np.float32(low), np.float32(high), width=32)
    shape = shapes() if shape is None else shape
    return hnp.arrays(np.float32, shape, elements=elements, unique=unique)


def ints(shape: Any = None, low: int = -9, high: int = 9) -> Any:
    shape = shapes() if shape is None else shape
    return hnp.arrays(np.int32, shape, elements=st.integers(low, high))


def bools(shape: Any = None) -> Any:
    return hnp.arrays(np.bool_, shapes() if shape is None else shape)


def scalars(low: float = -3.0, high: float = 3.0) -> Any:
    return st.floats(np.float32(low), np.float32(high), width=32).map(np.float32)


def axes_of(x: np.ndarray) -> Any:
    """One axis, counted from the start or from the end."""
    return st.integers(-x.ndim, x.ndim - 1)


def axis_lists_of(x: np.ndarray) -> Any:
    """Some of the axes, each counted from either side."""
    return st.lists(axes_of(x), min_size=1, unique_by=lambda axis: axis % x.ndim)


def broadcastable(draw: Any, count: int) -> list[tuple[int, ...]]:
    """Shapes that broadcast to one."""
    found = draw(hnp.mutually_broadcastable_shapes(num_shapes=count, min_dims=1, max_side=4))
    return list(found.input_shapes)
