"""What a task is: the protocol that each keeps to, and the values that all of them hand on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, Self

import numpy as np
from pydantic import BaseModel

from pipeline.bundle.vectors import Value

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig

    from pipeline.bundle.manifest import Manifest
    from pipeline.on_device.task import DeviceTask
    from pipeline.tasks.task_library import NumbersLibrary, WordsLibrary

Outputs = Mapping[str, np.ndarray]
"""Of one row, by name."""


class Example(Protocol):
    """One labelled example; each task has its own kind."""

    @property
    def id(self) -> str:
        """Names it; unique within a file."""
        ...

    @property
    def texts(self) -> Mapping[str, str]:
        """Its texts by name, as a row holds them; the last is the one that may be long."""
        ...

    @property
    def is_labelled(self) -> bool:
        """Whether anybody has said what counts as right."""
        ...


@dataclass(frozen=True, kw_only=True)
class Unreadable:
    """A labelled example that cannot be asked, and so counts as answered wrongly.

    Attributes:
        id: its name in the file, or its place there where it has none.
        reason: what is wrong with it, in words.
    """

    id: str
    reason: str


def long_text(example: Example) -> str:
    """Returns the one of its texts that may be longer than a row."""
    return list(example.texts.values())[-1]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of input: ``[CLS] text [SEP]`` or ``[CLS] text [SEP] text [SEP]``, padded.

    Attributes:
        inputs: Every input by name, ``(1, seq_len) int32``.
        first: Position of the first token of the long text.
        offsets: For each token of the long text in the row, its ``(start, end)`` in that, in
            characters (Unicode code points).
    """

    inputs: dict[str, np.ndarray]
    first: int
    offsets: tuple[tuple[int, int], ...]

    @property
    def seq_len(self) -> int:
        """Tokens in the row, padding included."""
        return int(self.inputs["input_ids"].shape[1])

    @property
    def num_tokens(self) -> int:
        """Tokens in the row, padding not included."""
        return int(self.inputs["attention_mask"].sum())


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """An example as rows of input.

    Attributes:
        texts: Of the example.
        remarks: In words, what of it no row holds.
    """

    texts: Mapping[str, str]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()

    @property
    def is_cut(self) -> bool:
        """Whether a part of it is in no row."""
        return bool(self.remarks)


@dataclass(frozen=True, kw_only=True)
class OutputSpec:
    """One output of a student.

    Attributes:
        name: As Transformers has it in what the model returns.
        per: Whether there is one for each token, or one for the row.
        width: Numbers of each.
        means: What the numbers that count are the logits of: one distribution over all of them,
            one of yes and no for each, or none, where they are numbers as they are.
    """

    name: str
    per: Literal["token", "row"]
    width: int = 1
    means: Literal["one of all", "each by itself", "numbers"] = "one of all"

    def shape(self, seq_len: int) -> tuple[int, ...]:
        """Returns the shape for a row; one number a token has no axis of its own."""
        if self.per == "row":
            return (1, self.width)
        return (1, seq_len) if self.width == 1 else (1, seq_len, self.width)

    def real(self, values: np.ndarray, num_tokens: int) -> np.ndarray:
        """Returns what counts of an output of that shape: the row's own, or that of its tokens.

        Args:
            values: The output.
            num_tokens: In the row, padding not included.
        """
        return values[0] if self.per == "row" else values[0, :num_tokens]


@dataclass(frozen=True, kw_only=True)
class Score:
    """One figure that tells how good answers are: its name in JSON, and for people."""

    name: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Kind:
    """Some of the examples of a file, whose scores are told apart as well.

    Attributes:
        name: In JSON.
        about: For people: ``with an answer``.
    """

    name: str
    about: str
    examples: tuple[Any, ...]


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A piece of a text, and whose answer it is part of."""

    text: str
    is_reference: bool = False
    is_answer: bool = False


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a student says of one thing, and what an artifact says of it: a label's probability."""

    name: str
    before: float
    after: float


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A table of how often what was answered to examples whose labels are known.

    Attributes:
        num_examples: That were counted.
        rows: What people said.
        columns: What was answered.
        cells: For each row, for each column, how often.
        is_right: For each row, for each column, whether that is as it should be.
    """

    num_examples: int
    rows: tuple[str, ...]
    columns: tuple[str, ...]
    cells: tuple[tuple[int, ...], ...]
    is_right: tuple[tuple[bool, ...], ...]


@dataclass(frozen=True, kw_only=True)
class TaskOptions:
    """What a user says of a task beside what the checkpoint says; None for what nobody has said.

    Attributes:
        pair: Whether an example is of two texts.
        long_text: What becomes of a text that a row does not hold: ``truncate`` or ``windows``.
    """

    pair: bool | None = None
    long_text: str | None = None


NO_OPTIONS = TaskOptions()


class Task(Protocol):
    """A task as one model has it; what it makes of texts and outputs depends on nothing else.

    Examples and answers are of the task's own types, which nobody else looks into. Names in
    capitals are constants of a model: where the kind of problem decides, a property gives them.

    Attributes:
        NAME: In manifests and options.
        ARCHITECTURE_SUFFIX: How the architecture's name ends, as ``ForQuestionAnswering``.
        NOUN: What an example is called where people read, as ``question``.
        EXAMPLE_ENDINGS: How the names of files of examples end, in lower case; a corpus of another
            name is plain text.
        rules: As a manifest states them.
        labels: A classifier's, by their place in its output; empty for other tasks.
    """

    NAME: ClassVar[str]
    ARCHITECTURE_SUFFIX: ClassVar[str]
    NOUN: ClassVar[str]
    EXAMPLE_ENDINGS: ClassVar[tuple[str, ...]]

    @property
    def SCORES(self) -> tuple[Score, ...]:  # noqa: N802
        """In the order in which they are shown."""
        ...

    @property
    def BUDGETED(self) -> Score:  # noqa: N802
        """The one whose loss a budget limits."""
        ...

    @property
    def LIKENESS(self) -> tuple[Score, ...]:  # noqa: N802
        """What tells how alike two answers are, 0 to 1; the last says which input is worse."""
        ...

    @property
    def DRIFT(self) -> tuple[Score, ...]:  # noqa: N802
        """What else tells how far answers have moved, over all examples together."""
        ...

    @property
    def MARGIN_LOGITS(self) -> int:  # noqa: N802
        """How many logits a margin adds up, which says how noisy it is."""
        ...

    rules: BaseModel
    labels: tuple[str, ...]

    # What a model has of it

    @classmethod
    def of_config(cls, config: "PreTrainedConfig") -> Self:
        """Returns the task as a checkpoint has it.

        Raises:
            InputError: Its head is not one of this task.
        """
        ...

    @classmethod
    def of_manifest(cls, manifest: "Manifest") -> Self:
        """Returns the task as a bundle has it.

        Raises:
            ManifestDamagedError: A rule is unknown, missing or out of its bounds.
        """
        ...

    def with_options(self, options: TaskOptions) -> Self:
        """Returns the task with what a user says of it.

        Raises:
            InputError: It has no such option.
        """
        ...

    @property
    def outputs(self) -> tuple[OutputSpec, ...]:
        """What the model gives for a row."""
        ...

    def on_device(self) -> "DeviceTask":
        """Returns the same task as an app has it, in plain Python."""
        ...

    @property
    def task_library(self) -> "WordsLibrary | NumbersLibrary | None":
        """What Google's Task Library can be asked; None where it has nothing for the task."""
        ...

    # Examples

    def read_examples(self, path: Path) -> tuple[Any, ...]:
        """Reads labelled examples, ``Unreadable`` ones among them, from a file of the user's.

        Raises:
            InputError: It is absent, or of another layout.
        """
        ...

    def read_texts(self, path: Path) -> tuple[str, ...]:
        """Returns every text of such a file, of examples without labels, too.

        Raises:
            InputError: It is absent, or of another layout.
        """
        ...

    def own_examples(self) -> tuple[Any, ...]:
        """Returns the labelled examples that the package carries."""
        ...

    def example_of(self, text: str, *, id: str) -> Any:
        """Returns an example without a label whose long text this is."""
        ...

    def check_readable(self, example: Any, *, tokenizer: "Tokenizer") -> None:
        """Checks that an example can be encoded, at whatever length.

        Raises:
            InputError: It cannot.
        """
        ...

    # From texts to rows, and from outputs to answers

    def encode(
        self,
        example: Any,
        *,
        tokenizer: "Tokenizer",
        input_names: tuple[str, ...],
        seq_lens: tuple[int, ...],
    ) -> Encoded:
        """Turns an example into rows, each at the smallest length that holds it.

        Args:
            example: Of this task.
            tokenizer: A WordPiece tokenizer with truncation and padding switched off.
            input_names: ``input_ids``, ``attention_mask`` and perhaps ``token_type_ids``.
            seq_lens: The lengths to choose from, ascending.

        Raises:
            InputError: It cannot be read.
        """
        ...

    def decode(self, encoded: Encoded, outputs: Sequence[Outputs]) -> Any:
        """Returns the answer that the outputs of all rows give."""
        ...

    def same(self, one: Any, other: Any) -> bool:
        """Returns whether two answers to one example say the same, scores aside."""
        ...

    def margin(
        self, encoded: Encoded, outputs: Sequence[Outputs], *, preferred: Any, other: Any
    ) -> float:
        """Returns by how many logits one answer is ahead of another, in these outputs."""
        ...

    # What answers are worth

    def likeness(self, answer: Any, reference: Any) -> dict[str, float]:
        """Returns ``LIKENESS`` of two answers to one example, 0 to 1."""
        ...

    def worth(self, answer: Any, example: Any) -> dict[str, float]:
        """Returns an answer's part in those of ``SCORES`` that are means over examples, 0 to 1.

        Zeros where the example has no label.
        """
        ...

    def scores(self, answers: Mapping[str, Any], examples: Sequence[Any]) -> dict[str, float]:
        """Returns ``SCORES`` in per cent, as the field's own script gives them.

        Args:
            answers: By the id of their example.
            examples: Those that count, ``Unreadable`` ones among them. One that has no answer
                counts as answered wrongly.

        Raises:
            InputError: There are no examples.
        """
        ...

    def drift(
        self, before: Sequence[Any], after: Sequence[Any], examples: Sequence[Any]
    ) -> dict[str, float]:
        """Returns ``DRIFT`` of all answers of a student and of an artifact; some may be left out.

        Args:
            before: The student's, one for each example.
            after: The artifact's.
            examples: Labelled or not.
        """
        ...

    def kinds(self, examples: Sequence[Any]) -> tuple[Kind, ...]:
        """Returns the kinds of examples whose scores are told apart; none where there is one."""
        ...

    def badness(self, likeness: Mapping[str, float], *, outcome: str) -> tuple[float, ...]:
        """Returns what orders examples by how badly they fare; one that is larger is worse.

        Unless a task says otherwise, another answer is worse than any that is the same.

        Args:
            likeness: Of the two answers, as ``likeness`` gives it.
            outcome: Whether they are the ``same``, a ``near tie``, or the answer is ``changed``.
        """
        far = 1 - likeness[self.LIKENESS[-1].name]
        return outcome == "changed", outcome == "near tie", far

    def counts(
        self, before: Sequence[Any], after: Sequence[Any], examples: Sequence[Any]
    ) -> tuple[Counts, Counts] | None:
        """Returns how often what was answered by a student and by an artifact, in like tables.

        None, as unless a task says otherwise, where there is nothing to count.

        Args:
            before: The student's answers, one for each example.
            after: The artifact's.
            examples: Labelled or not.
        """
        del before, after, examples
        return None

    # How answers are shown

    def changes(self, reference: Any, answer: Any) -> tuple[Change, ...]:
        """Returns how far the numbers of an answer are from a student's, the farthest first.

        None, unless a task says otherwise.
        """
        del reference, answer
        return ()

    def to_json(self, answer: Any) -> dict[str, Any]:
        """Returns an answer as ``--json`` prints it."""
        ...

    def stated(self, encoded: Encoded, answer: Any) -> Mapping[str, Value | None]:
        """Returns an answer as ``vectors.json`` states it, which is what apps come to."""
        ...

    def marked(
        self, texts: Mapping[str, str], *, reference: Any, answer: Any
    ) -> tuple[str, tuple[Piece, ...]]:
        """Returns a heading for an example, and its long text with both answers marked."""
        ...
