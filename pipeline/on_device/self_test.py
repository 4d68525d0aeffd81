"""The test that an app runs on its own phone, with what the bundle's ``vectors.json`` holds.

First the tokenizer, the rows and the decoder, which need no engine; then each engine. So a failure
says where to look.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.bundle.vectors import ExampleVector, Value, Vectors
from pipeline.on_device.row import Row
from pipeline.on_device.task import DeviceTask, Outputs
from pipeline.on_device.wordpiece import WordPiece, utf16_offsets

Engine = Callable[[Row], Outputs]
"""Runs one row."""

_SCORE_TOLERANCE = 1e-3
"""Of a probability, or of a number that the student gives: the logits have four decimals."""


@dataclass(frozen=True, kw_only=True)
class EngineResult:
    """What became of one engine.

    Attributes:
        max_abs_diff: The largest difference of a logit from the student's.
        num_same: Examples with the student's answer, of ``num_asked``: those that are to have it.
        problems: In words, what is wrong.
    """

    max_abs_diff: float
    num_same: int
    num_asked: int
    problems: tuple[str, ...]


class SelfTest:
    """The test of one bundle."""

    def __init__(
        self, vectors: Vectors, tokenizer: WordPiece, *, settings: TokenizerPart, task: DeviceTask
    ) -> None:
        """Prepares nothing yet.

        Args:
            vectors: Of the bundle.
            tokenizer: Of the bundle.
            settings: Of the tokenizer, of the manifest.
            task: With the rules and labels of the manifest.
        """
        self._vectors = vectors
        self._tokenizer = tokenizer
        self._settings = settings
        self._task = task

    def check_reading(self) -> list[str]:
        """Returns in words what the tokenizer, the rows or the decoder make otherwise."""
        problems = []
        for text in self._vectors.texts:
            tokens = self._tokenizer.tokenize(text.text)
            found = tokens.ids, tokens.offsets, utf16_offsets(text.text, tokens.offsets)
            if found != (text.ids, text.offsets, text.utf16_offsets):
                problems.append(f"the text {text.text!r} has other tokens")
        for vector in self._vectors.examples:
            if not self._has_same_rows(vector):
                problems.append(f"the example {_name(vector)} has other rows")
            elif not self._is_decoded_alike(vector):
                problems.append(f"the outputs of {_name(vector)} have another answer")
        return problems

    def rows(self, vector: ExampleVector) -> list[Row]:
        """Returns the rows of an example.

        Raises:
            InputError: It cannot be read.
        """
        return self._task.rows(
            vector.texts,
            tokenizer=self._tokenizer,
            settings=self._settings,
            seq_lens=self._vectors.seq_lens,
        )

    def check_engine(self, artifact: str, engine: Engine) -> EngineResult:
        """Asks an engine all examples.

        Args:
            artifact: The path of what it runs, inside the bundle.
            engine: Runs one row.
        """
        tolerance = self._vectors.tolerances[artifact]
        problems, worst, num_same, num_asked = [], 0.0, 0, 0
        for vector in self._vectors.examples:
            rows = self.rows(vector)
            outputs = [engine(row) for row in rows]
            difference = _difference(vector, outputs)
            worst = _larger(worst, difference)
            if not difference <= tolerance:
                problems.append(
                    f"outputs of {_name(vector)} differ by {difference:.2g}, "
                    f"the tolerance is {tolerance:.2g}"
                )
            if artifact in vector.other_answer_in:
                continue
            num_asked += 1
            answer = self._exact(self._task.answer(vector.texts, rows, outputs))
            expected = self._exact(vector.answer)
            num_same += answer == expected
            if answer != expected:
                problems.append(f"it answers {_name(vector)} with {answer}, expected {expected}")
        return EngineResult(
            max_abs_diff=worst, num_same=num_same, num_asked=num_asked, problems=tuple(problems)
        )

    def _has_same_rows(self, vector: ExampleVector) -> bool:
        try:
            rows = self.rows(vector)
        except InputError:
            return False
        found = [
            (len(row.input_ids), row.input_ids[: sum(row.attention_mask)], row.offsets)
            for row in rows
        ]
        return found == [(each.seq_len, each.input_ids, each.offsets) for each in vector.rows]

    def _is_decoded_alike(self, vector: ExampleVector) -> bool:
        if None in vector.answer.values():  # the student gave no numbers, which its verdicts tell
            return True
        stated = [
            {name: _numbers(values) for name, values in row.outputs.items()} for row in vector.rows
        ]
        try:
            answer = self._task.answer(vector.texts, self.rows(vector), stated)
        except InputError:  # the outputs are not those of this task
            return False
        return self._exact(answer) == self._exact(vector.answer) and all(
            _is_near(answer.get(name), vector.answer.get(name)) for name in self._task.APPROXIMATE
        )

    def _exact(self, answer: Mapping[str, Value | None]) -> dict[str, Value | None]:
        """Returns what of an answer is the same everywhere."""
        return {name: answer[name] for name in answer if name not in self._task.APPROXIMATE}


def _name(vector: ExampleVector) -> str:
    """Returns what people know an example by: the shortest of its texts."""
    return repr(min(vector.texts.values(), key=len))


def _is_near(one: Value | None, other: Value | None) -> bool:
    if isinstance(one, tuple) and isinstance(other, tuple):
        return len(one) == len(other) and all(map(_is_near, one, other))
    if not isinstance(one, int | float) or not isinstance(other, int | float):
        return False
    return abs(one - other) <= _SCORE_TOLERANCE


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _difference(vector: ExampleVector, outputs: Sequence[Outputs]) -> float:
    """Returns the largest difference from what is stated; infinite where one is no number."""
    worst = 0.0
    for row, own in zip(vector.rows, outputs, strict=True):
        for name, values in row.outputs.items():
            if len(own[name]) < len(values):
                return math.inf
            for stated, found in zip(values, own[name], strict=False):
                if stated is not None:
                    worst = _larger(worst, abs(found - stated))
    return worst


def _larger(first: float, second: float) -> float:
    return math.inf if math.isnan(second) else max(first, second)
