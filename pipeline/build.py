"""The main path: from a student to a verified bundle."""

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from converters.conversion import BackendOptions
from converters.values.artifact import Artifact
from converters.values.program import TracedModel
from pipeline.bundle import atomic_folder
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
from pipeline.tasks.task import Example, Task, Unreadable

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
        run: Its threads, cache and progress.

    Raises:
        PocketBertError: As the command line reports it. A failed parity gate raises nothing: the
            bundle is written, its manifest records the failure, and the result tells. So it is with
            a backend that fails while others do not: the bundle holds what could be built. A broken
            budget raises, and writes nothing.
    """
    chosen, skipped = checks.choose_backends(backends)
    units = checks.choose_compute_units(compute_units, chosen)
    remarks = checks.check_activations(recipe, chosen)
    atomic_folder.check_destination(destination)
    with run.stage("load"):
        student = load(model)
        lengths = check_seq_lens(seq_lens, longest=student.max_seq_len)
        if for_task_library:
            variant.check_wanted(student, backends=chosen, seq_lens=lengths, recipe=recipe)
        checks.check_free_space(destination, student, num_artifacts=len(chosen) + for_task_library)
    trimming = None
    if trim_corpus is not None:
        with run.stage("trim vocabulary"):
            student, trimming = trim(student, trim_corpus)
    given = sort_out(
        read(examples, task=student.task), task=student.task, tokenizer=student.tokenizer
    )
    with run.stage("trace"):
        traced = trace(student, seq_lens=lengths)
    quantizer = calibrated(student, recipe, given.readable, run=run)
    with atomic_folder.staged(destination) as folder:
        attempt = functools.partial(
            _attempt, student=student, traced=traced, quantizer=quantizer, backends=chosen,
            options=BackendOptions(compute_units=units), budget=budget, examples=given.readable,
            folder=folder, run=run,
        )  # fmt: skip
        steps: tuple[Step, ...] = ()
        if recipe is not None:
            made = attempt(recipe)
        else:
            made, steps = search(
                student, quantizer, budget, examples=given.readable, attempt=attempt, run=run
            )
        budget.check(made.cost)
        if for_task_library:
            made = with_task_library(made, student, examples=given.readable, run=run)
        write_bundle(folder, student, made, steps, examples=given.readable, key=key, run=run)
    reference.remember(student)
    return BuildResult(
        folder=destination,
        task=student.task,
        made=made.moved(folder, destination),
        skipped=(*skipped, *made.skipped),
        unreadable=given.unreadable,
        remarks=remarks,
        trimming=trimming,
        steps=steps,
        reused=tuple(run.progress.reused),
        seconds=run.progress.seconds,
    )


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
