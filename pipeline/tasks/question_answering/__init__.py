"""Extractive question answering: the answer is a span of a context."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from converters.values.errors import InputError
from pipeline.bundle.vectors import Value
from pipeline.on_device import question_answering as on_device
from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.on_device.wordpiece import utf16_offsets
from pipeline.tasks.question_answering import spans, squad
from pipeline.tasks.question_answering.marks import mark
from pipeline.tasks.question_answering.spans import OUTPUT_NAMES, RULES, Answer
from pipeline.tasks.question_answering.squad import Example, Question
from pipeline.tasks.question_answering.task_library import SpanLibrary
from pipeline.tasks.task import (
    Encoded,
    Kind,
    Outputs,
    OutputSpec,
    Piece,
    Score,
    Task,
    TaskOptions,
)  # fmt: skip

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig

    from pipeline.bundle.manifest import Manifest


@dataclass(frozen=True, kw_only=True)
class QuestionAnswering(Task):
    """The task by some rules; see ``Task`` for what each function is for."""

    NAME = "question-answering"
    ARCHITECTURE_SUFFIX = "ForQuestionAnswering"
    NOUN = "question"
    EXAMPLE_ENDINGS = (".json",)
    SCORES = (Score(name="exact_match", title="exact match"), Score(name="f1", title="F1"))
    BUDGETED = SCORES[-1]
    LIKENESS = (
        Score(name="text_agreement", title="same text"),
        Score(name="answer_f1", title="F1 with the student's"),
    )
    DRIFT = ()
    MARGIN_LOGITS = 4  # a start and an end of each of two spans

    rules: SpanRules = RULES
    labels: tuple[str, ...] = ()

    @classmethod
    def of_config(cls, config: "PreTrainedConfig") -> Self:
        """Returns the task by the package's own rules."""
        if config.num_labels != len(OUTPUT_NAMES):
            raise InputError(
                f"the model has a head of {config.num_labels} outputs a token, and {cls.NAME} has "
                f"{len(OUTPUT_NAMES)}",
                hint="train the model with a head of its own for this task",
            )
        return cls()

    @classmethod
    def of_manifest(cls, manifest: "Manifest") -> Self:
        """Returns the task by a bundle's rules."""
        return cls(rules=manifest.read_rules(SpanRules))

    def with_options(self, options: TaskOptions) -> Self:
        """Refuses any: there is nothing to say."""
        for name, value in vars(options).items():
            if value is not None:
                raise InputError(
                    f"--{name.replace('_', '-')} says nothing of {self.NAME}",
                    hint="leave it out, or give a model that classifies texts",
                )
        return self

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """Returns a start and an end logit for each token."""
        return tuple(OutputSpec(name=name, per="token") for name in OUTPUT_NAMES)

    def on_device(self) -> on_device.QuestionAnswering:
        """Returns what an app does."""
        return on_device.QuestionAnswering(self.rules)

    @property
    def task_library(self) -> SpanLibrary:
        """Returns what Google's Task Library can be asked."""
        return SpanLibrary()

    def read_examples(self, path: Path) -> tuple[Example, ...]:
        """Reads questions from a file in SQuAD's layout, or of an example a line."""
        return squad.read_squad(path)

    def read_texts(self, path: Path) -> tuple[str, ...]:
        """Returns every question and context of such a file."""
        return squad.read_texts(path)

    def own_examples(self) -> tuple[Question, ...]:
        """Returns the questions that the package carries."""
        return squad.labelled_questions()

    def example_of(self, text: str, *, id: str) -> Question:
        """Returns a question that can be asked of any context."""
        return Question(id=id, question="Who?", context=text, answers=())

    def check_readable(self, example: Question, *, tokenizer: "Tokenizer") -> None:
        """Checks that question and context can be read."""
        spans.check_readable(example, tokenizer=tokenizer, rules=self.rules)

    def encode(
        self,
        example: Question,
        *,
        tokenizer: "Tokenizer",
        input_names: tuple[str, ...],
        seq_lens: tuple[int, ...],
    ) -> Encoded:
        """Cuts a question and its context into windows."""
        return spans.encode(
            example, tokenizer=tokenizer, input_names=input_names, seq_lens=seq_lens,
            rules=self.rules,
        )  # fmt: skip

    def decode(self, encoded: Encoded, outputs: Sequence[Outputs]) -> Answer:
        """Returns the best span over all windows."""
        return spans.decode(encoded, outputs, rules=self.rules)

    def same(self, one: Answer, other: Answer) -> bool:
        """Returns whether two spans are one."""
        return (one.start, one.end) == (other.start, other.end)

    def margin(
        self, encoded: Encoded, outputs: Sequence[Outputs], *, preferred: Answer, other: Answer
    ) -> float:
        """Returns by how many logits one span is ahead of another, in the best tokens of each."""
        return spans.margin(encoded, outputs, preferred=preferred, other=other, rules=self.rules)

    def likeness(self, answer: Answer, reference: Answer) -> dict[str, float]:
        """Returns the token F1 of two answers, and whether they are the same once normalized."""
        labels = (reference.text,)
        is_same = answer.text == reference.text  # two texts of no words have an F1 of zero
        return {
            "text_agreement": squad.exact_match(prediction=answer.text, answers=labels),
            "answer_f1": 1.0 if is_same else squad.f1(prediction=answer.text, answers=labels),
        }

    def worth(self, answer: Answer, example: Question) -> dict[str, float]:
        """Returns exact match and F1 of the span, whatever the model thinks of it."""
        return {
            "exact_match": squad.exact_match(prediction=answer.text, answers=example.answers),
            "f1": squad.f1(prediction=answer.text, answers=example.answers),
        }

    def scores(
        self, answers: Mapping[str, Answer], examples: Sequence[Example]
    ) -> dict[str, float]:
        """Returns exact match and F1 as SQuAD's scripts do; "no answer" counts where it may."""
        may_lack = {
            each.id for each in examples if isinstance(each, Question) and each.may_lack_answer
        }
        texts = {
            id_: "" if id_ in may_lack and answer.prefers_none else answer.text
            for id_, answer in answers.items()
        }
        score = squad.score(texts, examples)
        return {"exact_match": score.exact_match, "f1": score.f1}

    def drift(
        self, before: Sequence[Answer], after: Sequence[Answer], examples: Sequence[Question]
    ) -> dict[str, float]:
        """Returns nothing: what spans are worth says all."""
        return {}

    def kinds(self, examples: Sequence[Question]) -> tuple[Kind, ...]:
        """Returns the questions with an answer and those without, by the rules of SQuAD 2.0."""
        some = tuple(each for each in examples if each.answers)
        others = tuple(each for each in examples if not each.answers)
        if not others:
            return ()
        return (
            Kind(name="has_answer", about="with an answer", examples=some),
            Kind(name="no_answer", about="without an answer", examples=others),
        )

    def to_json(self, answer: Answer) -> dict[str, Value]:
        """Returns the text, its place in the context, and the score."""
        return {
            "text": answer.text, "start": answer.start, "end": answer.end, "score": answer.score,
        }  # fmt: skip

    def stated(self, encoded: Encoded, answer: Answer) -> dict[str, Value]:
        """Returns the same, with its place in UTF-16 units as well."""
        ((start, end),) = utf16_offsets(encoded.texts["context"], [(answer.start, answer.end)])
        return {**self.to_json(answer), "utf16_start": start, "utf16_end": end}

    def marked(
        self, texts: Mapping[str, str], *, reference: Answer, answer: Answer
    ) -> tuple[str, tuple[Piece, ...]]:
        """Returns the question, and the context near the spans."""
        spans = (reference.start, reference.end), (answer.start, answer.end)
        return texts["question"], mark(texts["context"], *spans)
