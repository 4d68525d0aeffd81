"""Writes what a port of the reference is tested with: ``python -m tests.vectors.write FOLDER``.

``uncased/``, ``cased/`` and ``spelling/`` each hold ``settings.json`` (``tokenizer`` and
``task`` as in a manifest), the files that it names, and ``texts.json``, by the tokenizers
library. ``uncased/`` also holds ``answers.json``, by the embedded student in PyTorch, and
``labels.json``, see ``tests.vectors.labels``. ``spelling/`` knows single characters alone. Text is
escaped to ASCII, so that no editor and no reader changes it.
"""

import json
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

from pipeline.comparison.cases import Case, reference_cases
from pipeline.on_device.wordpiece import utf16_offsets
from pipeline.student.load import Student, load
from pipeline.tasks.question_answering import spans
from pipeline.tasks.question_answering.squad import Question, labelled_questions
from pipeline.tasks.text_classification import TextClassification
from tests.vectors import tokenizers
from tests.vectors.labels import describe_labels
from tests.vectors.texts import make_texts

INPUTS = ("input_ids", "attention_mask", "token_type_ids")

LOGIT_DIGITS = 4
"""Decimals that logits are written with; the answers are those of the numbers as written."""

Examples = tuple[tuple[int, ...], list[Question]]
"""Lengths that windows are cut for, and questions for them."""

HARD_CONTEXTS = (
    "Die Brücke wurde 1873 vom Ingenieur Jürgen Ångström für Königsberg gebaut. 🏗️🌉 3½ Mio.",
    "The café in 東京 sells 🍵; its owner, İpek Yılmaz, opened it in March 2011. 中文 한국어 עברית",
    "e\u0301\u0301te\u0301 \U0001f468\u200d\U0001f469 went to \u202eUlm\u202c at 9\u00a0h. "
    "[SEP] Then they left.",
)


def write(folder: Path) -> None:
    """Writes all of it."""
    texts = make_texts()
    made = {
        "uncased": tokenizers.uncased(),
        "cased": tokenizers.cased(),
        "spelling": tokenizers.spelling(texts),
    }
    for name, tokenizer in made.items():
        tokenizers.write(tokenizer, folder / name)
        _dump(folder / name / "texts.json", {"texts": describe_texts(tokenizer, texts)})
    _dump(folder / "uncased" / "answers.json", {"answers": list(describe_answers(load()))})
    described = describe_labels(made["uncased"], label_texts(), ((24,), (32, 64, 128), (16, 48)))
    _dump(folder / "uncased" / "labels.json", {"labels": list(described)})


def label_texts() -> list[str]:
    """Returns texts to classify: of one word, of a sentence, and longer than a row."""
    own = [each.text for each in TextClassification().own_examples()]
    return ["Good.", *own[:: len(own) // 6], max(own, key=len), *HARD_CONTEXTS]


def describe_texts(tokenizer: Tokenizer, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Returns each text with its tokens, by the library."""
    return [
        {
            "text": text,
            "tokens": made.tokens,
            "ids": made.ids,
            "offsets": made.offsets,
            "utf16_offsets": utf16_offsets(text, made.offsets),
        }
        for text, made in zip(
            texts, tokenizer.encode_batch(texts, add_special_tokens=False), strict=True
        )
    ]


def describe_answers(
    student: Student, examples_by_lengths: Iterable[Examples] | None = None
) -> Iterator[dict[str, Any]]:
    """Yields pairs of question and context, at several lengths, with all that follows of them.

    Args:
        student: Knows the answers.
        examples_by_lengths: This module's own if there are none.
    """
    for seq_lens, examples in examples_by_lengths or _examples():
        for case in reference_cases(student, examples, seq_lens):
            yield _describe(student, case, seq_lens)


def _examples() -> Iterator[Examples]:
    """Yields lengths and questions; long contexts are passages one after the other."""
    own = list(labelled_questions())
    passages = list(dict.fromkeys(each.context for each in own))
    chance = random.Random(1)
    yield (384,), own[::12]
    yield (32, 64, 128, 256, 384), own[1::8]
    yield (24,), own[2::20]
    for num_passages, seq_lens in ((4, (64,)), (8, (128,)), (15, (96, 256))):
        yield (
            seq_lens,
            [
                ask(each.question, " ".join([*chance.sample(passages, num_passages), each.context]))
                for each in own[:: 50 if num_passages > 4 else 20]
            ],
        )
    asked = ("Who built the bridge?", "When was it opened?", "Où est le café? 🍵", "why " * 80)
    yield (
        (48, 384),
        [ask(question, context) for question in asked for context in HARD_CONTEXTS],
    )


def ask(question: str, context: str) -> Question:
    """Returns a question whose answer nobody has labelled."""
    return Question(id="", question=question, context=context, answers=())


def _describe(student: Student, case: Case, seq_lens: tuple[int, ...]) -> dict[str, Any]:
    example = case.example
    encoded = spans.encode(
        example, tokenizer=student.tokenizer, input_names=INPUTS, seq_lens=seq_lens
    )
    outputs = [
        {name: np.round(logits.astype(np.float64), LOGIT_DIGITS) for name, logits in each.items()}
        for each in case.outputs
    ]
    answer = spans.decode(encoded, outputs)
    return {
        "question": example.question,
        "context": example.context,
        "seq_lens": seq_lens,
        "windows": [
            {
                **{name: rows[0].tolist() for name, rows in window.inputs.items()},
                "first": window.first,
                "offsets": window.offsets,
                **{name: logits[0].tolist() for name, logits in output.items()},
            }
            for window, output in zip(encoded.rows, outputs, strict=True)
        ],
        "answer": student.task.stated(encoded, answer),
    }


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
