"""Labelled questions in SQuAD layout, to train on: their answers as spans of tokens."""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.question_answering.rows import (
    Row,
    Span,
    encode_texts,
    make_row,
    token_span,
)
from pipeline.tasks.question_answering.squad import Question
from pipeline.tasks.question_answering.squad_layout import LabelledExample, read_labelled


@dataclass(frozen=True, kw_only=True)
class LabelledSpans:
    """A question whose answers are known as characters ``(begin, end)`` of its context.

    It has no span where the file says that the context does not hold the answer.
    """

    question: Question
    spans: tuple[Span, ...]


def read_labelled_spans(path: Path, faults: Faults) -> list[LabelledSpans]:
    """Returns the questions of a file of labelled ones, with the places of their answers.

    Args:
        path: The file, in any layout that ``read_labelled`` takes.
        faults: Takes each question without an answer that is in its context, but for those that
            the file says have none.

    Raises:
        InputError: The file is absent, no JSON, of another layout, or without a question.
    """
    found = []
    file = read_labelled(path)
    for record in file.records:
        try:
            found.append(_labelled(record.example()))
        except InputError as err:
            line = record.line or _line(file.text, record.value)
            place = f", {record.place}" if record.place else ""
            faults.add(f"{path}, line {line}{place}: {err.message}")
    if not found:
        raise InputError(f"{path} holds no question to train on", hint="give another file")
    return found


def hold_out(
    examples: Sequence[LabelledSpans], *, num_questions: int
) -> tuple[list[LabelledSpans], list[Question]]:
    """Returns the examples to train on, and some that are kept apart, by whole contexts.

    The choice depends on nothing but the examples: a student that is trained on by another run,
    with another seed, is judged by questions that it has never seen.

    Args:
        examples: All of them.
        num_questions: To keep apart, at least; the last context may bring more.
    """
    contexts = list(dict.fromkeys(example.question.context for example in examples))
    random.Random(0).shuffle(contexts)
    by_context: dict[str, list[Question]] = {context: [] for context in contexts}
    for example in examples:
        by_context[example.question.context].append(example.question)
    held_out: list[Question] = []
    for context in contexts:
        if len(held_out) >= num_questions:
            break
        held_out += by_context.pop(context)
    return [each for each in examples if each.question.context in by_context], held_out


_NEIGHBOURS = 5
"""Contexts before, and behind, that may stand in for a question's own: of the same article, as a
rule, for files keep the paragraphs of an article together."""


class SquadSource:
    """Labelled questions over contexts of any length."""

    def __init__(self, examples: Sequence[LabelledSpans], tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        contexts = list(dict.fromkeys(example.question.context for example in examples))
        encoded = dict(zip(contexts, encode_texts(tokenizer, contexts), strict=True))
        asked = encode_texts(tokenizer, [example.question.question for example in examples])
        self._contexts = [encoded[context].ids for context in contexts]
        self._texts = contexts
        places = {context: place for place, context in enumerate(contexts)}
        self._examples = []
        for example, question in zip(examples, asked, strict=True):
            context = encoded[example.question.context]
            spans = [token_span(context.offsets, *span) for span in example.spans]
            known = [span for span in spans if span is not None]
            if known or not spans:
                self._examples.append(
                    _Example(
                        name=example.question.id,
                        question=question.ids,
                        place=places[example.question.context],
                        spans=tuple(sorted(known, key=known.count, reverse=True)),
                        answers=example.question.answers,
                    )
                )

    def __len__(self) -> int:
        return len(self._examples)

    def draw(self, index: int, *, rng: random.Random, max_seq_len: int) -> Row:
        """Returns the example in a window around the answer that most annotators gave."""
        example = self._examples[index]
        return self._row(
            example, self._contexts[example.place], example.spans, max_seq_len=max_seq_len, rng=rng
        )

    def draw_without_answer(
        self, index: int, *, rng: random.Random, max_seq_len: int
    ) -> Row | None:
        """Returns the question over a neighbouring context in which none of its answers stands."""
        example = self._examples[index]
        near = range(
            max(0, example.place - _NEIGHBOURS),
            min(len(self._texts), example.place + _NEIGHBOURS + 1),
        )
        answers = [answer.casefold() for answer in example.answers]
        others = [
            place
            for place in near
            if place != example.place
            and not any(answer in self._texts[place].casefold() for answer in answers)
        ]
        if not others:
            return None
        context = self._contexts[rng.choice(others)]
        return self._row(example, context, (), max_seq_len=max_seq_len, rng=rng)

    def _row(
        self,
        example: "_Example",
        context: Sequence[int],
        spans: Sequence[Span],
        *,
        max_seq_len: int,
        rng: random.Random,
    ) -> Row:
        return make_row(
            example.name,
            question=example.question,
            context=context,
            spans=spans,
            max_seq_len=max_seq_len,
            tokenizer=self._tokenizer,
            rng=rng,
        )


@dataclass(frozen=True, kw_only=True)
class _Example:
    """A question in tokens, and its answers.

    Attributes:
        place: Of its context among all.
        spans: In tokens of the context, the most frequent first; none where it has no answer.
        answers: The same as texts.
    """

    name: str
    question: list[int]
    place: int
    spans: tuple[Span, ...]
    answers: tuple[str, ...]


def _labelled(labelled: LabelledExample) -> LabelledSpans:
    """Returns a question with the places of its answers.

    Raises:
        InputError: It has no answer, and is not said to have none, or one that is not in the
            context.
    """
    if not labelled.answers and labelled.is_impossible is not True:
        raise InputError(f"the question {labelled.id!r} has no answer")
    spans = []
    for answer in labelled.answers:
        text = answer.text.strip()
        begin = _find_nearest(text, labelled.context, answer.answer_start) if text else None
        if begin is None:
            raise InputError(
                f"the answer {answer.text!r} of the question {labelled.id!r} is not in its context"
            )
        spans.append((begin, begin + len(text)))
    question = Question(
        id=labelled.id,
        question=labelled.question,
        context=labelled.context,
        answers=tuple(answer.text for answer in labelled.answers),
        may_lack_answer=labelled.is_impossible is not None,
    )
    return LabelledSpans(question=question, spans=tuple(spans))


def _find_nearest(text: str, context: str, place: int) -> int | None:
    """Returns where a text occurs nearest to a place: files count characters in several ways."""
    if context.startswith(text, max(0, place)):
        return max(0, place)
    before = context.rfind(text, 0, max(0, place) + len(text))
    after = context.find(text, max(0, place))
    found = [begin for begin in (before, after) if begin >= 0]
    return min(found, key=lambda begin: abs(begin - place), default=None)


def _line(text: str, raw: Any) -> int:
    """Returns the line on which a question's id stands, or the first if it has none."""
    name = raw.get("id") if isinstance(raw, dict) else None
    spellings = {json.dumps(name, ensure_ascii=plain) for plain in (True, False)}
    found = re.search(rf'"id"\s*:\s*({"|".join(map(re.escape, sorted(spellings)))})\s*[,}}]', text)
    return text.count("\n", 0, found.start(1) if found else 0) + 1
