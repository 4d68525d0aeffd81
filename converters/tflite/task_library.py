"""Derives from a finished ``.tflite`` file the one that Google's Task Library opens as it is.

``BertQuestionAnswerer`` asks for three inputs and two outputs under names of its own, one length,
and metadata that holds the vocabulary. Its runtime is of 2023 and multiplies by no integers with a
scale a row, so the same integers are turned into floats when the model is first run, and the linear
layers compute in floats.

Source: tflite-support 0.4.4, ``bert_question_answerer.h`` and ``.cc``.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converters.tflite import metadata
from converters.tflite.graph import EditedModel, Graph
from converters.tflite.matrices import read_matrices
from converters.values.artifact import Artifact, TensorSpec, entry_point_for
from converters.weights.quantized import QuantizedWeight

SEQ_LEN = 384
"""Tokens: the library pads every text to that many, whatever the model says."""

_INPUTS = {"ids": "input_ids", "mask": "attention_mask", "segment_ids": "token_type_ids"}
_OUTPUTS = {"end_logits": "end_logits", "start_logits": "start_logits"}
"""The library's names, in its order, and ours."""

_REQUIRES = {"tflite-support": "0.4.4"}
"""In which it was seen to open; the library brings its own runtime."""
_VOCABULARY_FILE = "vocab.txt"
_LINEAR = schema.BuiltinOperator.FULLY_CONNECTED
_LOOKUP = schema.BuiltinOperator.EMBEDDING_LOOKUP
_DEQUANTIZE = schema.BuiltinOperator.DEQUANTIZE
_RESHAPE = schema.BuiltinOperator.RESHAPE
_FLOAT = schema.TensorType.FLOAT32
_HALF = schema.TensorType.FLOAT16
_INTEGERS = (schema.TensorType.INT8, schema.TensorType.INT4)


def derive(source: Artifact, *, vocabulary: str, path: Path) -> Artifact:
    """Writes the variant of an artifact, with the same weights.

    Args:
        source: What the backend wrote, with a signature of ``SEQ_LEN`` tokens. Its activations are
            not static.
        vocabulary: One token a line, in the order of ids.
        path: Where to write.
    """
    signature = entry_point_for(SEQ_LEN)
    weights = {
        each.name: each.weight
        for each in read_matrices(source.path)[signature]
        if isinstance(each.weight, QuantizedWeight)
    }
    model = EditedModel(source.path)
    graph, inputs, outputs = model.keep_signature(signature)
    for index, tensor in enumerate(list(graph.tensors)):
        if tensor.type in _INTEGERS and (weight := weights.get(tensor.name.decode())):
            _compute_in_floats(graph, index, weight)
    for lookup in graph.operators(_LOOKUP):
        if graph.tensors[lookup.inputs[1]].type == _HALF:
            _widen_table(graph, lookup)
    if "token_type_ids" not in inputs:
        # No operator reads it: the library fills it all the same.
        unused = graph.computed("unused", [1, SEQ_LEN], dtype=schema.TensorType.INT32)
        inputs["token_type_ids"] = graph.add_tensor(unused)
    model.rename(
        inputs={name: inputs[ours] for name, ours in _INPUTS.items()},
        outputs={name: outputs[ours] for name, ours in _OUTPUTS.items()},
    )
    model.set_metadata(
        metadata.NAME,
        metadata.describe(inputs=_INPUTS, outputs=_OUTPUTS, vocabulary_file=_VOCABULARY_FILE),
    )
    model.save(path)
    metadata.attach(path, name=_VOCABULARY_FILE, content=vocabulary)
    return replace(
        source,
        path=path,
        seq_lens=(SEQ_LEN,),
        requires=_REQUIRES,
        entry_points=(signature,),
        inputs=_specs(_INPUTS, dtype="int32"),
        outputs=_specs(_OUTPUTS, dtype="float32"),
    )


def _specs(names: dict[str, str], *, dtype: str) -> tuple[TensorSpec, ...]:
    return tuple(
        TensorSpec(name=ours, artifact_name=name, dtype=dtype) for name, ours in names.items()
    )


def _compute_in_floats(graph: Graph, index: int, weight: QuantizedWeight) -> None:
    """Turns a weight of integers into one that is computed from them.

    Groups of columns become rows, for only rows have scales; values of four bits take eight.
    """
    name = graph.tensors[index].name.decode()
    blocks = weight.values.reshape(weight.scales.size, -1).astype(np.int8)
    stored = graph.constant(f"{name}.blocks", blocks, dtype=schema.TensorType.INT8)
    stored.quantization = graph.model.share_scales(
        f"{name}.blocks", weight.scales.reshape(-1).astype(np.float32)
    )
    graph.tensors[index] = graph.computed(name, weight.values.shape, dtype=_FLOAT)
    for user, _ in graph.uses(index):
        if graph.model.code(user) == _LINEAR:
            graph.model.set_code(user, _LINEAR, version=6)
            user.builtinOptions.asymmetricQuantizeInputs = False
        else:
            graph.model.set_code(user, _LOOKUP, version=1)
    source = graph.add_tensor(stored)
    if blocks.shape == weight.values.shape:
        graph.add_operator(_DEQUANTIZE, version=5, inputs=[source], output=index)
        return
    floats = graph.add_tensor(graph.computed(f"{name}.floats", blocks.shape, dtype=_FLOAT))
    widen = graph.add_operator(_DEQUANTIZE, version=5, inputs=[source], output=floats)
    reshape = graph.add_operator(_RESHAPE, version=1, inputs=[floats], output=index, after=widen)
    reshape.builtinOptionsType = schema.BuiltinOptions.ReshapeOptions
    reshape.builtinOptions = schema.ReshapeOptionsT(newShape=list(weight.values.shape))


def _widen_table(graph: Graph, lookup: Any) -> None:
    """Lets a look-up read float32, where it yielded float16 and an operator behind it widened."""
    table = int(lookup.inputs[1])
    [(widen, _)] = graph.uses(int(lookup.outputs[0]))
    shape = graph.tensors[table].shape
    floats = graph.add_tensor(graph.computed("table.floats", shape, dtype=_FLOAT))
    graph.add_operator(_DEQUANTIZE, version=3, inputs=[table], output=floats)
    lookup.inputs, lookup.outputs = [lookup.inputs[0], floats], widen.outputs
    graph.remove_operator(widen)
