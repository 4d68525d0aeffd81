"""A toy task of two files: three numbers for a text, of which the largest is its mood."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from converters.values.errors import InputError
from pipeline.bundle.manifest import Manifest
from pipeline.bundle.vectors import Value
from pipeline.tasks.task import (
    Encoded,
    Kind,
    Outputs,
    OutputSpec,
    Piece,
    Row,
    Score,
    Task,
    TaskOptions,
)
from pipeline.tokenizer.tokenization import special_id
from tests.pipeline.tasks.toy_on_device import MoodOnDevice, MoodRules

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig

RULES = MoodRules(max_tokens=20)
TEXTS = (
    "The tower was lit in 1871, and everyone cheered.",
    "Rain fell on the island for nine days, and the road to the harbour was closed.",
    "Nobody came.",
    "The bridge is long and the river is wide, and the ferry that used to cross it, which had "
    "been slow and old, is now a museum of its own, near the station and the market.",
    "It was built by the engineer and paid for by the town.",
    "The keeper wrote a letter to his sister each week.",
)


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A text, and how it should be found."""

    id: str
    text: str
    label: str | None = None

    @property
    def texts(self) -> dict[str, str]:
        return {"text": self.text}

    @property
    def is_labelled(self) -> bool:
        return self.label is not None


@dataclass(frozen=True, kw_only=True)
class Mood:
    """One of the labels, and its number."""

    label: str
    value: float


@dataclass(frozen=True, kw_only=True)
class MoodTask(Task):
    """See ``Task`` for what each function is for."""

    NAME = "mood"
    ARCHITECTURE_SUFFIX = "ForSequenceClassification"
    NOUN = "sentence"
    EXAMPLE_ENDINGS = (".json",)
    SCORES = (Score(name="accuracy", title="accuracy"),)
    BUDGETED = SCORES[0]
    LIKENESS = (Score(name="same_mood", title="same mood"),)
    DRIFT = ()
    MARGIN_LOGITS = 2

    labels: tuple[str, ...]
    rules: MoodRules = RULES

    @classmethod
    def of_config(cls, config: "PreTrainedConfig") -> Self:
        return cls(labels=tuple(config.id2label[place] for place in range(config.num_labels)))

    @classmethod
    def of_manifest(cls, manifest: Manifest) -> Self:
        return cls(labels=manifest.task.labels, rules=manifest.read_rules(MoodRules))

    def with_options(self, options: TaskOptions) -> Self:
        return self

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        return (OutputSpec(name="logits", per="row", width=len(self.labels)),)

    @property
    def task_library(self) -> None:
        return None

    def on_device(self) -> MoodOnDevice:
        return MoodOnDevice(self.rules, self.labels)

    def read_examples(self, path: Path) -> tuple[Sentence, ...]:
        return tuple(Sentence(**json.loads(line)) for line in path.read_text().splitlines())

    def read_texts(self, path: Path) -> tuple[str, ...]:
        return tuple(each.text for each in self.read_examples(path))

    def own_examples(self) -> tuple[Sentence, ...]:
        return tuple(
            Sentence(id=str(place), text=text, label=self.labels[place % len(self.labels)])
            for place, text in enumerate(TEXTS)
        )

    def example_of(self, text: str, *, id: str) -> Sentence:
        return Sentence(id=id, text=text)

    def check_readable(self, example: Sentence, *, tokenizer: "Tokenizer") -> None:
        if not tokenizer.encode(example.text, add_special_tokens=False).ids:
            raise InputError("the text holds no token", hint="give one with words")

    def encode(
        self,
        example: Sentence,
        *,
        tokenizer: "Tokenizer",
        input_names: tuple[str, ...],
        seq_lens: tuple[int, ...],
    ) -> Encoded:
        self.check_readable(example, tokenizer=tokenizer)
        text = tokenizer.encode(example.text, add_special_tokens=False)
        most = min(self.rules.max_tokens, seq_lens[-1] - 2)
        ids = [
            special_id(tokenizer, "[CLS]"), *text.ids[:most], special_id(tokenizer, "[SEP]"),
        ]  # fmt: skip
        seq_len = next(length for length in seq_lens if length >= len(ids))
        inputs = {name: np.zeros((1, seq_len), np.int32) for name in input_names}
        inputs["input_ids"][:] = special_id(tokenizer, "[PAD]")
        inputs["input_ids"][0, : len(ids)] = ids
        inputs["attention_mask"][0, : len(ids)] = 1
        row = Row(inputs=inputs, first=1, offsets=tuple(text.offsets[:most]))
        cut = (f"{len(text.ids) - most} tokens are not read",) * (len(text.ids) > most)
        return Encoded(texts=example.texts, rows=(row,), remarks=cut)

    def decode(self, encoded: Encoded, outputs: Sequence[Outputs]) -> Mood:
        (values,) = outputs[0]["logits"]
        place = int(np.argmax(values))
        return Mood(label=self.labels[place], value=float(values[place]))

    def same(self, one: Mood, other: Mood) -> bool:
        return one.label == other.label

    def margin(
        self, encoded: Encoded, outputs: Sequence[Outputs], *, preferred: Mood, other: Mood
    ) -> float:
        (values,) = outputs[0]["logits"]
        ahead, behind = (values[self.labels.index(each.label)] for each in (preferred, other))
        return float(ahead - behind)

    def likeness(self, answer: Mood, reference: Mood) -> dict[str, float]:
        return {"same_mood": float(self.same(answer, reference))}

    def worth(self, answer: Mood, example: Sentence) -> dict[str, float]:
        return {"accuracy": float(answer.label == example.label)}

    def scores(self, answers: Mapping[str, Mood], examples: Sequence[Sentence]) -> dict[str, float]:
        right = sum(
            each.id in answers and answers[each.id].label == each.label for each in examples
        )
        return {"accuracy": 100 * right / len(examples)}

    def drift(
        self, before: Sequence[Mood], after: Sequence[Mood], examples: Sequence[Sentence]
    ) -> dict[str, float]:
        return {}

    def kinds(self, examples: Sequence[Sentence]) -> tuple[Kind, ...]:
        return ()

    def to_json(self, answer: Mood) -> dict[str, Value]:
        return {"label": answer.label, "value": answer.value}

    def stated(self, encoded: Encoded, answer: Mood) -> dict[str, Value]:
        return self.to_json(answer)

    def marked(
        self, texts: Mapping[str, str], *, reference: Mood, answer: Mood
    ) -> tuple[str, tuple[Piece, ...]]:
        return f"{reference.label}, and here {answer.label}", (Piece(text=texts["text"]),)
