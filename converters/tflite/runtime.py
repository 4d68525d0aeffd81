"""Runs a ``.tflite`` file in LiteRT."""

import math
from dataclasses import dataclass

import numpy as np
from ai_edge_litert import compiled_model as litert
from ai_edge_litert.tensor_buffer import TensorBuffer

from converters.reading.damage import loaded_by
from converters.values.artifact import Arrays, Artifact, Runner


def load(artifact: Artifact, *, num_threads: int) -> Runner:
    """Loads a file.

    Raises:
        InputError: LiteRT cannot load it, or it lacks a signature that the artifact names.
    """
    with loaded_by("litert", artifact.path):
        runner = _LiteRtRunner(artifact, num_threads=num_threads)
    artifact.check_entry_points(runner.signatures, kind="signature")
    return runner


@dataclass(frozen=True, kw_only=True)
class _Buffers:
    """What a signature reads and writes, by the names in the file.

    Attributes:
        shapes: Of the outputs.
    """

    inputs: dict[str, TensorBuffer]
    outputs: dict[str, TensorBuffer]
    shapes: dict[str, tuple[int, ...]]


class _LiteRtRunner:
    """Runs the signature for the length that the inputs have, in LiteRT's own interface.

    XNNPACK keeps weights in a form of its own. With a cache of them, which ``:memory`` keeps off
    the disk, all signatures share one copy; without, each makes another, which costs memory and the
    time of the first answer. LiteRT's older ``Interpreter`` has no such cache.

    Source: ``TfLiteXNNPackDelegateInMemoryFilePath`` in TensorFlow Lite's ``xnnpack_delegate.h``.
    """

    def __init__(self, artifact: Artifact, *, num_threads: int) -> None:
        self._artifact = artifact
        self._model = litert.CompiledModel.from_file(
            str(artifact.path),
            options=litert.Options(
                hardware_accelerators=litert.HardwareAccelerator.CPU,
                cpu_options=litert.CpuOptions(
                    num_threads=num_threads, xnnpack_weight_cache_path=":memory"
                ),
            ),
        )
        self.signatures = set(self._model.get_signature_list())
        self._buffers: dict[str, _Buffers] = {}

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        signature = self._artifact.entry_point_of(inputs)
        if signature not in self._buffers:
            self._buffers[signature] = self._make_buffers(signature)
        buffers = self._buffers[signature]
        for spec in self._artifact.inputs:
            buffers.inputs[spec.artifact_name].write(inputs[spec.name])
        self._model.run_by_name(signature, buffers.inputs, buffers.outputs)
        outputs = {}
        for spec in self._artifact.outputs:
            shape = buffers.shapes[spec.artifact_name]
            # A copy: the next run writes over the buffer.
            values = buffers.outputs[spec.artifact_name].read(
                math.prod(shape), np.dtype(spec.dtype)
            )
            outputs[spec.name] = values.reshape(shape)
        return outputs

    def _make_buffers(self, signature: str) -> _Buffers:
        model, artifact = self._model, self._artifact
        given = [spec.artifact_name for spec in artifact.inputs]
        taken = [spec.artifact_name for spec in artifact.outputs]
        details = model.get_output_tensor_details(signature)
        return _Buffers(
            inputs={name: model.create_input_buffer_by_name(signature, name) for name in given},
            outputs={name: model.create_output_buffer_by_name(signature, name) for name in taken},
            shapes={name: tuple(details[name]["shape"]) for name in taken},
        )
