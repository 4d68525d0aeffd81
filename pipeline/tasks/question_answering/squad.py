"""Labelled questions, and the score that the official SQuAD scripts give.

Source: Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text"
(arXiv 1606.05250), and its script ``evaluate-v1.1.py``; Rajpurkar et al. 2018, "Know What You Don't
Know: Unanswerable Questions for SQuAD" (arXiv 1806.03822), and its script ``evaluate-v2.0.py``.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path

from converters.values.errors import InputError
from pipeline.tasks.question_answering.squad_layout import LAYOUT_HINT, Record, read_labelled
from pipeline.tasks.task import Unreadable


@dataclass(frozen=True, kw_only=True)
class Question:
    """One labelled question.

    Attributes:
        id: names the question; unique within a file.
        question: the question's text.
        context: the passage that holds the answer.
        answers: the texts that count as right; none where the question has no answer.
        may_lack_answer: whether it is of a file that holds questions without an answer: "none" is
            an answer then, and SQuAD 2.0's rules score it.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]
    may_lack_answer: bool = False

    @property
    def texts(self) -> dict[str, str]:
        """What a row holds, the context last."""
        return {"question": self.question, "context": self.context}

    @property
    def is_labelled(self) -> bool:
        """Whether an answer is known that counts as right."""
        return bool(self.answers)


Example = Question | Unreadable
"""What a line of a user's file turned out to be."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """What the official scripts print, and over how many questions.

    Attributes:
        exact_match: percentage of questions answered exactly, after normalization.
        f1: mean F1 over tokens, in per cent.
        count: number of questions, answered or not, readable or not.
    """

    exact_match: float
    f1: float
    count: int


def read_squad(path: Path) -> tuple[Example, ...]:
    """Returns the questions of a file, in its order; those that cannot be asked say why.

    A question may have no answer where the file says so: by ``is_impossible``, as SQuAD 2.0 does,
    or by an empty list of answers where each example has a line of its own.

    Args:
        path: JSON in SQuAD layout, or an example a line; UTF-8 with or without a byte order mark.

    Raises:
        InputError: the file is absent, a folder, not UTF-8, not JSON or of another layout; two of
            its questions have one id, or none can be asked.
        StorageError: the file may not be read.
    """
    path = Path(path)
    records = read_labelled(path).records
    examples = tuple(_read(record) for record in records)
    _check(records, examples, path)
    if any(isinstance(each, Question) and not each.answers for each in examples):
        return tuple(
            replace(each, may_lack_answer=True) if isinstance(each, Question) else each
            for each in examples
        )
    return examples


def read_texts(path: Path) -> tuple[str, ...]:
    """Returns every question and context of a file that ``read_squad`` takes, answered or not.

    Raises:
        InputError: the file is absent, a folder, not UTF-8, not JSON or of another layout, or one
            of its questions is.
        StorageError: the file may not be read.
    """
    labelled = read_labelled(path)
    examples = []
    for record in labelled.records:
        try:
            examples.append(record.example())
        except InputError as err:
            raise InputError(f"{path}, {record.where}: {err.message}", hint=err.hint) from err
    contexts = dict.fromkeys((*labelled.contexts, *(each.context for each in examples)))
    return (*contexts, *(each.question for each in examples))


def labelled_questions() -> tuple[Question, ...]:
    """Returns the package's own labelled questions: 100, over 20 passages of varied kind."""
    with resources.as_file(resources.files(__package__) / "questions.json") as path:
        return tuple(each for each in read_squad(path) if isinstance(each, Question))


def normalize_answer(text: str) -> str:
    """Returns an answer in lower case, without ASCII punctuation, articles and extra whitespace.

    The order matters: punctuation goes before articles, so that ``"a.n."`` vanishes as an article,
    and ``"the-end"`` stays whole as ``"theend"``.

    Source: ``normalize_answer`` in ``evaluate-v1.1.py``.
    """
    text = text.lower()
    text = "".join(character for character in text if character not in string.punctuation)
    text = re.sub(r"\b(a|an|the)\b", " ", text)
    return " ".join(text.split())


def exact_match(*, prediction: str, answers: Iterable[str]) -> float:
    """Returns 1.0 if the prediction equals one of the answers after normalization, else 0.0.

    Source: ``exact_match_score`` and ``metric_max_over_ground_truths`` in ``evaluate-v1.1.py``.
    """
    normalized = normalize_answer(prediction)
    return float(any(normalized == normalize_answer(answer) for answer in answers))


def f1(*, prediction: str, answers: Iterable[str]) -> float:
    """Returns the best F1 over tokens that the prediction reaches on any answer, 0.0 to 1.0.

    Where no token is shared the result is 0.0. That holds for two texts without tokens too, such
    as ``"the"`` and ``"a"``: they match exactly, and yet have an F1 of 0.0. SQuAD 2.0's script
    gives 1.0 there; this one follows 1.1.

    Source: ``f1_score`` and ``metric_max_over_ground_truths`` in ``evaluate-v1.1.py``.
    """
    return max((_f1_of_pair(prediction, answer) for answer in answers), default=0.0)


def score(predictions: Mapping[str, str], examples: Iterable[Example]) -> Score:
    """Returns exact match and F1 over all questions, in per cent.

    Args:
        predictions: the predicted text by question id, empty where there is no answer. A question
            without a prediction scores zero, and an id that no question has is ignored.
        examples: the questions that count; one that cannot be read scores zero.

    Raises:
        InputError: there are no questions, so there is no mean.

    Source: ``evaluate`` in ``evaluate-v1.1.py``, ``get_raw_scores`` in ``evaluate-v2.0.py``.
    """
    count = 0
    exact_sum = f1_sum = 0.0
    for example in examples:
        count += 1
        # An absent prediction is zero even where an empty one would match exactly.
        if isinstance(example, Question) and example.id in predictions:
            exact, overlap = _scores(predictions[example.id], example)
            exact_sum += exact
            f1_sum += overlap
    if count == 0:
        raise InputError("There are no questions to score.", hint="Give at least one question.")
    return Score(exact_match=100.0 * exact_sum / count, f1=100.0 * f1_sum / count, count=count)


def _scores(prediction: str, question: Question) -> tuple[float, float]:
    """Returns exact match and F1 of one prediction, by the rules of its question's file."""
    answers = question.answers
    if not question.may_lack_answer:
        return (
            exact_match(prediction=prediction, answers=answers),
            f1(prediction=prediction, answers=answers),
        )
    # SQuAD 2.0: an answer that normalization leaves nothing of is none, and "none" is an answer.
    answers = tuple(answer for answer in answers if normalize_answer(answer)) or ("",)
    exact = exact_match(prediction=prediction, answers=answers)
    is_none = not normalize_answer(prediction)
    return exact, exact if is_none else f1(prediction=prediction, answers=answers)


def _f1_of_pair(prediction: str, answer: str) -> float:
    prediction_tokens = normalize_answer(prediction).split()
    answer_tokens = normalize_answer(answer).split()
    num_shared = (Counter(prediction_tokens) & Counter(answer_tokens)).total()
    if num_shared == 0:
        return 0.0
    precision = num_shared / len(prediction_tokens)
    recall = num_shared / len(answer_tokens)
    return 2 * precision * recall / (precision + recall)


def _read(record: Record) -> Example:
    try:
        labelled = record.example()
    except InputError as err:
        return Unreadable(id=_name(record), reason=f"{record.where}: {err.message.rstrip('.')}")
    is_impossible = labelled.is_impossible
    if is_impossible is None:  # `datasets` writes no such field
        is_impossible = record.line is not None
    if not labelled.answers and is_impossible is not True:
        return Unreadable(
            id=labelled.id,
            reason=f"{record.where}: it has no answers, and is not marked with is_impossible",
        )
    return Question(
        id=labelled.id,
        question=labelled.question,
        context=labelled.context,
        answers=tuple(answer.text for answer in labelled.answers),
    )


def _name(record: Record) -> str:
    """Returns the id of a question that cannot be read, or its place where it has none."""
    given = record.value.get("id") if isinstance(record.value, dict) else None
    is_name = isinstance(given, str | int) and not isinstance(given, bool)
    return str(given) if is_name else record.where


def _check(records: Sequence[Record], examples: Sequence[Example], path: Path) -> None:
    """Raises InputError where predictions could not be matched, or nothing can be asked."""
    if not examples:
        raise InputError(f"{path} holds no questions.", hint="Give a file with at least one.")
    seen: dict[str, str] = {}
    for record, example in zip(records, examples, strict=True):
        if example.id in seen:
            raise InputError(
                f"{path}: two questions have the id {example.id!r}: "
                f"{seen[example.id]} and {record.where}.",
                hint="Predictions are matched by id, so give each question its own.",
            )
        seen[example.id] = record.where
    if not any(isinstance(each, Question) for each in examples):
        first = next(each for each in examples if isinstance(each, Unreadable))
        raise InputError(
            f"{path}: none of its {len(examples)} questions can be read; "
            f"the first, {first.id!r}: {first.reason}.",
            hint=LAYOUT_HINT,
        )
