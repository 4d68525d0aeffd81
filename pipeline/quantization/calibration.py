"""Learns from texts what a student's linear layers take and give."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack

import numpy as np
import torch
from torch import nn

from converters.weights.activations import LinearActivations, linear_activations
from pipeline.running.threads import one_thread
from pipeline.student.load import Student
from pipeline.student.trace import ExportableEncoder
from pipeline.tasks.task import Example, long_text

MAX_EXAMPLES = 200
"""That ranges are taken from. They hardly grow beyond some dozens, and each costs a run."""

MAX_TEXTS = 64
"""That second moments are taken from. Measured on a student 384 wide, at four bits: 20 contexts
take 4.3 dB off the error of what its layers compute on other texts, 50 take 4.6, 200 take 4.7 and
500 take 4.8."""

MAX_SEQ_LEN = 384
"""Tokens. Longer texts are cut into windows, as in the artifacts."""


@one_thread()
def activation_ranges(
    student: Student, examples: Sequence[Example]
) -> dict[str, LinearActivations]:
    """Returns the ranges of every linear layer, by the name of its weight in the trace.

    Args:
        student: In fp32.
        examples: Of which the first ``MAX_EXAMPLES`` are read.
    """
    ranges: dict[str, _Range] = {}

    def record(name: str, taken: torch.Tensor, given: torch.Tensor) -> None:
        ranges.setdefault(name, _Range(given.shape[-1])).add(taken, given)

    _run(student, examples[:MAX_EXAMPLES], record)
    return {
        name: linear_activations(
            lowest=each.lowest, highest=each.highest, largest_outputs=each.largest_outputs.numpy()
        )
        for name, each in ranges.items()
    }


@one_thread()
def second_moments(student: Student, examples: Sequence[Example]) -> dict[str, np.ndarray]:
    """Returns the second moments of the inputs of all linear layers.

    One example is read for each long text, and texts beyond ``MAX_TEXTS`` are passed over
    evenly: more of them help little.

    Args:
        student: In fp32.
        examples: Their labels are not looked at.

    Returns:
        ``(columns, columns) float32`` by the weight's name, as ``TracedModel.matrices`` gives it:
        the mean of ``x x^T`` over all tokens ``x``, padding left out.
    """
    moments: dict[str, _Moment] = {}
    last: list[tuple[torch.Tensor, torch.Tensor]] = []  # query, key and value take the same

    def record(name: str, taken: torch.Tensor, _: torch.Tensor) -> None:
        if not last or last[0][0] is not taken:
            rows = taken.flatten(0, -2)  # (tokens, columns)
            last[:] = [(taken, (rows.T @ rows).double())]
        moments.setdefault(name, _Moment()).add(taken.flatten(0, -2).shape[0], last[0][1])

    _run(student, _one_for_each_text(examples), record)
    return {name: each.mean() for name, each in moments.items()}


def _run(
    student: Student,
    examples: Sequence[Example],
    record: Callable[[str, torch.Tensor, torch.Tensor], None],
) -> None:
    """Runs examples without their padding, which is no text.

    Args:
        student: In fp32.
        examples: Of its task.
        record: Called for each linear layer and row with the traced name of its weight, and what it
            takes and gives, ``(1, tokens, channels) float32``.
    """
    encoder = ExportableEncoder(student.model, output_names=student.output_names).eval()

    def hook(name: str) -> Callable[..., None]:
        return lambda module, taken, given: record(f"{name}.weight", taken[0], given)

    with ExitStack() as stack, torch.inference_mode():
        for name, module in encoder.named_modules():
            if isinstance(module, nn.Linear):
                stack.enter_context(module.register_forward_hook(hook(name)))
        for item in student.encode(examples, seq_lens=(min(MAX_SEQ_LEN, student.max_seq_len),)):
            for row in item.rows:
                real = slice(0, row.num_tokens)
                encoder(**{k: torch.from_numpy(v[:, real]) for k, v in row.inputs.items()})


def _one_for_each_text(examples: Sequence[Example]) -> list[Example]:
    by_text: dict[str, Example] = {}
    for example in examples:
        by_text.setdefault(long_text(example), example)
    return list(by_text.values())[:: -(-len(by_text) // MAX_TEXTS)]


class _Range:
    """What one layer took and gave so far."""

    def __init__(self, num_channels: int) -> None:
        self.lowest = self.highest = 0.0
        self.largest_outputs = torch.zeros(num_channels)

    def add(self, taken: torch.Tensor, given: torch.Tensor) -> None:
        self.lowest = min(self.lowest, float(taken.min()))
        self.highest = max(self.highest, float(taken.max()))
        largest = given.abs().flatten(0, -2).amax(0)  # (channels,)
        self.largest_outputs = torch.maximum(self.largest_outputs, largest)


class _Moment:
    """The second moment of one layer's inputs so far."""

    def __init__(self) -> None:
        self._count = 0
        self._sum: torch.Tensor | float = 0.0

    def add(self, count: int, products: torch.Tensor) -> None:
        self._count += count
        self._sum = self._sum + products

    def mean(self) -> np.ndarray:
        assert isinstance(self._sum, torch.Tensor)
        mean: np.ndarray = (self._sum / self._count).float().numpy()
        return mean
