"""The main path: from a student to a verified bundle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from converters.values.artifact import Artifact, ComputeUnits
from converters.values.errors import GateError, PocketBertError, StorageError
from converters.values.program import TracedModel
from pipeline.bundle import atomic_folder, signature
from pipeline.comparison import parity
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.task_library import variant
from pipeline.comparison.verdict import Parity
from pipeline.conversion.convert import Unbuilt, convert
from pipeline.conversion.recipe import Recipe, recipe_of
from pipeline.packing import checks, vectors
from pipeline.packing.made import Made
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
from pipeline.tasks.examples import sort_out
from pipeline.tasks.question_answering.squad import Example, Question, Unreadable

DEFAULT_RECIPE = recipe_of("int8")
DEFAULT_SEQ_LENS = (384,)
_NUM_BELOW_LONGEST = 25
"""Questions at the shorter lengths, which share the weights and take many rows for a question: what
their graphs need. ``pocketbert parity`` asks all."""


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a build made, and what the parity check said of it.

    Attributes:
        unbuilt: Artifacts that are missing from the bundle, for they could not be built.
        task_library: The TFLite artifact again for Google's Task Library, where it was asked for.
        unreadable: Examples that the student cannot be asked.
        remarks: Of what was asked for, what has no effect on an artifact, in words.
        trimming: What a smaller vocabulary has saved, where one was asked for.
        steps: What a search saw on its way, where one was asked for.
        reused: The stages whose results an earlier build had kept.
    """

    folder: Path
    artifacts: tuple[Artifact, ...]
    unbuilt: tuple[Unbuilt, ...]
    task_library: Artifact | None
    parity: tuple[Parity, ...]
    skipped: tuple[Skipped, ...]
    unreadable: tuple[Unreadable, ...]
    remarks: tuple[str, ...]
    trimming: Trimming | None
    steps: tuple[Step, ...]
    reused: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether every artifact was built, ran, and kept to its thresholds."""
        return not self.unbuilt and all(verdict.verdict == "pass" for verdict in self.parity)


@dataclass(frozen=True, kw_only=True)
class _Maker:
    """Makes and judges the artifacts of one recipe after another, all else the same."""

    student: Student
    traced: TracedModel
    quantizer: Quantizer
    backends: Sequence[str]
    compute_units: ComputeUnits
    budget: Budget
    examples: Sequence[Question]
    folder: Path
    run: Run

    def __call__(self, recipe: Recipe) -> Made:
        """Returns the artifacts of a recipe, judged unless they are too large."""
        artifacts, unbuilt = convert(
            self.traced,
            self.backends,
            weights=quantized(self.quantizer, recipe, run=self.run),
            compute_units=self.compute_units,
            folder=self.folder,
            run=self.run,
        )
        made = Made(recipe=recipe, artifacts=artifacts, unbuilt=unbuilt)
        if not self.budget.allows_size(made.cost):
            return made
        verdicts, not_run = parity.check(
            self.student,
            artifacts,
            examples=self.examples,
            recipe=recipe,
            num_below_longest=None if self.budget.limits_answers else _NUM_BELOW_LONGEST,
            run=self.run,
        )
        return replace(made, verdicts=verdicts, not_run=not_run)


def build(
    model: str | None,
    *,
    destination: Path,
    backends: Sequence[str] = (),
    recipe: Recipe | None = DEFAULT_RECIPE,
    budget: Budget = NO_BUDGET,
    seq_lens: tuple[int, ...] = DEFAULT_SEQ_LENS,
    examples: Sequence[Example] | None = None,
    trim_corpus: Path | None = None,
    compute_units: ComputeUnits | None = None,
    for_task_library: bool = False,
    key: Ed25519PrivateKey | None = None,
    run: Run,
) -> BuildResult:
    """Turns a student into artifacts, compares each with it, and writes the bundle.

    Args:
        model: A folder, a Hub id, or nothing for the student inside the package.
        destination: The bundle's folder. It appears when the bundle is whole; an earlier bundle
            there is replaced then.
        backends: What to build for; nothing means all that are installed.
        recipe: What each weight is stored as, and whether activations are calibrated; nothing lets
            a search choose it under the budget.
        budget: What every artifact must keep to.
        seq_lens: The lengths that every artifact serves, in tokens.
        examples: What to calibrate and compare on; nothing means the package's own questions.
        trim_corpus: Text whose vocabulary is enough; nothing means to keep all of it.
        compute_units: What Core ML may run its artifact on; nothing means all that a chip has.
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
    remarks: tuple[str, ...] = ()
    checks.check_compute_units(compute_units, chosen)
    if recipe is not None and recipe.activations == "static":
        remarks = checks.floats_only(chosen)
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
    given = examples or student.task.own_examples()
    sorted_out = sort_out(given, task=student.task, tokenizer=student.tokenizer)
    examples = sorted_out.readable
    with run.stage("trace"):
        traced = trace(student, seq_lens=lengths)
    quantizer = calibrated(student, recipe, examples, run=run)
    with atomic_folder.staged(destination) as folder:
        make = _Maker(
            student=student, traced=traced, quantizer=quantizer, backends=chosen,
            compute_units=compute_units or "all", budget=budget, examples=examples, folder=folder,
            run=run,
        )  # fmt: skip
        steps: tuple[Step, ...] = ()
        if recipe is not None:
            made = make(recipe)
        else:
            made, steps = search(
                student, quantizer, budget, examples=examples, attempt=make, run=run
            )
        budget.check(made.cost)
        if for_task_library:
            made = with_task_library(made, student, examples=examples, run=run)
        stated = vectors.observe(
            student, made.artifacts, folder=folder, examples=examples,
            run=run,
        )  # fmt: skip
        with run.stage("bundle"):
            write_bundle(folder, student, made, steps, stated)
            if key is not None:
                signature.sign(folder, key)
    reference.remember(student)
    return BuildResult(
        folder=destination,
        artifacts=tuple(_moved(artifact, folder, destination) for artifact in made.artifacts),
        unbuilt=tuple(made.unbuilt),
        task_library=made.task_library and _moved(made.task_library, folder, destination),
        parity=tuple(made.verdicts),
        skipped=(*skipped, *made.skipped),
        unreadable=sorted_out.unreadable,
        remarks=remarks,
        trimming=trimming,
        steps=steps,
        reused=tuple(run.progress.reused),
        seconds=run.progress.seconds,
    )


def with_task_library(
    made: Made,
    student: Student,
    *,
    examples: Sequence[Question],
    run: Run,
) -> Made:
    """Adds the variant for Google's Task Library and what that says of it, or why there is none."""
    try:
        added = variant.add(_tflite(made), student, run=run)
    except StorageError:
        raise
    except PocketBertError as err:
        runtimes = (variant.RUNTIME,)
        unbuilt = Unbuilt(backend=variant.RUNTIME, runtimes=runtimes, error=err)
        return replace(made, unbuilt=[*made.unbuilt, unbuilt])
    verdicts, not_run = variant.check(added, student, examples=examples, run=run)
    return replace(
        made,
        task_library=added,
        verdicts=[*made.verdicts, *verdicts],
        not_run=[*made.not_run, *not_run],
    )


def _tflite(made: Made) -> Artifact:
    """Returns the artifact that the Task Library's variant is derived from."""
    for artifact in made.artifacts:
        if artifact.backend == "tflite":
            return artifact
    raise GateError("the TFLite artifact that it is derived from could not be built")


def _moved(artifact: Artifact, old: Path, new: Path) -> Artifact:
    return replace(artifact, path=new / artifact.path.relative_to(old))
