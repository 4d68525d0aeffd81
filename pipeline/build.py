"""The main path: from a student to a verified bundle."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from converters.conversion import BackendOptions
from converters.values.artifact import Artifact
from converters.values.program import TracedModel
from pipeline.bundle import atomic_folder, last_built
from pipeline.bundle.open import size_bytes
from pipeline.comparison import parity
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.task_library import variant
from pipeline.comparison.verdict import Parity
from pipeline.conversion.convert import Unbuilt, convert
from pipeline.conversion.recipe import Recipe, recipe_of
from pipeline.packing import checks
from pipeline.packing.made import Made, with_task_library
from pipeline.packing.write import write_bundle
from pipeline.quantization.budget import NO_BUDGET, Budget
from pipeline.quantization.kept import calibrated, quantized
from pipeline.quantization.quantizer import Quantizer
from pipeline.quantization.search import Step, search
from pipeline.running.run import Run
from pipeline.student import reference
from pipeline.student.load import Student, load
from pipeline.student.trace import check_seq_lens, trace
from pipeline.student.trim import Trimming, trim
from pipeline.tasks.examples import Given, read, sort_out
from pipeline.tasks.task import NO_OPTIONS, Example, Task, TaskOptions, Unreadable

DEFAULT_RECIPE = recipe_of("int8")
DEFAULT_SEQ_LENS = (384,)
_NUM_BELOW_LONGEST = 25
"""Examples at the shorter lengths, which share the weights and take many rows for an example: what
their graphs need. ``pocketbert parity`` asks all."""


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a build made, and what the parity check said of it.

    Attributes:
        task: The student's.
        made: The artifacts in the bundle's folder, and their verdicts.
        skipped: Runtimes that could not be asked, with the reason.
        unreadable: Examples that the student cannot be asked.
        remarks: Of what was asked for, what has no effect on an artifact, in words.
        trimming: What a smaller vocabulary has saved, where one was asked for.
        steps: What a search saw on its way, where one was asked for.
        reused: The stages whose results an earlier build had kept.
    """

    folder: Path
    task: Task
    made: Made
    skipped: tuple[Skipped, ...]
    unreadable: tuple[Unreadable, ...]
    remarks: tuple[str, ...]
    trimming: Trimming | None
    steps: tuple[Step, ...]
    reused: tuple[str, ...]
    seconds: float

    @property
    def artifacts(self) -> Sequence[Artifact]:
        """One for each backend."""
        return self.made.artifacts

    @property
    def unbuilt(self) -> Sequence[Unbuilt]:
        """Artifacts that are missing from the bundle, for they could not be built."""
        return self.made.unbuilt

    @property
    def task_library(self) -> Artifact | None:
        """The TFLite artifact again for Google's Task Library, where it was asked for."""
        return self.made.task_library

    @property
    def parity(self) -> Sequence[Parity]:
        """A verdict for each artifact in each runtime at each length."""
        return self.made.verdicts

    @property
    def passed(self) -> bool:
        """Whether every artifact was built, ran, and kept to its thresholds."""
        return not self.unbuilt and all(verdict.verdict == "pass" for verdict in self.parity)

    @property
    def sizes_bytes(self) -> dict[str, int]:
        """What the artifacts take, by backend."""
        return {each.backend: size_bytes(each.path) for each in self.artifacts}

    def to_json(self) -> dict[str, Any]:
        """Returns what ``--json`` prints."""
        content: dict[str, Any] = {
            "bundle": str(self.folder.resolve()),
            "seconds": round(self.seconds, 2),
            "artifacts": [
                {
                    "backend": artifact.backend,
                    "precision": artifact.precision,
                    "path": str(artifact.path.resolve()),
                    "size_bytes": self.sizes_bytes[artifact.backend],
                    "seq_lens": list(artifact.seq_lens),
                }
                for artifact in self.artifacts
            ],
            "parity": [each.to_json() for each in self.parity],
            "skipped": [asdict(each) for each in self.skipped],
            "reused": list(self.reused),
        }
        if self.task_library is not None:
            path = self.task_library.path.resolve()
            content["task_library"] = {"path": str(path), "size_bytes": size_bytes(path)}
        if self.trimming is not None:
            content["vocabulary"] = asdict(self.trimming)
        if self.remarks:
            content["remarks"] = list(self.remarks)
        if self.unreadable:
            content["unreadable"] = [asdict(each) for each in self.unreadable]
        if self.steps:
            content["steps"] = [each.to_json() for each in self.steps]
        return content


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What a bundle is to be; ``build`` says what each field means."""

    destination: Path
    backends: Sequence[str]
    recipe: Recipe | None
    budget: Budget
    seq_lens: tuple[int, ...]
    trim_corpus: Path | None
    compute_units: str | None
    for_task_library: bool
    key: Ed25519PrivateKey | None
    task_name: str | None
    task_options: TaskOptions


def build(
    model: str | None,
    *,
    destination: Path,
    backends: Sequence[str] = (),
    recipe: Recipe | None = DEFAULT_RECIPE,
    budget: Budget = NO_BUDGET,
    seq_lens: tuple[int, ...] = DEFAULT_SEQ_LENS,
    examples: Given = None,
    trim_corpus: Path | None = None,
    compute_units: str | None = None,
    for_task_library: bool = False,
    key: Ed25519PrivateKey | None = None,
    task_name: str | None = None,
    task_options: TaskOptions = NO_OPTIONS,
    run: Run,
) -> BuildResult:
    """Turns a student into artifacts, compares each with it, and writes the bundle.

    Args:
        model: A folder, a Hub id, or None for the student inside the package.
        destination: The bundle's folder. It appears when the bundle is whole; an earlier bundle
            there is replaced then.
        backends: What to build for; empty for all that are installed.
        recipe: What each weight is stored as, and whether activations are calibrated; None lets
            a search choose it under the budget.
        budget: What every artifact must keep to.
        seq_lens: The lengths that every artifact serves, in tokens.
        examples: What to calibrate and compare on: a file, or examples; None for the package's own.
        trim_corpus: Text whose vocabulary is enough; None means to keep all of it.
        compute_units: What Core ML may run its artifact on; None means all that a chip has.
        for_task_library: Whether to add the TFLite artifact as Google's Task Library opens it.
        key: Signs the bundle, where it is to be signed.
        task_name: Which task the model must have, or the student inside the package; None for the
            model's own.
        task_options: What of its task the model does not say.
        run: Its threads, cache and progress.

    Raises:
        PocketBertError: As the command line reports it. A failed gate or a failed backend raises
            nothing while another was built: the manifest and the result tell of it. A broken budget
            raises, and writes nothing.
    """
    asked = _Asked(
        destination=destination, backends=backends, recipe=recipe, budget=budget,
        seq_lens=seq_lens, trim_corpus=trim_corpus, compute_units=compute_units,
        for_task_library=for_task_library, key=key, task_name=task_name,
        task_options=task_options,
    )  # fmt: skip
    return _build(model, examples, asked, run)


def _build(model: str | None, examples: Given, asked: _Asked, run: Run) -> BuildResult:
    """Builds a bundle, stage by stage."""
    backends, skipped = checks.choose_backends(asked.backends)
    units = checks.choose_compute_units(asked.compute_units, backends)
    remarks = checks.check_activations(asked.recipe, backends)
    atomic_folder.check_destination(asked.destination)
    student, seq_lens = _load(model, asked, backends, run)
    student, trimming = _trim(student, asked, run)
    given = sort_out(
        read(examples, task=student.task), task=student.task, tokenizer=student.tokenizer
    )
    with run.stage("trace"):
        traced = trace(student, seq_lens=seq_lens)
    quantizer = calibrated(student, asked.recipe, given.readable, run=run)
    with atomic_folder.staged(asked.destination) as folder:
        attempt = functools.partial(
            _attempt, student=student, traced=traced, quantizer=quantizer, backends=backends,
            options=BackendOptions(compute_units=units), budget=asked.budget,
            examples=given.readable, folder=folder, run=run,
        )  # fmt: skip
        made, steps = _make(attempt, student, quantizer, asked, examples=given.readable, run=run)
        write_bundle(folder, student, made, steps, examples=given.readable, key=asked.key, run=run)
    reference.remember(student)
    last_built.remember(asked.destination)
    return BuildResult(
        folder=asked.destination,
        task=student.task,
        made=made.moved(folder, asked.destination),
        skipped=(*skipped, *made.skipped),
        unreadable=given.unreadable,
        remarks=remarks,
        trimming=trimming,
        steps=steps,
        reused=tuple(run.progress.reused),
        seconds=run.progress.seconds,
    )


def _load(
    model: str | None, asked: _Asked, backends: Sequence[str], run: Run
) -> tuple[Student, tuple[int, ...]]:
    """Returns the student and the lengths, both fit for what was asked."""
    with run.stage("load"):
        student = load(model, task_name=asked.task_name, options=asked.task_options)
        seq_lens = check_seq_lens(asked.seq_lens, longest=student.max_seq_len)
        if asked.for_task_library:
            variant.check_wanted(student, backends=backends, seq_lens=seq_lens, recipe=asked.recipe)
        num_artifacts = len(backends) + asked.for_task_library
        checks.check_free_space(asked.destination, student, num_artifacts=num_artifacts)
    return student, seq_lens


def _trim(student: Student, asked: _Asked, run: Run) -> tuple[Student, Trimming | None]:
    """Returns the student with the vocabulary that was asked for, and what that saves."""
    if asked.trim_corpus is None:
        return student, None
    with run.stage("trim vocabulary"):
        return trim(student, asked.trim_corpus)


def _make(
    attempt: Callable[[Recipe], Made],
    student: Student,
    quantizer: Quantizer,
    asked: _Asked,
    *,
    examples: Sequence[Example],
    run: Run,
) -> tuple[Made, tuple[Step, ...]]:
    """Returns what the recipe gives, or the best that a search finds, within the budget."""
    steps: tuple[Step, ...] = ()
    if asked.recipe is not None:
        made = attempt(asked.recipe)
    else:
        made, steps = search(
            student, quantizer, asked.budget, examples=examples, attempt=attempt, run=run
        )
    asked.budget.check(made.cost)
    if asked.for_task_library:
        made = with_task_library(made, student, examples=examples, run=run)
    return made, steps


def _attempt(
    recipe: Recipe,
    *,
    student: Student,
    traced: TracedModel,
    quantizer: Quantizer,
    backends: Sequence[str],
    options: BackendOptions,
    budget: Budget,
    examples: Sequence[Example],
    folder: Path,
    run: Run,
) -> Made:
    """Returns the artifacts of a recipe, judged unless they are too large."""
    artifacts, unbuilt = convert(
        traced, backends, weights=quantized(quantizer, recipe, run=run),
        options=options, folder=folder, run=run,
    )  # fmt: skip
    made = Made(recipe=recipe, artifacts=artifacts, unbuilt=unbuilt)
    if not budget.allows_size(made.cost):
        return made
    verdicts, not_run = parity.check(
        student, artifacts, examples=examples, recipe=recipe,
        num_below_longest=None if budget.limits_answers else _NUM_BELOW_LONGEST, run=run,
    )  # fmt: skip
    return replace(made, verdicts=verdicts, not_run=not_run)
