"""Writes all of a bundle but its artifacts and its signature, the manifest last."""

from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline import __version__
from pipeline.bundle import manifest, manifest_parts, open, platforms, signature, vectors
from pipeline.bundle.vectors import Vectors
from pipeline.comparison import thresholds
from pipeline.comparison.verdict import FILE_NAME as PARITY_FILE
from pipeline.comparison.verdict import as_json
from pipeline.conversion.recipe import FILE_NAME as RECIPE_FILE
from pipeline.conversion.recipe import write_recipe
from pipeline.files.canonical import canonical_json
from pipeline.packing.made import Made
from pipeline.packing.vectors import observe
from pipeline.quantization.search import Step
from pipeline.report import frontier, page
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Example
from pipeline.tokenizer.tokenization import tokenizer_part, write_tokenizer

_TESTED_PACKAGES = (
    "torch", "transformers", "tokenizers", "numpy", "executorch", "torchao", "litert-torch",
    "ai-edge-litert", "ai-edge-quantizer", "coremltools", "tensorflow",
)  # fmt: skip


def write_bundle(
    folder: Path,
    student: Student,
    made: Made,
    steps: Sequence[Step],
    *,
    examples: Sequence[Example],
    key: Ed25519PrivateKey | None,
    run: Run,
) -> None:
    """Writes the rest of a bundle beside the artifacts that are in its folder, and signs it.

    Args:
        folder: The bundle's.
        student: The reference.
        made: The artifacts, and what was said of them.
        steps: What a search saw, where there was one.
        examples: To choose from what an app tests itself with.
        key: Signs the bundle, where it is to be signed.
        run: Its threads, cache and progress.
    """
    stated = observe(student, made.artifacts, folder=folder, examples=examples, run=run)
    with run.stage("bundle"):
        _write(folder, student, made, steps, stated)
        if key is not None:
            signature.sign(folder, key)


def _write(
    folder: Path, student: Student, made: Made, steps: Sequence[Step], stated: Vectors
) -> None:
    write_tokenizer(student.tokenizer, folder / "tokenizer")
    vectors.write(stated, folder / manifest.VECTORS)
    parity_json = canonical_json(as_json(made.verdicts, made.skipped))
    (folder / PARITY_FILE).write_bytes(parity_json)
    write_recipe(made.recipe, folder / RECIPE_FILE)
    if steps:
        frontier.draw(steps, folder / frontier.FILE_NAME)
    page.write(
        folder / page.FILE_NAME, student, made.artifacts, made.verdicts,
        skipped=made.skipped, steps=steps,
    )  # fmt: skip
    description = _describe(folder, student, made)
    manifest.write_manifest(description, folder)


def _describe(folder: Path, student: Student, made: Made) -> manifest.Manifest:
    parts = tuple(open.artifact_part(artifact, folder) for artifact in made.artifacts)
    library = made.task_library
    variant = None if library is None else open.artifact_part(library, folder)
    files = open.hash_files(folder)
    named = {thresholds.name_of(artifact): artifact for artifact in made.artifacts}
    return manifest.Manifest(
        pocketbert_version=__version__,
        student=manifest_parts.StudentPart(
            name=student.name,
            architecture=type(student.model).__name__,
            weights_sha256=student.weights_sha256,
            licence=student.licence,
        ),
        tokenizer=tokenizer_part(student.tokenizer),
        task=manifest_parts.TaskPart(
            name=student.task.NAME,
            rules=student.task.rules.model_dump(),
            labels=student.task.labels,
        ),
        artifacts=parts,
        task_library=variant,
        thresholds={
            name: vars(thresholds.thresholds_of(artifact))
            for name, artifact in sorted(named.items())
        },
        verdicts=tuple(
            manifest_parts.VerdictPart(
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
