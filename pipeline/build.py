"""The main path: from a student to a verified bundle."""

import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

import converters
from pipeline import (
    __version__,
    bundle,
    frontier,
    manifest,
    page,
    parity,
    platforms,
    reference,
    self_test,
    signature,
    staging,
    task_library,
    vectors,
)
from pipeline.budget import NO_BUDGET, Budget, Cost
from pipeline.convert import convert
from pipeline.errors import InputError, MissingPackageError, StorageError
from pipeline.examples import sort_out
from pipeline.kept_weights import calibrated, quantized
from pipeline.load import Student, load
from pipeline.recipe import FILE_NAME as RECIPE_FILE
from pipeline.recipe import Recipe, recipe_of, write_recipe
from pipeline.runtimes import Skipped
from pipeline.search import Step, search
from pipeline.squad import Example, Question, Unreadable
from pipeline.stage_cache import StageCache
from pipeline.stages import Stages
from pipeline.tasks import question_answering
from pipeline.thresholds import thresholds_of
from pipeline.tokenization import tokenizer_part, write_tokenizer
from pipeline.trace import check_seq_lens, trace
from pipeline.trim import Trimming, trim
from pipeline.values import Artifact, ComputeUnits
from pipeline.vectors import Vectors
from pipeline.verdict import FILE_NAME as PARITY_FILE
from pipeline.verdict import Parity, as_json

DEFAULT_RECIPE = recipe_of("int8")
DEFAULT_SEQ_LENS = (384,)
_NUM_BELOW_LONGEST = 25
"""Questions at the shorter lengths, which share the weights and take many rows for a question: what
their graphs need. ``pocketbert parity`` asks all."""

_TESTED_PACKAGES = (
    "torch", "transformers", "tokenizers", "numpy", "executorch", "torchao", "litert-torch",
    "ai-edge-litert", "ai-edge-quantizer", "coremltools", "tensorflow",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class BuildResult:
    """What a build made, and what the parity check said of it.

    Attributes:
        task_library: The TFLite artifact again for Google's Task Library, where it was asked for.
        unreadable: Examples that the student cannot be asked.
        remarks: Of what was asked for, what has no effect on an artifact, in words.
        trimming: What a smaller vocabulary has saved, where one was asked for.
        steps: What a search saw on its way, where one was asked for.
        reused: The stages whose results an earlier build had kept.
    """

    folder: Path
    artifacts: tuple[Artifact, ...]
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
        """Whether every artifact ran and kept to its thresholds."""
        return all(verdict.verdict == "pass" for verdict in self.parity)


@dataclass(frozen=True, kw_only=True)
class _Made:
    """The artifacts of one recipe, and what they cost; none are judged that are too large."""

    recipe: Recipe
    artifacts: Sequence[Artifact]
    verdicts: Sequence[Parity] = ()
    not_run: Sequence[Skipped] = ()
    task_library: Artifact | None = None

    @property
    def cost(self) -> Cost:
        """The worst of them; NumPy's maximum keeps what is not a number."""
        return Cost(
            size_bytes=max(bundle.size_bytes(artifact.path) for artifact in self.artifacts),
            f1_drop=float(np.max([each.f1_drop for each in self.verdicts] or [math.nan])),
            why_unknown=next(
                (
                    f"{each.runtime}: {each.reason}"
                    for each in self.verdicts
                    if math.isnan(each.f1_drop) and each.reason
                ),
                "",
            ),
        )


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
    num_threads: int,
    cache: StageCache | None = None,
    stages: Stages,
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
        num_threads: For every runtime.
        cache: Of stages that earlier builds finished; nothing to run them all.
        stages: Told how the work goes.

    Raises:
        GateError: An artifact does not hold what its precision promises. There is no bundle then.
        PocketBertError: As the command line reports it. A failed parity gate raises nothing: the
            bundle is written, its manifest records the failure, and the result tells. A broken
            budget raises, and writes nothing.
    """
    chosen, skipped = _choose_backends(backends)
    remarks: tuple[str, ...] = ()
    _check_compute_units(compute_units, chosen)
    if recipe is not None and recipe.activations == "static":
        remarks = _floats_only(chosen)
    staging.check_destination(destination)
    with stages.stage("load"):
        student = load(model)
        lengths = check_seq_lens(seq_lens, longest=student.max_seq_len)
        if for_task_library:
            task_library.check_wanted(student, backends=chosen, seq_lens=lengths, recipe=recipe)
        _check_free_space(destination, student, num_artifacts=len(chosen) + for_task_library)
    trimming = None
    if trim_corpus is not None:
        with stages.stage("trim vocabulary"):
            student, trimming = trim(student, trim_corpus)
    given = examples or student.task.own_examples()
    sorted_out = sort_out(given, task=student.task, tokenizer=student.tokenizer)
    examples = sorted_out.readable
    with stages.stage("trace"):
        traced = trace(student, seq_lens=lengths)
    quantizer = calibrated(student, traced, recipe, examples, cache=cache, stages=stages)
    with staging.staged(destination) as folder:

        def make(recipe: Recipe) -> _Made:
            weights = quantized(quantizer, recipe, cache=cache, stages=stages)
            artifacts = convert(
                traced,
                chosen,
                weights=weights,
                compute_units=compute_units or "all",
                folder=folder,
                cache=cache,
                stages=stages,
            )
            made = _Made(recipe=recipe, artifacts=artifacts)
            if not budget.allows_size(made.cost):
                return made
            verdicts, not_run = parity.check(
                student,
                artifacts,
                examples=examples,
                num_below_longest=None if budget.limits_answers else _NUM_BELOW_LONGEST,
                num_threads=num_threads,
                cache=cache,
                stages=stages,
            )
            return replace(made, verdicts=verdicts, not_run=not_run)

        steps: tuple[Step, ...] = ()
        if recipe is not None:
            made = make(recipe)
        else:
            made, steps = search(
                student, quantizer, budget, examples=examples, attempt=make, stages=stages
            )
        budget.check(made.cost)
        if for_task_library:
            made = _with_task_library(made, student, examples, num_threads, stages)
        stated = self_test.observe(
            student, made.artifacts, folder=folder, examples=examples,
            num_threads=num_threads, cache=cache, stages=stages,
        )  # fmt: skip
        with stages.stage("bundle"):
            _write_bundle(folder, student, made, steps, stated)
            if key is not None:
                signature.sign(folder, key)
    reference.remember(student)
    return BuildResult(
        folder=destination,
        artifacts=tuple(_moved(artifact, folder, destination) for artifact in made.artifacts),
        task_library=made.task_library and _moved(made.task_library, folder, destination),
        parity=tuple(made.verdicts),
        skipped=(*skipped, *made.not_run),
        unreadable=sorted_out.unreadable,
        remarks=remarks,
        trimming=trimming,
        steps=steps,
        reused=tuple(stages.reused),
        seconds=stages.seconds,
    )


def _choose_backends(names: Sequence[str]) -> tuple[list[str], list[Skipped]]:
    """Returns the backends to build; one that was asked for by name must be installed."""
    for name in names:
        converters.check_installed(name)
    if names:
        return list(dict.fromkeys(names)), []
    chosen, skipped = [], []
    for name in converters.BACKENDS:
        try:
            converters.check_installed(name)
            chosen.append(name)
        except MissingPackageError as err:
            skipped += [
                Skipped(runtime=runtime.name, reason=f"{err.message}: {err.hint}")
                for runtime in converters.RUNTIMES
                if runtime.backend == name
            ]
    if not chosen:
        raise MissingPackageError("no backend is installed", hint=converters.install_line("all"))
    return chosen, skipped


def _check_compute_units(compute_units: ComputeUnits | None, backends: Sequence[str]) -> None:
    """Refuses a choice that would have no effect."""
    if compute_units is not None and "coreml" not in backends:
        raise InputError(
            f"--compute-units {compute_units} is for coreml, not for {', '.join(backends)}",
            hint="add --backend coreml, or leave out --compute-units",
        )


def _floats_only(backends: Sequence[str]) -> tuple[str, ...]:
    """Says of the backends to which static activations are nothing that they are; not all may."""
    floats = [name for name in backends if name not in converters.INTEGER_BACKENDS]
    if len(floats) == len(backends):
        raise InputError(
            f"{', '.join(floats)} computes in floats, so it has no static activations",
            hint=f"add a backend: {', '.join(converters.INTEGER_BACKENDS)}",
        )
    others = ", ".join(converters.INTEGER_BACKENDS)
    return tuple(
        f"{name} computes in floats: --activations static is for {others}" for name in floats
    )


def _check_free_space(destination: Path, student: Student, *, num_artifacts: int) -> None:
    """Refuses at the start what would fail after minutes: most converters die badly there."""
    weights_bytes = sum(weight.nbytes for weight in student.model.parameters())
    # One fp32 copy per artifact bounds what its converter writes, and one more the trace.
    for folder, copies in ((destination, num_artifacts), (Path(tempfile.gettempdir()), 2)):
        existing = next(place for place in (folder, *folder.resolve().parents) if place.exists())
        free = shutil.disk_usage(existing).free
        if free < copies * weights_bytes:
            raise StorageError(
                f"{existing} has {free / 1e6:.0f} MB free, and the build may need "
                f"{copies * weights_bytes / 1e6:.0f} MB there",
                hint="free some space, or choose another folder with -o (temporary files: TMPDIR)",
            )


def _with_task_library(
    made: _Made,
    student: Student,
    examples: Sequence[Question],
    num_threads: int,
    stages: Stages,
) -> _Made:
    """Adds the variant for Google's Task Library, and what that says of it."""
    source = next(artifact for artifact in made.artifacts if artifact.backend == "tflite")
    variant = task_library.add(source, student, stages=stages)
    verdicts, not_run = task_library.check(
        variant, student, examples=examples, num_threads=num_threads, stages=stages
    )
    return replace(
        made,
        task_library=variant,
        verdicts=[*made.verdicts, *verdicts],
        not_run=[*made.not_run, *not_run],
    )


def _write_bundle(
    folder: Path,
    student: Student,
    made: _Made,
    steps: Sequence[Step],
    stated: Vectors,
) -> None:
    write_tokenizer(student.tokenizer, folder / "tokenizer")
    vectors.write(stated, folder / manifest.VECTORS)
    parity_json = manifest.canonical_json(as_json(made.verdicts, made.not_run))
    (folder / PARITY_FILE).write_bytes(parity_json)
    write_recipe(made.recipe, folder / RECIPE_FILE)
    if steps:
        frontier.draw(steps, folder / frontier.FILE_NAME)
    page.write(
        folder / page.FILE_NAME, student, made.artifacts, made.verdicts,
        skipped=made.not_run, steps=steps,
    )  # fmt: skip
    description = _describe(folder, student, made)
    manifest.write_manifest(description, folder)


def _describe(folder: Path, student: Student, made: _Made) -> manifest.Manifest:
    parts = tuple(bundle.artifact_part(artifact, folder) for artifact in made.artifacts)
    library = made.task_library
    variant = None if library is None else bundle.artifact_part(library, folder)
    files = bundle.hash_files(folder)
    named = {manifest.thresholds_name(artifact): artifact for artifact in made.artifacts}
    return manifest.Manifest(
        pocketbert_version=__version__,
        student=manifest.StudentPart(
            name=student.name,
            architecture=type(student.model).__name__,
            weights_sha256=student.weights_sha256,
            licence=student.licence,
            task=student.task.NAME,
        ),
        tokenizer=tokenizer_part(student.tokenizer),
        span_rules=manifest.SpanRulesPart(**vars(question_answering.RULES)),
        artifacts=parts,
        task_library=variant,
        thresholds={
            name: vars(thresholds_of(artifact)) for name, artifact in sorted(named.items())
        },
        verdicts=tuple(
            manifest.VerdictPart(
                backend=each.backend,
                runtime=each.runtime,
                seq_len=each.seq_len,
                verdict=each.verdict,
                reason=each.reason,
            )
            for each in made.verdicts
        ),
        versions=_versions(),
        licences=_licences(student),
        platforms=platforms.files_by_platform([*parts, *([variant] if variant else [])], files),
        files=files,
    )


def _licences(student: Student) -> dict[str, str]:
    """Returns the licence of what an app takes over; the manifest's own words are nobody's."""
    return {
        "artifacts": student.licence,
        "vocabulary": student.licence,
        "unicode_tables": "Unicode-3.0",
    }


def _versions() -> dict[str, str]:
    installed = {}
    for name in _TESTED_PACKAGES:
        try:
            installed[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return installed


def _moved(artifact: Artifact, old: Path, new: Path) -> Artifact:
    return replace(artifact, path=new / artifact.path.relative_to(old))
