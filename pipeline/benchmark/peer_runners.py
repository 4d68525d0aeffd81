"""How peers run: in the process of a seat, behind the same inputs and outputs as our artifacts."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from converters.values.artifact import Arrays, Artifact, Runner
from pipeline.comparison import runtimes
from pipeline.comparison.runtimes import TorchRunner

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from pipeline.student.load import Student

ONNX = "onnx"
"""The backend of artifacts that only peers make."""


def load_exported(artifact: Artifact, *, num_threads: int) -> Runner:
    """Loads what a peer made, in this process."""
    if artifact.backend == ONNX:
        return _OnnxRunner(artifact, num_threads=num_threads)
    runtime = {"tflite": "litert", "executorch": "executorch"}[artifact.backend]
    runner = runtimes.load_artifact(artifact=artifact, runtime=runtime, num_threads=num_threads)
    return _Casting(runner, artifact)


class _OnnxRunner:
    def __init__(self, artifact: Artifact, *, num_threads: int) -> None:
        from onnxruntime import InferenceSession, SessionOptions

        options = SessionOptions()
        options.intra_op_num_threads = num_threads
        options.inter_op_num_threads = 1
        self._session = InferenceSession(artifact.path, options, providers=["CPUExecutionProvider"])
        self._output_names = [spec.name for spec in artifact.outputs]

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        outputs = self._session.run(self._output_names, dict(inputs))
        return dict(zip(self._output_names, outputs, strict=True))


class _Casting:
    """Gives a runner its inputs in the dtypes of its artifact."""

    def __init__(self, runner: Runner, artifact: Artifact) -> None:
        self._runner = runner
        self._dtypes = {spec.name: spec.dtype for spec in artifact.inputs}

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        cast = {name: each.astype(self._dtypes[name], copy=False) for name, each in inputs.items()}
        return self._runner.run(cast)


def try_compiler(*, folder: Path) -> None:
    """Compiles a sum, so that a machine without a C++ compiler is found out before the run."""
    import torch

    _keep_compiled_in(folder)
    torch.compile(lambda values: values + 1)(torch.ones(8))


def load_compiled(*, find: Callable[[], "Student"], num_threads: int, folder: Path) -> Runner:
    """Loads the student for ``torch.compile``, with a cache of its own that begins empty."""
    import torch

    _keep_compiled_in(folder)
    torch.set_num_threads(num_threads)
    student = find()
    student.model.set_attn_implementation("sdpa")
    return TorchRunner(student.model, output_names=student.output_names, is_compiled=True)


def _keep_compiled_in(folder: Path) -> None:
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = str(folder)


def load_bert_base(*, head: "Head", longest: int, num_threads: int) -> Runner:
    """Loads BERT-base with random weights, which are as fast as trained ones."""
    import torch

    torch.set_num_threads(num_threads)
    torch.manual_seed(0)
    return TorchRunner(make_bert_base(head, longest=longest), output_names=head.output_names)


def make_bert_base(head: "Head", *, longest: int) -> "PreTrainedModel":
    """Returns BERT-base with a student's kind of head, and positions for rows of this length."""
    import transformers

    config = transformers.BertConfig(max_position_embeddings=max(512, longest))
    config.num_labels = head.num_labels
    made: PreTrainedModel = getattr(transformers, f"Bert{head.architecture_suffix}")(config)
    return made


@dataclass(frozen=True, kw_only=True)
class Head:
    """What a student has on top of its encoder.

    Attributes:
        architecture_suffix: As its task has it.
    """

    architecture_suffix: str
    num_labels: int
    output_names: tuple[str, ...]

    @classmethod
    def of_student(cls, student: "Student") -> Self:
        """Returns that of a student."""
        return cls(
            architecture_suffix=student.task.ARCHITECTURE_SUFFIX,
            num_labels=len(student.model.config.id2label or ()),
            output_names=student.output_names,
        )
