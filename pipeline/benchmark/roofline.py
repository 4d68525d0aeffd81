"""The roofline: what a model's multiply-adds take at the machine's best rate of matrix products.

The rate is the best that any library here reaches on the model's own shapes or on a large square,
with as many threads as the contestants have. No library is the best everywhere: on AMD, PyTorch's
fp32 products take twice the time of XNNPACK's.

Source: Williams, Waterman and Patterson, "Roofline", Communications of the ACM 52(4), 2009; ours
has only the flat part, for a product of 384 rows does not wait for memory.
"""

import functools
import math
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from converters import backends
from pipeline.benchmark.contest import Row, full_rows
from pipeline.benchmark.peer_exports import quantize_litert
from pipeline.benchmark.peers import BERT_BASE
from pipeline.comparison.runtimes import TorchRunner
from pipeline.running.jobs import Job
from pipeline.running.run import Run
from pipeline.student.load import Student

Arithmetic = Literal["fp32", "int8"]
Shape = tuple[int, int, int]
"""Rows, what is summed over, and columns of a matrix product."""

SQUARE: Shape = (1024, 1024, 1024)
SECONDS_A_SHAPE = 0.5
"""Long enough for twenty products of the largest shape, of which the fastest counts."""

NARROWEST = 64
"""Columns. A head of two outputs is no product to measure a machine by."""

LIBRARIES = {
    "torch": ("torch",),
    "onnxruntime": ("onnx", "onnxruntime"),
    "litert": ("litert_torch", "ai_edge_litert", "ai_edge_quantizer"),
}
"""Each with the packages that its products need."""

_FLOATS_ONLY = {each.name for each in backends.RUNTIMES
                if each.backend not in backends.INTEGER_BACKENDS}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Rate:
    """The fastest of some equal products.

    Attributes:
        shape: Rows, what is summed over, columns.
        macs_per_second: Multiply-adds.
    """

    arithmetic: Arithmetic
    library: str
    shape: Shape
    macs_per_second: float


@dataclass(frozen=True, kw_only=True)
class Roof:
    """The time below which a model of this size cannot come at one length.

    Attributes:
        num_macs: Multiply-adds of the model's matrix products, those of attention among them.
        rate: The best of this arithmetic.
        latency_ms: The one over the other.
    """

    seq_len: int
    num_macs: int
    rate: Rate
    latency_ms: float


def measure(student: Student, *, seq_lens: Sequence[int], run: Run) -> tuple[Roof, ...]:
    """Measures the best rates here, and returns a roof for each arithmetic and length."""
    jobs = [
        Job(
            name=f"roofline {library}",
            function=measure_library,
            arguments={
                "library": library,
                "shapes": shapes(student, max(seq_lens)),
                "num_threads": run.num_threads,
            },
        )
        for library, packages in LIBRARIES.items()
        if not backends.missing_packages(packages)
    ]
    outcomes = run.run_jobs(jobs)
    rates = [rate for outcome in outcomes for rate in outcome.get()]
    best = {each.arithmetic: each for each in sorted(rates, key=lambda each: each.macs_per_second)}
    macs = {each: num_macs(student, each) for each in seq_lens}
    return tuple(
        Roof(
            seq_len=seq_len, num_macs=macs[seq_len], rate=rate,
            latency_ms=1e3 * macs[seq_len] / rate.macs_per_second,
        )
        for seq_len in seq_lens
        for rate in (best["fp32"], best["int8"])
    )  # fmt: skip


def num_macs(student: Student, seq_len: int) -> int:
    """Returns the multiply-adds of the matrix products of one row, as they run in PyTorch.

    The student has plain attention, whose products are counted; the counter knows no other.
    """
    from torch.utils.flop_counter import FlopCounterMode

    [row] = full_rows(student.input_names, [seq_len], num_tokens=1)
    runner = TorchRunner(student.model, output_names=student.output_names)
    with FlopCounterMode(display=False) as counter:
        runner.run(row)
    return int(counter.get_total_flops()) // 2


def shapes(student: Student, seq_len: int) -> list[Shape]:
    """Returns the shapes of the student's linear layers on one row, and a large square."""
    layers = [each for each in student.model.modules() if isinstance(each, torch.nn.Linear)]
    own = {(seq_len, each.in_features, each.out_features) for each in layers}
    return [*sorted(each for each in own if each[2] >= NARROWEST), SQUARE]


def with_shares(rows: Sequence[Row], roofs: Sequence[Roof]) -> Iterator[Row]:
    """Yields rows with the share of the roofline that each contestant reaches.

    What multiplies integers is held against the roof of integers, though attention's products are
    floats everywhere: so none of them can reach it whole. Another model than the student has none.
    """
    limits = {(each.rate.arithmetic, each.seq_len): each.latency_ms for each in roofs}
    for row in rows:
        is_float = row.precision in ("fp32", "fp16") or row.runtime in _FLOATS_ONLY
        limit = limits.get(("fp32" if is_float else "int8", row.seq_len))
        if limit is None or row.runtime == BERT_BASE:
            yield row
        else:
            yield replace(row, roofline_share=limit / row.latency_ms)


def measure_library(*, library: str, shapes: Sequence[Shape], num_threads: int) -> list[Rate]:
    """Measures the products of one library, in a process of its own."""
    rates = []
    with tempfile.TemporaryDirectory(prefix="pocketbert-") as folder:
        for number, shape in enumerate(shapes):
            products = _PRODUCTS[library](shape, num_threads, Path(folder, str(number)))
            for arithmetic, call in products.items():
                rates.append(
                    Rate(
                        arithmetic=arithmetic, library=library, shape=shape,
                        macs_per_second=math.prod(shape) / _fastest_seconds(call),
                    )
                )  # fmt: skip
    return rates


def _fastest_seconds(call: Callable[[], object]) -> float:
    call()
    fastest, end = math.inf, time.perf_counter() + SECONDS_A_SHAPE
    while time.perf_counter() < end:
        begin = time.perf_counter()
        call()
        fastest = min(fastest, time.perf_counter() - begin)
    return fastest


Products = dict[Arithmetic, Callable[[], object]]


def _torch_products(shape: Shape, num_threads: int, folder: Path) -> Products:
    del folder
    torch.set_num_threads(num_threads)
    rows, inner, columns = shape
    floats = torch.rand(rows, inner), torch.rand(columns, inner).t()
    integers = [torch.randint(-127, 127, each, dtype=torch.int8)
                for each in ((rows, inner), (inner, columns))]  # fmt: skip
    return {
        "fp32": functools.partial(torch.mm, *floats),
        "int8": functools.partial(torch._int_mm, *integers),
    }


def _onnxruntime_products(shape: Shape, num_threads: int, folder: Path) -> Products:
    del folder
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime import InferenceSession, SessionOptions

    rows, inner, columns = shape
    options = SessionOptions()
    options.intra_op_num_threads = num_threads

    def product(operator: str, left: type, right: type, result: int) -> Callable[[], object]:
        taken = helper.np_dtype_to_tensor_dtype(np.dtype(left))
        graph = helper.make_graph(
            [helper.make_node(operator, ["left", "right"], ["product"])],
            "product",
            [helper.make_tensor_value_info("left", taken, [rows, inner])],
            [helper.make_tensor_value_info("product", result, [rows, columns])],
            [numpy_helper.from_array(np.ones((inner, columns), right), "right")],
        )
        opset = [helper.make_opsetid("", 17)]
        model = helper.make_model(graph, opset_imports=opset, ir_version=8)
        session = InferenceSession(model.SerializeToString(), options)
        return functools.partial(session.run, None, {"left": np.ones((rows, inner), left)})

    return {
        "fp32": product("MatMul", np.float32, np.float32, TensorProto.FLOAT),
        "int8": product("MatMulInteger", np.uint8, np.int8, TensorProto.INT32),
    }


def _litert_products(shape: Shape, num_threads: int, folder: Path) -> Products:
    """A linear layer of int8 also rounds its input, a little beside the product itself."""
    import litert_torch
    from ai_edge_litert.interpreter import Interpreter

    rows, inner, columns = shape
    folder.mkdir()
    exact, rounded = folder / "fp32.tflite", folder / "int8.tflite"
    layer = torch.nn.Linear(inner, columns, bias=False).eval()
    litert_torch.convert(layer, (torch.rand(rows, inner),)).export(str(exact))
    quantize_litert(exact, rounded)

    def product(path: Path) -> Callable[[], object]:
        interpreter = Interpreter(str(path), num_threads=num_threads)
        interpreter.allocate_tensors()
        place = interpreter.get_input_details()[0]["index"]
        interpreter.set_tensor(place, np.random.default_rng(0).random((rows, inner), np.float32))
        call: Callable[[], object] = interpreter.invoke
        return call

    return {"fp32": product(exact), "int8": product(rounded)}


_PRODUCTS = {
    "torch": _torch_products,
    "onnxruntime": _onnxruntime_products,
    "litert": _litert_products,
}
