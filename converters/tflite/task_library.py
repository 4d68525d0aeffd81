"""Derives from a finished ``.tflite`` file the one that Google's Task Library opens as it is.

Its classes for BERT ask for three inputs under names of their own, outputs as the task has them,
one length, and metadata that holds the vocabulary and the labels. The library's runtime is of 2023
and multiplies by no integers with a scale a row, so the same integers are turned into floats when
the model is first run, and the linear layers compute in floats.

Source: tflite-support 0.4.4, ``bert_utils.cc``, ``bert_question_answerer.cc`` and
``bert_nl_classifier.cc``.
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
from converters.values.task_library import LibraryModel
from converters.weights.quantized import QuantizedWeight

_INPUTS = {"ids": "input_ids", "mask": "attention_mask", "segment_ids": "token_type_ids"}
"""The library's names, in its order, and ours."""

_REQUIRES = {"tflite-support": "0.4.4"}
"""In which it was seen to open; the library brings its own runtime."""
_VOCABULARY_FILE = "vocab.txt"
_LABELS_FILE = "labels.txt"
_LINEAR = schema.BuiltinOperator.FULLY_CONNECTED
_LOOKUP = schema.BuiltinOperator.EMBEDDING_LOOKUP
_DEQUANTIZE = schema.BuiltinOperator.DEQUANTIZE
_RESHAPE = schema.BuiltinOperator.RESHAPE
_SOFTMAX = schema.BuiltinOperator.SOFTMAX
_FLOAT = schema.TensorType.FLOAT32
_HALF = schema.TensorType.FLOAT16
_INTEGERS = (schema.TensorType.INT8, schema.TensorType.INT4)


def derive(source: Artifact, *, wanted: LibraryModel, vocabulary: str, path: Path) -> Artifact:
    """Writes the variant of an artifact, with the same weights.

    Args:
        source: What the backend wrote, with a signature of that length. Its activations are not
            static.
        wanted: What the library asks of it; at most one of the outputs has labels.
        vocabulary: One token a line, in the order of ids.
        path: Where to write.
    """
    signature = entry_point_for(wanted.seq_len)
    model = EditedModel(source.path)
    graph, inputs, outputs = model.keep_signature(signature)
    _widen(graph, source.path, signature)
    if "token_type_ids" not in inputs:
        # No operator reads it: the library fills it all the same.
        unused = graph.computed("unused", [1, wanted.seq_len], dtype=schema.TensorType.INT32)
        inputs["token_type_ids"] = graph.add_tensor(unused)
    model.rename(
        inputs={name: inputs[ours] for name, ours in _INPUTS.items()},
        outputs={
            each.name: _softmax(graph, outputs[each.source])
            if each.is_probability
            else outputs[each.source]
            for each in wanted.outputs
        },
    )
    files = {_VOCABULARY_FILE: vocabulary}
    label_files = {each.name: _LABELS_FILE for each in wanted.outputs if each.labels}
    for each in wanted.outputs:
        if each.labels:
            files[_LABELS_FILE] = "".join(f"{label}\n" for label in each.labels)
    model.set_metadata(
        metadata.NAME,
        metadata.describe(
            inputs=_INPUTS, outputs=[each.name for each in wanted.outputs],
            vocabulary_file=_VOCABULARY_FILE, label_files=label_files,
        ),
    )  # fmt: skip
    model.save(path)
    for name, content in files.items():
        metadata.attach(path, name=name, content=content)
    return _described(source, wanted, path=path, signature=signature)


def _described(source: Artifact, wanted: LibraryModel, *, path: Path, signature: str) -> Artifact:
    """Returns what an app finds in the file."""
    return replace(
        source,
        path=path,
        seq_lens=(wanted.seq_len,),
        requires=_REQUIRES,
        entry_points=(signature,),
        inputs=tuple(
            TensorSpec(name=ours, artifact_name=name, dtype="int32")
            for name, ours in _INPUTS.items()
        ),
        outputs=tuple(
            TensorSpec(
                name=each.name if each.is_probability else each.source,
                artifact_name=each.name,
                dtype="float32",
            )
            for each in wanted.outputs
        ),
    )


def _widen(graph: Graph, path: Path, signature: str) -> None:
    """Lets a graph compute in floats from the weights that it has."""
    weights = {
        each.name: each.weight
        for each in read_matrices(path)[signature]
        if isinstance(each.weight, QuantizedWeight)
    }
    for index, tensor in enumerate(list(graph.tensors)):
        if tensor.type in _INTEGERS and (weight := weights.get(tensor.name.decode())):
            _compute_in_floats(graph, index, weight)
    for lookup in graph.operators(_LOOKUP):
        if graph.tensors[lookup.inputs[1]].type == _HALF:
            _widen_table(graph, lookup)


def _softmax(graph: Graph, logits: int) -> int:
    """Adds the softmax of an output behind it, and returns its tensor."""
    shape = graph.tensors[logits].shape
    tensor = graph.add_tensor(graph.computed("softmax", shape, dtype=_FLOAT))
    operator = graph.add_operator(
        _SOFTMAX, version=1, inputs=[logits], output=tensor, after=graph.maker(logits)
    )
    operator.builtinOptionsType = schema.BuiltinOptions.SoftmaxOptions
    operator.builtinOptions = schema.SoftmaxOptionsT(beta=1.0)
    return tensor


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
