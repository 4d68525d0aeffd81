"""The test that an app runs on its own phone, with what the bundle's ``vectors.json`` holds.

First the tokenizer, the windows and the decoder, which need no engine; then each engine. So a
failure says where to look.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.bundle.manifest import SpanRulesPart, TokenizerPart
from pipeline.bundle.vectors import QuestionVector, Vectors
from pipeline.on_device.windows import Answer, Window, best_answer, cut
from pipeline.on_device.wordpiece import WordPiece, utf16_offsets

Logits = Mapping[str, Sequence[float]]
"""By the output's name, one for each place of a row, padding included."""
Engine = Callable[[Window], Logits]

_SCORE_TOLERANCE = 1e-3
"""Of a probability: the logits in the file have four decimals."""


@dataclass(frozen=True, kw_only=True)
class EngineResult:
    """What became of one engine.

    Attributes:
        max_abs_diff: The largest difference of a logit from the student's.
        num_same: Questions with the student's answer, of ``num_asked``: those that are to have it.
        problems: In words, what is wrong.
    """

    max_abs_diff: float
    num_same: int
    num_asked: int
    problems: tuple[str, ...]


class SelfTest:
    """The test of one bundle."""

    def __init__(
        self,
        vectors: Vectors,
        tokenizer: WordPiece,
        *,
        settings: TokenizerPart,
        rules: SpanRulesPart,
    ) -> None:
        """Prepares nothing yet.

        Args:
            vectors: Of the bundle.
            tokenizer: Of the bundle.
            settings: Of the tokenizer, of the manifest.
            rules: Of the manifest.
        """
        self._vectors = vectors
        self._tokenizer = tokenizer
        self._settings = settings
        self._rules = rules

    def check_reading(self) -> list[str]:
        """Returns in words what the tokenizer, the windows or the decoder make otherwise."""
        problems = []
        for text in self._vectors.texts:
            tokens = self._tokenizer.tokenize(text.text)
            found = tokens.ids, tokens.offsets, utf16_offsets(text.text, tokens.offsets)
            if found != (text.ids, text.offsets, text.utf16_offsets):
                problems.append(f"the text {text.text!r} has other tokens")
        for vector in self._vectors.questions:
            if not self._has_same_windows(vector):
                problems.append(f"the question {vector.question!r} has other windows")
            elif not self._is_decoded_alike(vector):
                problems.append(f"the logits of {vector.question!r} have another answer")
        return problems

    def windows(self, vector: QuestionVector) -> list[Window]:
        """Returns the rows of a question."""
        return cut(
            self._tokenizer.tokenize(vector.question),
            self._tokenizer.tokenize(vector.context),
            tokenizer=self._settings,
            rules=self._rules,
            seq_lens=self._vectors.seq_lens,
        )

    def check_engine(self, artifact: str, engine: Engine) -> EngineResult:
        """Asks an engine all questions.

        Args:
            artifact: The path of what it runs, inside the bundle.
            engine: Runs one row.
        """
        tolerance = self._vectors.tolerances[artifact]
        problems, worst, num_same, num_asked = [], 0.0, 0, 0
        for vector in self._vectors.questions:
            windows = self.windows(vector)
            outputs = [engine(window) for window in windows]
            difference = _difference(vector, outputs)
            worst = _larger(worst, difference)
            if not difference <= tolerance:
                problems.append(
                    f"logits of {vector.question!r} differ by {difference:.2g}, "
                    f"the tolerance is {tolerance:.2g}"
                )
            if artifact in vector.other_answer_in:
                continue
            num_asked += 1
            answer = self._decode(vector, windows, outputs)
            num_same += _is_span(answer, vector)
            if not _is_span(answer, vector):
                problems.append(
                    f"it answers {vector.question!r} with {answer.text!r}, "
                    f"expected {vector.answer.text!r}"
                )
        return EngineResult(
            max_abs_diff=worst, num_same=num_same, num_asked=num_asked, problems=tuple(problems)
        )

    def _has_same_windows(self, vector: QuestionVector) -> bool:
        found = [
            (len(window.input_ids), window.input_ids[: sum(window.attention_mask)], window.offsets)
            for window in self.windows(vector)
        ]
        return found == [(each.seq_len, each.input_ids, each.offsets) for each in vector.windows]

    def _is_decoded_alike(self, vector: QuestionVector) -> bool:
        score = vector.answer.score
        if score is None:  # the student itself gave no numbers, which its verdicts tell
            return True
        stated = [
            {"start_logits": _numbers(each.start_logits), "end_logits": _numbers(each.end_logits)}
            for each in vector.windows
        ]
        answer = self._decode(vector, self.windows(vector), stated)
        return _is_span(answer, vector) and abs(answer.score - score) <= _SCORE_TOLERANCE

    def _decode(
        self, vector: QuestionVector, windows: Sequence[Window], outputs: Sequence[Logits]
    ) -> Answer:
        return best_answer(
            vector.context,
            windows,
            [each["start_logits"] for each in outputs],
            [each["end_logits"] for each in outputs],
            rules=self._rules,
        )


def _is_span(answer: Answer, vector: QuestionVector) -> bool:
    stated = vector.answer
    return (answer.text, answer.start, answer.end) == (stated.text, stated.start, stated.end)


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def _difference(vector: QuestionVector, outputs: Sequence[Logits]) -> float:
    """Returns the largest difference of a logit at a token; infinite where one is no number."""
    worst = 0.0
    for window, own in zip(vector.windows, outputs, strict=True):
        for name in ("start_logits", "end_logits"):
            for stated, found in zip(getattr(window, name), own[name], strict=False):
                if stated is not None:
                    worst = _larger(worst, abs(found - stated))
    return worst


def _larger(first: float, second: float) -> float:
    return math.inf if math.isnan(second) else max(first, second)
