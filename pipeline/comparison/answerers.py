"""What of a bundle answers here, and how its examples become rows."""

from collections.abc import Sequence
from dataclasses import dataclass

from converters.values.artifact import Artifact
from pipeline.bundle.open import Bundle
from pipeline.comparison import runtimes
from pipeline.comparison.runtimes import PYTORCH, Skipped
from pipeline.student import reference
from pipeline.student.load import Student
from pipeline.student.reference import ReferenceNotFoundError
from pipeline.tasks import task_of_bundle
from pipeline.tasks.task import Encoded, Example
from pipeline.tokenizer.tokenization import bundle_tokenizer


class Reader:
    """Makes examples into the rows that a bundle's artifacts take."""

    def __init__(self, opened: Bundle) -> None:
        """Opens what the bundle says of its task and tokenizer."""
        self.task = task_of_bundle(opened.manifest)
        self._tokenizer = bundle_tokenizer(opened.folder, opened.manifest.tokenizer)
        self._artifact = opened.artifacts[0]

    def encode(self, example: Example) -> Encoded:
        """Returns an example's rows.

        Raises:
            InputError: It cannot be read.
        """
        return self.task.encode(
            example,
            tokenizer=self._tokenizer,
            input_names=tuple(spec.name for spec in self._artifact.inputs),
            seq_lens=self._artifact.seq_lens,
        )


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What answers, and what does not.

    Attributes:
        student: In PyTorch; None where it is not to answer, or was not found.
        pairs: Artifacts, each with a runtime.
    """

    student: Student | None
    pairs: list[tuple[Artifact, str]]
    skipped: list[Skipped]


def choose(opened: Bundle, *, named_reference: str | None, names: Sequence[str]) -> Chosen:
    """Returns what of a bundle answers here; the arguments are those of ``ask``.

    Raises:
        PocketBertError: There is nothing here that answers.
    """
    pairs, skipped = runtimes.choose(names, opened.artifacts)
    student = None
    if not names or PYTORCH in names:
        try:
            student = reference.find(opened, named=named_reference)
        except ReferenceNotFoundError as err:
            skipped.insert(0, Skipped(runtime=PYTORCH, reason=f"{err.message}; {err.hint}"))
    if student is None and not pairs:
        raise runtimes.nothing_ran(skipped)
    return Chosen(student=student, pairs=pairs, skipped=skipped)
