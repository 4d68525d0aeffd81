"""Labelled questions in SQuAD layout, and the score that the official SQuAD 1.1 script gives.

Source: Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text"
(arXiv 1606.05250), and its script ``evaluate-v1.1.py``.
"""

import json
import re
import string
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from pipeline.errors import InputError, StorageError

_EXPECTED_KINDS = {
    "data": "a list of articles",
    "paragraphs": "a list of paragraphs",
    "context": "a string",
    "qas": "a list of questions",
    "id": "a string",
    "question": "a string",
    "answers": "a list of answers",
    "text": "a string",
    "answer_start": "an integer",
}
_LAYOUT_HINT = (
    'Expected: {"data": [{"paragraphs": [{"context": "…", "qas": [{"id": "…", "question": "…", '
    '"answers": [{"text": "…", "answer_start": 0}]}]}]}]}'
)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One labelled question.

    Attributes:
        id: names the question; unique within a file.
        question: the question's text.
        context: the passage that holds the answer.
        answers: the texts that count as right, one or more.
    """

    id: str
    question: str
    context: str
    answers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Score:
    """What ``evaluate-v1.1.py`` prints, and over how many questions.

    Attributes:
        exact_match: percentage of questions answered exactly, after normalization.
        f1: mean F1 over tokens, in per cent.
        count: number of questions, answered or not.
    """

    exact_match: float
    f1: float
    count: int


def _whole_characters(text: str) -> str:
    # JSON can spell half of a surrogate pair, "\ud83d", and a tokenizer would stop at it.
    text.encode("utf-8")
    return text


def _number_as_text(value: Any) -> Any:
    # COVID-QA numbers its questions.
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


Text = Annotated[str, AfterValidator(_whole_characters)]
_Id = Annotated[Text, BeforeValidator(_number_as_text)]


class Layout(BaseModel):
    """A part of a file in SQuAD layout."""

    # Real SQuAD files carry extras such as ``is_impossible``: the keys that are read must be
    # there, and others pass.
    model_config = ConfigDict(frozen=True, extra="ignore")


class LabelledAnswer(Layout):
    """An answer, and the character of the context at which it begins."""

    text: Text
    answer_start: int = Field(strict=True)


class LabelledQuestion(Layout):
    """A question with its answers."""

    id: _Id
    question: Text
    answers: tuple[LabelledAnswer, ...]


class _Paragraph(Layout):
    context: Text
    qas: tuple[LabelledQuestion, ...]


class _Article(Layout):
    paragraphs: tuple[_Paragraph, ...]


class _SquadFile(Layout):
    data: tuple[_Article, ...]


def read_squad(path: Path) -> tuple[Question, ...]:
    """Returns the questions of a file in SQuAD 1.1 layout, in the file's order.

    Args:
        path: a JSON file, UTF-8 with or without a byte order mark.

    Raises:
        InputError: the file is absent, a folder, not UTF-8, not JSON or not in SQuAD layout; it
            holds no question, a question without answers, or two questions with one id.
        StorageError: the file may not be read.
    """
    path = Path(path)
    questions = _flatten(_read_file(path))
    _check(questions, path)
    return questions


def read_texts(path: Path) -> tuple[str, ...]:
    """Returns every question and context of a file in SQuAD layout, answered or not.

    Raises:
        InputError: the file is absent, a folder, not UTF-8, not JSON or not in SQuAD layout.
        StorageError: the file may not be read.
    """
    paragraphs = [each for article in _read_file(path).data for each in article.paragraphs]
    contexts = (paragraph.context for paragraph in paragraphs)
    questions = (each.question for paragraph in paragraphs for each in paragraph.qas)
    return (*contexts, *questions)


def validate(model: type[Layout], value: Any, where: object) -> Any:
    """Returns a part of a file in SQuAD layout, checked.

    Raises:
        InputError: It has another layout; the message says where.
    """
    try:
        return model.model_validate(value)
    except ValidationError as err:
        raise InputError(
            f"{where} is not in SQuAD layout: {_describe(err)}", hint=_LAYOUT_HINT
        ) from err


def labelled_questions() -> tuple[Question, ...]:
    """Returns the package's own labelled questions: 100, over 20 passages of varied kind."""
    with resources.as_file(resources.files("pipeline") / "data" / "questions.json") as path:
        return read_squad(path)


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


def score(predictions: Mapping[str, str], questions: Iterable[Question]) -> Score:
    """Returns exact match and F1 over all questions, in per cent.

    Args:
        predictions: the predicted text by question id. A question without one scores zero, and
            an id that no question has is ignored.
        questions: the questions that count.

    Raises:
        InputError: there are no questions, so there is no mean.

    Source: ``evaluate`` in ``evaluate-v1.1.py``.
    """
    count = 0
    exact_sum = f1_sum = 0.0
    for question in questions:
        count += 1
        # An absent prediction is zero even where an empty one would match exactly.
        if question.id in predictions:
            prediction = predictions[question.id]
            exact_sum += exact_match(prediction=prediction, answers=question.answers)
            f1_sum += f1(prediction=prediction, answers=question.answers)
    if count == 0:
        raise InputError("There are no questions to score.", hint="Give at least one question.")
    return Score(exact_match=100.0 * exact_sum / count, f1=100.0 * f1_sum / count, count=count)


def _f1_of_pair(prediction: str, answer: str) -> float:
    prediction_tokens = normalize_answer(prediction).split()
    answer_tokens = normalize_answer(answer).split()
    num_shared = (Counter(prediction_tokens) & Counter(answer_tokens)).total()
    if num_shared == 0:
        return 0.0
    precision = num_shared / len(prediction_tokens)
    recall = num_shared / len(answer_tokens)
    return 2 * precision * recall / (precision + recall)


def read_text(path: Path) -> str:
    """Returns a file's text, UTF-8 with or without a byte order mark, with its own line ends."""
    if path.is_dir():
        raise InputError(
            f"{path} is a folder; a JSON file in SQuAD layout was expected.",
            hint="Name the file inside the folder.",
        )
    try:
        return path.read_bytes().decode("utf-8-sig")  # line ends stay as they are
    except FileNotFoundError as err:
        raise InputError(f"There is no file {path}.", hint="Check the path.") from err
    except PermissionError as err:
        raise StorageError(f"{path} may not be read.", hint="Check its permissions.") from err
    except UnicodeDecodeError as err:
        raise InputError(
            f"{path} is not UTF-8: byte {err.start} cannot be decoded.",
            hint="Save the file as UTF-8.",
        ) from err


def parse_json(text: str, path: Path) -> Any:
    """Returns what a JSON file holds; the path is for the message if it is none."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as err:
        raise InputError(
            f"{path} is not JSON: line {err.lineno}, column {err.colno}: {err.msg}.",
            hint="Correct the file there; JSON in SQuAD layout was expected.",
        ) from err
    # Python's reader refuses integers of thousands of digits and very deep nesting.
    except (ValueError, RecursionError) as err:
        raise InputError(f"{path} cannot be read as JSON: {err}.", hint=_LAYOUT_HINT) from err


def _describe(err: ValidationError) -> str:
    """Returns where the first fault stands, what was expected there, and what came."""
    fault = err.errors()[0]
    location = fault["loc"]
    # A location that ends with an index is an element of a list; an empty one, the whole file.
    field = location[-1] if location else None
    expected = _EXPECTED_KINDS[field] if isinstance(field, str) else "an object"
    if fault["type"] == "missing":
        came = "missing"
    elif fault["type"] == "value_error":
        came = "a string with half of a surrogate pair"
    else:
        came = _json_kind(fault["input"])
    return f"{_place(location)} is {came}; {expected} was expected."


def _place(location: tuple[int | str, ...]) -> str:
    """Returns a pydantic location as ``data[3].paragraphs[0].context``."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in location)
    return "".join(parts).removeprefix(".") or "the whole file"


def _json_kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    if isinstance(value, int | float):
        return f"the number {value}"
    if isinstance(value, str):
        return "a string"
    return "a list" if isinstance(value, list) else "an object"


def _read_file(path: Path) -> _SquadFile:
    squad_file: _SquadFile = validate(_SquadFile, parse_json(read_text(path), path), path)
    return squad_file


def _flatten(squad_file: _SquadFile) -> tuple[Question, ...]:
    return tuple(
        Question(
            id=labelled.id,
            question=labelled.question,
            context=paragraph.context,
            answers=tuple(answer.text for answer in labelled.answers),
        )
        for article in squad_file.data
        for paragraph in article.paragraphs
        for labelled in paragraph.qas
    )


def _check(questions: tuple[Question, ...], path: Path) -> None:
    """Raises InputError where the questions cannot be scored."""
    if not questions:
        raise InputError(f"{path} holds no questions.", hint="Give a file with at least one.")
    seen: set[str] = set()
    for question in questions:
        if not question.answers:
            raise InputError(
                f"{path}: the question {question.id!r} has no answers.",
                hint="SQuAD 1.1 scores need one; remove questions that have none, "
                "such as those that SQuAD 2.0 marks with is_impossible.",
            )
        if question.id in seen:
            raise InputError(
                f"{path}: two questions have the id {question.id!r}.",
                hint="Predictions are matched by id, so give each question its own.",
            )
        seen.add(question.id)
