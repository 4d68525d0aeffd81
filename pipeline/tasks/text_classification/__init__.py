"""Text classification: a label, several, or a number for one text or two."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, get_args

from converters.values.errors import InputError
from pipeline.bundle.vectors import Value
from pipeline.on_device import text_classification as on_device
from pipeline.on_device.text_classification.rules import ClassificationRules, LongText
from pipeline.tasks.task import (
    Change,
    Counts,
    Encoded,
    Kind,
    Outputs,
    OutputSpec,
    Piece,
    Score,
    Task,
    TaskOptions,
    Unreadable,
)  # fmt: skip
from pipeline.tasks.text_classification import answers, confusion, encoding, figures, heads
from pipeline.tasks.text_classification.answers import Labels
from pipeline.tasks.text_classification.labelled import (
    Labelled,
    LabelledText,
    Scheme,
    read_labelled,
)  # fmt: skip
from pipeline.tasks.text_classification.own_texts import own_texts
from pipeline.tasks.text_classification.task_library import LabelLibrary

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig

    from pipeline.bundle.manifest import Manifest

RULES = ClassificationRules(
    problem_type="single_label_classification",
    pair=False,
    long_text="truncate",
    window_overlap_tokens=128,
    max_first_tokens=64,
    threshold=0.5,
    max_text_characters=200_000,  # some 50,000 tokens, and a few hundred windows for each runtime
    max_unknown_share=0.5,
)
"""What a checkpoint does not say for itself."""

_FIRST_OF_PAIR = "Is this said of it?"
"""Goes before any second text."""


@dataclass(frozen=True, kw_only=True)
class TextClassification(Task):
    """The task by some rules and labels; see ``Task`` for what each function is for."""

    NAME = "text-classification"
    ARCHITECTURE_SUFFIX = "ForSequenceClassification"
    NOUN = "text"
    EXAMPLE_ENDINGS = (".tsv", ".csv", ".jsonl", ".json")  # the last is refused, with the others

    rules: ClassificationRules = RULES
    labels: tuple[str, ...] = ()

    @property
    def SCORES(self) -> tuple[Score, ...]:  # noqa: N802
        """Returns accuracy and F1, or correlations, as the kind of problem has them."""
        return figures.scores_of(self.rules.problem_type, num_labels=len(self.labels))

    @property
    def BUDGETED(self) -> Score:  # noqa: N802
        """Returns the first of the scores."""
        return self.SCORES[0]

    @property
    def LIKENESS(self) -> tuple[Score, ...]:  # noqa: N802
        """Returns whether the labels are the same, and how near the scores are."""
        if self._is_number:
            return (Score(name="number_likeness", title="nearness of the number"),)
        return (
            Score(name="label_agreement", title="same labels"),
            Score(name="probability_likeness", title="nearness of probabilities"),
        )

    @property
    def DRIFT(self) -> tuple[Score, ...]:  # noqa: N802
        """Returns the moves of probabilities, and the calibration error before and after."""
        return () if self._is_number else (*figures.MOVES, *figures.CALIBRATION)

    @property
    def MARGIN_LOGITS(self) -> int:  # noqa: N802
        """Returns how many logits a margin adds up.

        The two logits that part two labels are often each other's opposites, so their errors do not
        average out: they count as four. Of several labels it is one logit, and of many examples
        the median hides that some labels are noisier than others: two. A number is neither right
        nor wrong; it is another where it is off by eight times as much as is usual.
        """
        return {
            "single_label_classification": 4, "multi_label_classification": 2, "regression": 16,
        }[self.rules.problem_type]  # fmt: skip

    @property
    def _is_number(self) -> bool:
        return self.rules.problem_type == "regression"

    @property
    def _is_one(self) -> bool:
        return self.rules.problem_type == "single_label_classification"

    # What a model has of it

    @classmethod
    def of_config(cls, config: "PreTrainedConfig") -> Self:
        """Returns the task as a checkpoint's configuration has it."""
        problem = heads.problem_of(config)
        labels = () if problem == "regression" else heads.labels_of(config)
        stated = {"problem_type": problem, "pair": heads.takes_pair(config)}
        return cls(rules=RULES.model_copy(update=stated), labels=labels)

    @classmethod
    def of_manifest(cls, manifest: "Manifest") -> Self:
        """Returns the task by a bundle's rules and labels."""
        rules = manifest.read_rules(ClassificationRules)
        on_device.check_labels(manifest.task.labels, rules=rules)
        return cls(rules=rules, labels=manifest.task.labels)

    def with_options(self, options: TaskOptions) -> Self:
        """Returns the task of pairs, or with windows, where that was said."""
        stated = {name: value for name, value in vars(options).items() if value is not None}
        if options.long_text not in (None, *get_args(LongText)):
            raise InputError(
                f"--long-text {options.long_text} is not known",
                hint=f"choose {' or '.join(get_args(LongText))}",
            )
        rules = ClassificationRules.model_validate({**self.rules.model_dump(), **stated})
        return replace(self, rules=rules)

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """Returns a logit for each label, or a number."""
        means = {
            "single_label_classification": "one of all",
            "multi_label_classification": "each by itself",
            "regression": "numbers",
        }[self.rules.problem_type]
        width = max(1, len(self.labels))
        return (OutputSpec(name="logits", per="row", width=width, means=means),)  # type: ignore[arg-type]

    def on_device(self) -> on_device.TextClassification:
        """Returns what an app does."""
        return on_device.TextClassification(self.rules, self.labels)

    @property
    def task_library(self) -> LabelLibrary:
        """Returns what Google's Task Library can be asked."""
        return LabelLibrary(rules=self.rules, labels=self.labels)

    # Examples

    @property
    def _scheme(self) -> Scheme:
        return Scheme(
            problem_type=self.rules.problem_type, labels=self.labels, pair=self.rules.pair
        )

    def read_examples(self, path: Path) -> tuple[Labelled, ...]:
        """Reads labelled texts from a table, or from an object in JSON a line."""
        return read_labelled(path, scheme=self._scheme)

    def read_texts(self, path: Path) -> tuple[str, ...]:
        """Returns every text of such a file, of rows without labels, too."""
        scheme = replace(self._scheme, pair=None)
        texts: list[str] = []
        for each in read_labelled(path, scheme=scheme, is_labelled=False):
            if isinstance(each, Unreadable):
                raise InputError(
                    f"{path.parent / each.id}: {each.reason}",
                    hint="correct the row, or take it out",
                )
            texts += each.texts.values()
        return tuple(dict.fromkeys(texts))

    def own_examples(self) -> tuple[LabelledText, ...]:
        """Returns the package's texts, labelled where the labels are of sentiment."""
        return own_texts(labels=self.labels, pair=self.rules.pair)

    def example_of(self, text: str, *, id: str) -> LabelledText:
        """Returns the text by itself, or behind a short one."""
        if self.rules.pair:
            return LabelledText(id=id, text=_FIRST_OF_PAIR, text_pair=text)
        return LabelledText(id=id, text=text)

    def check_readable(self, example: LabelledText, *, tokenizer: "Tokenizer") -> None:
        """Checks that there are as many texts as the model takes, and that it can read each."""
        encoding.check_readable(example, tokenizer=tokenizer, rules=self.rules)

    # From texts to rows, and from outputs to answers

    def encode(
        self,
        example: LabelledText,
        *,
        tokenizer: "Tokenizer",
        input_names: tuple[str, ...],
        seq_lens: tuple[int, ...],
    ) -> Encoded:
        """Fits an example into one row, or cuts its last text into windows."""
        return encoding.encode(
            example, tokenizer=tokenizer, input_names=input_names, seq_lens=seq_lens,
            rules=self.rules,
        )  # fmt: skip

    def decode(self, encoded: Encoded, outputs: Sequence[Outputs]) -> Labels:
        """Returns the labels, with the means over windows."""
        return answers.decode(outputs, rules=self.rules)

    def same(self, one: Labels, other: Labels) -> bool:
        """Returns whether the labels are the same, or the numbers nearly so."""
        return answers.same(one, other, rules=self.rules)

    def margin(
        self, encoded: Encoded, outputs: Sequence[Outputs], *, preferred: Labels, other: Labels
    ) -> float:
        """Returns by how many logits some labels are ahead of others."""
        return answers.margin(outputs, preferred=preferred, other=other, rules=self.rules)

    # What answers are worth

    def likeness(self, answer: Labels, reference: Labels) -> dict[str, float]:
        """Returns whether the labels are the same, and one less the largest move of a score."""
        far = max(
            abs(one - other) for one, other in zip(answer.scores, reference.scores, strict=True)
        )
        if self._is_number:
            return {"number_likeness": 1 / (1 + far)}
        return {
            "label_agreement": float(self.same(answer, reference)),
            "probability_likeness": 1 - far,
        }

    def worth(self, answer: Labels, example: LabelledText) -> dict[str, float]:
        """Returns whether all labels are right."""
        if self._is_number:
            return {}
        name = "accuracy" if self._is_one else "exact_match"
        is_right = answer.is_finite and example.labels is not None
        is_right = is_right and self._names(answer) == example.labels
        return {name: float(is_right)}

    def _names(self, answer: Labels) -> tuple[str, ...]:
        return tuple(self.labels[place] for place in answer.places)

    def scores(
        self, answers: Mapping[str, Labels], examples: Sequence[Labelled]
    ) -> dict[str, float]:
        """Returns what scikit-learn and SciPy make of the answers."""
        return figures.score(answers, examples, labels=self.labels, rules=self.rules)

    def drift(
        self, before: Sequence[Labels], after: Sequence[Labels], examples: Sequence[LabelledText]
    ) -> dict[str, float]:
        """Returns the moves of all probabilities, and calibration on the labelled examples."""
        if self._is_number:
            return {}
        found = figures.moves(before, after)
        places = [place for place, each in enumerate(examples) if each.is_labelled]
        if places:
            for score, given in zip(figures.CALIBRATION, (before, after), strict=True):
                found[score.name] = figures.calibration_error(
                    [given[place] for place in places],
                    [examples[place] for place in places],
                    labels=self.labels,
                    rules=self.rules,
                )
        return found

    def badness(self, likeness: Mapping[str, float], *, outcome: str) -> tuple[float, ...]:
        """Returns how far the scores have moved: an app may feel that before any label turns."""
        alike = likeness[self.LIKENESS[-1].name]
        return (math.inf if math.isnan(alike) else 1 - alike,)

    def counts(
        self, before: Sequence[Labels], after: Sequence[Labels], examples: Sequence[LabelledText]
    ) -> tuple[Counts, Counts] | None:
        """Returns the confusion of labels; None of numbers, or where nothing is labelled."""
        return confusion.count(before, after, examples, labels=self.labels, rules=self.rules)

    def kinds(self, examples: Sequence[LabelledText]) -> tuple[Kind, ...]:
        """Returns none: all examples count alike."""
        return ()

    # How answers are shown

    def changes(self, reference: Labels, answer: Labels) -> tuple[Change, ...]:
        """Returns the probabilities of both, or the number."""
        names = ("number",) if self._is_number else self.labels
        changes = [
            Change(name=name, before=before, after=after)
            for name, before, after in zip(names, reference.scores, answer.scores, strict=True)
        ]
        return tuple(sorted(changes, key=lambda each: -abs(each.after - each.before)))

    def to_json(self, answer: Labels) -> dict[str, Any]:
        """Returns the labels with their scores, the likeliest first, or the number."""
        if self._is_number:
            return {"score": answer.scores[0]}
        places = sorted(range(len(self.labels)), key=lambda place: -answer.scores[place])
        return {
            "labels": [
                {"label": self.labels[place], "score": answer.scores[place]} for place in places
            ]
        }

    def stated(self, encoded: Encoded, answer: Labels) -> dict[str, Value | None]:
        """Returns the labels by name with all scores by place, or the number."""
        if self._is_number:
            return {"score": answer.scores[0] if answer.is_finite else None}
        name = "label" if self._is_one else "labels"
        if not answer.is_finite:
            return {name: None, "scores": None}
        names = self._names(answer)
        return {name: names[0] if self._is_one else names, "scores": answer.scores}

    def marked(
        self, texts: Mapping[str, str], *, reference: Labels, answer: Labels
    ) -> tuple[str, tuple[Piece, ...]]:
        """Returns both answers in words, and the text, or both."""
        heading = f"{self.said(reference)}; here {self.said(answer)}"
        return heading, (Piece(text=" / ".join(texts.values())),)

    def said(self, answer: Labels) -> str:
        """Returns an answer in a few words: the labels with their probabilities, or the number."""
        if not answer.is_finite:
            return "no answer"
        if self._is_number:
            return f"{answer.scores[0]:.3f}"
        named = [f"{self.labels[place]} {answer.scores[place]:.3f}" for place in answer.places]
        return ", ".join(named) or "no label"
