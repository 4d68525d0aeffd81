"""What a port of text classification is tested with, of every kind of problem.

Logits are drawn by chance, ties and numbers that overflow a float among them, and written with few
decimals; the answers are those of the numbers as written.
"""

import random
from collections.abc import Iterator, Sequence
from typing import Any, get_args

import numpy as np
from tokenizers import Tokenizer

from pipeline.bundle.manifest_parts import TaskPart
from pipeline.on_device.text_classification.rules import ClassificationRules, LongText, ProblemType
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText

INPUTS = ("input_ids", "attention_mask", "token_type_ids")
LABELS = ("bad", "so-so", "good", "très bien 👍")
_DECIMALS = 4

_LOGITS = (
    lambda chance: chance.gauss(0, 3),
    lambda chance: float(chance.randint(-1, 1)),  # ties
    lambda chance: chance.choice((-800.0, 0.0, 800.0)),
)


def describe_labels(
    tokenizer: Tokenizer, texts: Sequence[str], seq_lens: Sequence[tuple[int, ...]]
) -> Iterator[dict[str, Any]]:
    """Yields examples of every kind of problem, with all that follows of them.

    Args:
        tokenizer: Cuts the texts into tokens.
        texts: At least two, each with a token that it knows, short and long.
        seq_lens: Lengths that rows are made for; each example takes the next.
    """
    chance = random.Random(0)
    turns = 0
    for problem in get_args(ProblemType):
        for pair in (False, True):
            for long_text in get_args(LongText):
                task = _task(problem, pair, long_text)
                for text in texts:
                    other = chance.choice(texts) if pair else None
                    example = LabelledText(id="", text=text, text_pair=other)
                    lengths = seq_lens[turns % len(seq_lens)]
                    yield _describe(task, example, tokenizer, lengths, chance)
                    turns += 1


def _task(problem: ProblemType, pair: bool, long_text: LongText) -> TextClassification:
    stated = {
        "problem_type": problem, "pair": pair, "long_text": long_text,
        "window_overlap_tokens": 5, "max_first_tokens": 7, "threshold": 0.4,
    }  # fmt: skip
    rules = ClassificationRules.model_validate({**RULES.model_dump(), **stated})
    return TextClassification(rules=rules, labels=() if problem == "regression" else LABELS)


def _describe(
    task: TextClassification,
    example: LabelledText,
    tokenizer: Tokenizer,
    seq_lens: tuple[int, ...],
    chance: random.Random,
) -> dict[str, Any]:
    encoded = task.encode(example, tokenizer=tokenizer, input_names=INPUTS, seq_lens=seq_lens)
    draw = chance.choice(_LOGITS)
    (spec,) = task.outputs
    outputs = [
        {"logits": np.array([[round(draw(chance), _DECIMALS) for _ in range(spec.width)]])}
        for _ in encoded.rows
    ]
    part = TaskPart(name=task.NAME, rules=task.rules.model_dump(), labels=task.labels)
    return {
        "task": part.model_dump(),
        "texts": example.texts,
        "seq_lens": seq_lens,
        "is_cut": encoded.is_cut,
        "rows": [
            {
                **{name: rows[0].tolist() for name, rows in row.inputs.items()},
                "first": row.first,
                "offsets": row.offsets,
                "logits": output["logits"][0].tolist(),
            }
            for row, output in zip(encoded.rows, outputs, strict=True)
        ],
        "answer": task.stated(encoded, task.decode(encoded, outputs)),
    }
