"""The faults that are planted in finished files, and in runtimes."""

import math
from dataclasses import dataclass

from converters.values.precision import FixedPrecision
from tests.mutations import changes, content, mlpackage, pte, runtime_faults, tflite
from tests.mutations.runtime_faults import Misdeed
from tests.mutations.target import Plant

LAYER = "distilbert.transformer.layer"
WORDS = "distilbert.embeddings.word_embeddings.weight"
QUERY = f"{LAYER}.0.attention.q_lin.weight"
VALUE = f"{LAYER}.0.attention.v_lin.weight"
FIRST, SECOND = f"{LAYER}.0.ffn.lin1.weight", f"{LAYER}.1.ffn.lin2.weight"
BIAS = f"{LAYER}.0.ffn.lin1.bias"
GAIN = f"{LAYER}.0.output_layer_norm.weight"
_OVERFLOW = -math.inf
"""What ``finfo(float32).min`` becomes in halves."""


@dataclass(frozen=True, kw_only=True)
class FileFault:
    """A fault in a finished file.

    Attributes:
        backend: Whose file it is.
        plant: Puts it there.
        architecture: Of the student.
        in_all: Whether it acts at every length, or only at the least.
    """

    name: str
    backend: str
    precision: FixedPrecision
    plant: Plant
    architecture: str = "distilbert"
    in_all: bool = True


@dataclass(frozen=True, kw_only=True)
class RuntimeFault:
    """A fault of what runs a good file."""

    name: str
    backend: str
    misdeed: Misdeed


def _pte(name: str, precision: FixedPrecision, plant: Plant) -> FileFault:
    return FileFault(name=name, backend="executorch", precision=precision, plant=plant)


def _tflite(
    name: str,
    precision: FixedPrecision,
    plant: Plant,
    *,
    architecture: str = "distilbert",
    in_all: bool = True,
) -> FileFault:
    return FileFault(
        name=name, backend="tflite", precision=precision, plant=plant,
        architecture=architecture, in_all=in_all,
    )  # fmt: skip


def _coreml(
    name: str,
    precision: FixedPrecision,
    plant: Plant,
    *,
    architecture: str = "distilbert",
    in_all: bool = True,
) -> FileFault:
    return FileFault(
        name=name, backend="coreml", precision=precision, plant=plant,
        architecture=architecture, in_all=in_all,
    )  # fmt: skip


FILE_FAULTS = (
    _pte("outputs swapped", "fp32", pte.edit(pte.swap_outputs)),
    _pte("inputs swapped", "fp32", pte.edit(pte.swap_inputs)),
    _pte("mask ignored", "int8", pte.constant(-1e4, 0)),
    _pte("attention's scale missing", "int8", pte.constant(0.25, 1)),
    _pte("positions begin at one", "int8", pte.edit(pte.positions_from_one)),
    _pte("epsilon of layer norms 1e-5, not 1e-12", "fp32", pte.epsilon(1e-5)),
    _pte("feed-forward layers swapped", "int8", pte.edit(pte.swap_feed_forward_layers)),
    _pte("GELU is hard swish", "int8", pte.edit(pte.gelu_to_hard_swish)),
    _pte("residual dropped", "fp32", pte.edit(pte.drop_residual)),
    _pte("one channel's scale halved", "int8", content.scales(QUERY, changes.halve_one)),
    _pte("four-bit integers swapped in pairs", "int4", content.swapped_nibbles(FIRST)),
    _pte("a bit of one exponent flipped", "fp32", content.values(FIRST, changes.flip_exponent_bit)),
    _pte("a layer's bias zero", "fp16", content.vector(BIAS, changes.zeros)),
    _pte("tokens shifted by a row", "fp16", content.values(WORDS, changes.shift_rows)),
    _pte("one head in another's place", "int4", content.values(QUERY, changes.exchange_heads)),
    _pte("file cut short", "int8", content.cut(0.7)),
    _tflite("outputs swapped", "int8", tflite.edit(tflite.swap_outputs)),
    _tflite("mask ignored at one length", "int8", tflite.constant(-1e4, 0, in_all=False),
            in_all=False),
    _tflite("mask inverted", "fp16", tflite.edit(tflite.invert_mask)),
    _tflite("GELU in its tanh form", "fp32", tflite.edit(tflite.tanh_gelu)),
    _tflite("GELU is ReLU", "int4", tflite.edit(tflite.gelu_to_relu)),
    _tflite("residual dropped", "int8", tflite.edit(tflite.drop_residual)),
    _tflite("ReLU fused into a query", "fp32", tflite.edit(tflite.fuse_relu)),
    _tflite("end's logits are the start's", "fp32", tflite.edit(tflite.same_column_twice)),
    _tflite("two layers' weights swapped", "int8", tflite.edit(tflite.swap_feed_forward_weights)),
    _tflite("positions begin at one", "int4", tflite.edit(tflite.positions_from_one)),
    _tflite("zero points of three", "int8", tflite.edit(tflite.zero_points)),
    _tflite("one group's scale halved", "int4", content.scales(QUERY, changes.halve_one)),
    _tflite("one head in another's place", "int8", content.values(QUERY, changes.exchange_heads)),
    _tflite("square matrix transposed", "fp16", content.values(VALUE, changes.transpose)),
    _tflite("stale weights in one layer", "int8", content.stale(SECOND)),
    _tflite("token types ignored", "int8", tflite.edit(tflite.ignore_token_types),
            architecture="bert"),
    _tflite("file cut short", "fp32", content.cut(0.9)),
    _coreml("outputs swapped", "fp16", mlpackage.edit(mlpackage.swap_outputs)),
    _coreml("mask ignored", "int8", mlpackage.constant(-1e4, 0)),
    _coreml("mask of -inf, not a number in halves", "int8",
            mlpackage.constant(-1e4, _OVERFLOW)),
    _coreml("attention's scale missing at one length", "fp16",
            mlpackage.constant(0.25, 1, in_all=False), in_all=False),
    _coreml("softmax over queries", "int8", mlpackage.edit(mlpackage.softmax_over_queries)),
    _coreml("queries and keys swapped", "int8", mlpackage.edit(mlpackage.swap_queries_and_keys)),
    _coreml("GELU in its tanh form", "fp32", mlpackage.edit(mlpackage.tanh_gelu)),
    _coreml("GELU is ReLU", "int8", mlpackage.edit(mlpackage.gelu_to_relu)),
    _coreml("epsilon of layer norms 1e-5, not 1e-12", "fp32", mlpackage.epsilon(1e-5)),
    _coreml("gain of a layer norm one", "int8", content.vector(GAIN, changes.ones)),
    _coreml("residual dropped", "int4", mlpackage.edit(mlpackage.drop_residual)),
    _coreml("one weight overflowed in halves", "fp16", content.values(FIRST, changes.overflow_one)),
    _coreml("one group's scale halved", "int4", content.scales(VALUE, changes.halve_one)),
    _coreml("stale weights in one layer", "int4", content.stale(SECOND)),
    _coreml("tokens shifted by a row", "int8", content.values(WORDS, changes.shift_rows)),
    _coreml("token types ignored", "int8", mlpackage.edit(mlpackage.ignore_token_types),
            architecture="bert"),
    _coreml("file cut short", "int8", content.cut(0.5)),
)  # fmt: skip

RUNTIME_FAULTS = tuple(
    RuntimeFault(name=name, backend=backend, misdeed=misdeed)
    for name, backend, misdeed in (
        ("outputs in swapped order", "executorch", runtime_faults.swapped_outputs),
        ("answers with the row before", "tflite", runtime_faults.row_before),
        ("holds on to a stale mask", "coreml", runtime_faults.stale_mask),
        ("pads before the tokens", "executorch", runtime_faults.shifted_tokens),
        ("largest logit overflowed", "coreml", runtime_faults.overflowed),
        ("answers zeros", "tflite", runtime_faults.zeros),
        ("no number behind the tokens", "coreml", runtime_faults.no_number_behind_the_tokens),
        ("one logit fewer", "tflite", runtime_faults.one_logit_fewer),
        ("one output only", "executorch", runtime_faults.one_output),
        ("aborts at the third row", "executorch", runtime_faults.abort),
    )
)
