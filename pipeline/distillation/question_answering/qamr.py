"""QAMR: questions that people wrote over single sentences, with answers as words of them.

Source: Michael et al. 2018, "Crowdsourcing Question-Answer Meaning Representations"
(arXiv 1711.05885), and the layout of the files in its repository.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.question_answering.rows import (
    Row,
    Span,
    TextTokens,
    encode_texts,
    make_row,
    token_span,
)
from pipeline.tasks.question_answering.squad_layout import read_text

SENTENCES = "wiki-sentences.tsv"
MAX_COMPANIONS = 5
"""Sentences beside the one that holds the answer, at most."""

SAME_ARTICLE_SHARE = 0.5
"""Of the companions; the others come from anywhere and are easy to tell apart."""

_BRACKETS = {"-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}"}
_NO_SPACE_BEFORE = re.compile(r"[,.;:?!)\]}%']|\.\.\.|'(s|S|re|ve|ll|d|m)|n't")
_NO_SPACE_AFTER = {"(", "[", "{", "$", "£", "€", "#"}
_NUM_COLUMNS = 7


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence as text, and where each of its words stands in it, in characters."""

    text: str
    words: tuple[Span, ...]


@dataclass(frozen=True, kw_only=True)
class SentenceQuestion:
    """A question, the sentence that it asks about, and its answer as characters of it."""

    name: str
    sentence: str
    question: str
    span: Span


def is_qamr(path: Path) -> bool:
    """Returns whether a path is a QAMR folder."""
    return (path / SENTENCES).is_file()


class QamrSource:
    """Questions of a QAMR folder, each in a context of one to six sentences."""

    def __init__(self, folder: Path, *, tokenizer: Tokenizer, faults: Faults) -> None:
        sentences = read_sentences(folder / SENTENCES, faults)
        tables = sorted(path for path in folder.glob("*.tsv") if path.name != SENTENCES)
        questions = [
            question for path in tables for question in read_questions(path, sentences, faults)
        ]
        self._tokenizer = tokenizer
        self._names = list(sentences)
        tokens = encode_texts(tokenizer, [sentences[name].text for name in self._names])
        self._sentences = dict(zip(self._names, tokens, strict=True))
        self._questions, self._spans, self._answers = [], [], []
        for question in questions:
            span = token_span(self._sentences[question.sentence].offsets, *question.span)
            if span is None:
                faults.add(f"{folder}, {question.name}: the answer holds nothing that can be read")
                continue
            self._questions.append(question)
            self._spans.append(span)
            first, last = span
            self._answers.append(self._sentences[question.sentence].ids[first : last + 1])
        if not self._questions:
            raise InputError(
                f"{folder} holds no question to train on",
                hint=f"beside {SENTENCES} it needs a table of questions, such as dev.tsv",
            )
        self._asked = encode_texts(tokenizer, [each.question for each in self._questions])
        self._articles: dict[str, list[str]] = defaultdict(list)
        for name in self._names:
            self._articles[_article(name)].append(name)

    def __len__(self) -> int:
        return len(self._questions)

    def draw(self, index: int, *, rng: random.Random, max_seq_len: int) -> Row:
        """Returns the question over its sentence among others, in an order drawn at random."""
        example = self._questions[index]
        own = self._sentences[example.sentence]
        before, after = self._draw_companions(example.sentence, rng)
        lead = [token for each in before for token in each.ids]
        tail = [token for each in after for token in each.ids]
        first, last = self._spans[index]
        return make_row(
            example.name,
            question=self._asked[index].ids,
            context=[*lead, *own.ids, *tail],
            spans=[(first + len(lead), last + len(lead))],
            max_seq_len=max_seq_len,
            tokenizer=self._tokenizer,
            rng=rng,
        )

    def draw_without_answer(
        self, index: int, *, rng: random.Random, max_seq_len: int
    ) -> Row | None:
        """Returns the question over other sentences, of its own article and of others."""
        example = self._questions[index]
        before, after = self._draw_companions(example.sentence, rng)
        answer = self._answers[index]
        others = [each for each in (*before, *after) if not _holds(each.ids, answer)]
        if not others:
            return None
        return make_row(
            example.name,
            question=self._asked[index].ids,
            context=[token for each in others for token in each.ids],
            spans=(),
            max_seq_len=max_seq_len,
            tokenizer=self._tokenizer,
            rng=rng,
        )

    def _draw_companions(
        self, sentence: str, rng: random.Random
    ) -> tuple[list[TextTokens], list[TextTokens]]:
        article = self._articles[_article(sentence)]
        chosen: dict[str, None] = {}
        for _ in range(rng.randint(0, MAX_COMPANIONS)):
            from_article = rng.random() < SAME_ARTICLE_SHARE
            chosen[rng.choice(article if from_article else self._names)] = None
        chosen.pop(sentence, None)
        companions = [self._sentences[name] for name in chosen]
        cut = rng.randint(0, len(companions))
        return companions[:cut], companions[cut:]


def _holds(ids: Sequence[int], piece: Sequence[int]) -> bool:
    """Returns whether some ids stand in others, side by side."""
    return any(ids[i : i + len(piece)] == piece for i in range(len(ids) - len(piece) + 1))


def read_sentences(path: Path, faults: Faults) -> dict[str, Sentence]:
    """Returns the sentences of a QAMR folder by their names, as text again."""
    sentences = {}
    for number, line in _lines(path):
        name, tab, words = line.partition("\t")
        if not tab or not words.strip():
            faults.add(f"{path}, line {number}: a name, a tab and a sentence were expected")
            continue
        sentences[name] = join_words(words.split(" "))
    return sentences


def read_questions(
    path: Path, sentences: Mapping[str, Sentence], faults: Faults
) -> list[SentenceQuestion]:
    """Returns the questions that two of the three annotators answered with a span.

    A span's words stand side by side, but for one that may be left out between. Of several spans
    the most frequent one counts; of equally frequent ones, the first.
    """
    questions = []
    for number, line in _lines(path):
        columns = line.split("\t")
        if len(columns) < _NUM_COLUMNS or columns[0] not in sentences:
            faults.add(
                f"{path}, line {number}: {_NUM_COLUMNS} columns or more were expected, the first "
                f"one a sentence of {SENTENCES}"
            )
            continue
        sentence = sentences[columns[0]]
        spans = _word_spans(columns, num_words=len(sentence.words))
        if len(spans) < 2:
            continue
        (first, last), _ = Counter(spans).most_common(1)[0]
        question = columns[5].strip()
        questions.append(
            SentenceQuestion(
                name=f"{path.stem}:{number}",
                sentence=columns[0],
                question=question if question.endswith("?") else f"{question}?",
                span=(sentence.words[first][0], sentence.words[last][1]),
            )
        )
    return questions


def join_words(words: Sequence[str]) -> Sentence:
    """Turns the words of the Penn Treebank back into text."""
    text = ""
    spans: list[Span] = []
    glue, in_quotes = True, False
    for raw in words:
        is_quote = raw in {"``", "''", '"'}
        closes = raw == "''" or (raw == '"' and in_quotes)
        word = '"' if is_quote else _BRACKETS.get(raw, raw)
        if not (glue or closes or _NO_SPACE_BEFORE.fullmatch(word)):
            text += " "
        spans.append((len(text), len(text) + len(word)))
        text += word
        glue = word in _NO_SPACE_AFTER or (is_quote and not closes)
        if is_quote:
            in_quotes = not closes
    return Sentence(text=text, words=tuple(spans))


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields lines by number, cut at newlines alone: other line ends occur inside sentences."""
    for number, line in enumerate(read_text(path).split("\n"), start=1):
        if line.strip():
            yield number, line.rstrip("\r")


def _word_spans(columns: Sequence[str], *, num_words: int) -> list[Span]:
    """Returns the three annotators' answers that are spans, as first and last word."""
    answers = [columns[6], *(each.partition(":")[2] for each in columns[7:9])]
    spans = []
    for answer in answers:
        words = sorted(int(word) for word in answer.split() if word.isdecimal())
        if words and words[-1] < num_words and words[-1] - words[0] <= len(words):
            spans.append((words[0], words[-1]))
    return spans


def _article(sentence: str) -> str:
    """Returns the article of a sentence, as in ``Wiki1k:wikipedia:16016:90:8``."""
    return ":".join(sentence.split(":")[1:3])
