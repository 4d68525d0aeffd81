"""Reads the matrices that a finished ``.tflite`` file stores, with the format's own schema."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from converters.reading.damage import refused
from converters.tflite.file import KIND, TFLiteFile
from converters.weights.quantized import QuantizedWeight, StoredMatrix

_BITS = {schema.TensorType.INT8: 8, schema.TensorType.INT4: 4}
_FLOATS = {
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.FLOAT16: np.float16,
    schema.TensorType.FLOAT64: np.float64,
}


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    """Returns the matrices of integers and of floats that each signature takes from the file.

    Raises:
        InputError: The file is no TFLite model, or it is damaged.
    """
    with refused(path, KIND):
        file = TFLiteFile(path)
        return {name: list(_matrices(file, graph)) for name, graph in file.graphs.items()}


def scale_tensors(graph: Any) -> set[int]:
    """Returns the tensors that hold the scales of others, by number."""
    return {
        int(tensor.quantization.details.scales) for tensor in graph.tensors if _is_blockwise(tensor)
    }


def _matrices(file: TFLiteFile, graph: Any) -> Iterator[StoredMatrix]:
    scales = scale_tensors(graph)
    for index, tensor in enumerate(graph.tensors):
        content = file.content_of(tensor)
        if not content or index in scales or len(tensor.shape) < 2:
            continue
        name = tensor.name.decode()
        if tensor.type in _FLOATS:
            floats = np.frombuffer(content, _FLOATS[tensor.type]).reshape(tensor.shape)
            yield StoredMatrix(name=name, weight=floats)
        elif tensor.type in _BITS and tensor.quantization is not None:
            yield StoredMatrix(name=name, weight=_integers(file, graph, tensor, content))


def _integers(file: TFLiteFile, graph: Any, tensor: Any, content: bytes) -> QuantizedWeight:
    bits, quantization = _BITS[tensor.type], tensor.quantization
    values = np.frombuffer(content, np.int8)
    if bits == 4:
        # The first is in the lower half. Shifts of signed bytes extend the sign.
        values = np.stack([values << 4 >> 4, values >> 4], axis=1)
    values = values.reshape(-1)[: np.prod(tensor.shape)].reshape(tensor.shape)
    if _is_blockwise(tensor):
        stored = graph.tensors[quantization.details.scales]
        scales = np.frombuffer(file.content_of(stored), _FLOATS[stored.type])
        return QuantizedWeight(values=values, scales=scales.reshape(len(values), -1), bits=bits)
    along = [1] * values.ndim
    along[quantization.quantizedDimension] = -1
    scales = np.asarray(quantization.scale, np.float32).reshape(along)
    zeros = np.asarray(quantization.zeroPoint).reshape(along)
    if zeros.any():
        values = values - zeros
    return QuantizedWeight(values=values, scales=scales, bits=bits)


def _is_blockwise(tensor: Any) -> bool:
    blockwise = schema.QuantizationDetails.BlockwiseQuantization
    return tensor.quantization is not None and tensor.quantization.detailsType == blockwise
