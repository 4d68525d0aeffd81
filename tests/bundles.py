"""Makes bundles by hand, whose artifacts hold no model, for tests that only read files."""

import shutil
from pathlib import Path

from pipeline.bundle import open
from pipeline.bundle.manifest import Manifest, read_manifest, write_manifest
from pipeline.bundle.manifest_parts import (
    ArtifactPart,
    StudentPart,
    TaskPart,
    TensorPart,
    TokenizerPart,
    VerdictPart,
)
from pipeline.bundle.open import Problem, verify
from pipeline.bundle.platforms import files_by_platform

FILES = {
    "tflite/model.tflite": b"not a model",
    "coreml/model.mlpackage/Data/weights.bin": bytes(range(256)),
    "tokenizer/vocab.txt": "[PAD]\ncafé\n".encode(),
    "tokenizer/unicode.json": b'{"removed":[]}',
    "vectors.json": b'{"texts":[]}',
    "parity.json": b"{}",
}

OTHER_FILES = {"tflite/model.tflite": b"another", "other": b"other"}

MANIFEST = Manifest(
    pocketbert_version="0.1.0",
    student=StudentPart(
        name="café", architecture="BertForQuestionAnswering", weights_sha256="ab" * 32,
        licence="mit",
    ),
    tokenizer=TokenizerPart(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True,
        continuing_subword_prefix="##", max_input_chars_per_word=100,
        special_tokens={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3},
        added_tokens={"[SEP]": 3}, num_pieces=4,
    ),
    task=TaskPart(
        name="question-answering",
        rules={
            "max_question_tokens": 64, "max_answer_tokens": 30, "window_overlap_tokens": 128,
            "score": "softmax_over_all_windows", "max_text_characters": 200_000,
            "max_unknown_share": 0.5,
        },
        labels=(),
    ),
    artifacts=(
        ArtifactPart(
            backend="tflite", precision="int8", path="tflite/model.tflite", size_bytes=12,
            seq_lens=(64, 384), requires={"tensorflow-lite": "2.18.0"},
            entry_points=("len_64", "len_384"),
            inputs=(TensorPart(name="input_ids", artifact_name="args_0", dtype="int32"),),
            outputs=(TensorPart(name="start_logits", artifact_name="0", dtype="float32"),),
        ),
    ),
    thresholds={"int8": {"cosine": 0.995}},
    verdicts=(
        VerdictPart(backend="tflite", runtime="litert", seq_len=64, verdict="pass", reason=""),
    ),
    versions={"torch": "2.13.0"},
    licences={"artifacts": "mit"},
    platforms={"android": ("tflite/model.tflite",)},
    files={"tflite/model.tflite": "cd" * 32},
)  # fmt: skip


def write_bundle(
    folder: Path, *, files: dict[str, bytes] = FILES, manifest: Manifest = MANIFEST
) -> Path:
    """Writes files and the manifest that lists them, and returns the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    listed = open.hash_files(folder)
    parts = tuple(
        part.model_copy(update={"size_bytes": open.size_bytes(folder / part.path)})
        for part in manifest.artifacts
    )
    described = {
        "artifacts": parts, "files": listed, "platforms": files_by_platform(parts, listed),
    }  # fmt: skip
    write_manifest(manifest.model_copy(update=described), folder)
    return folder


def restate(folder: Path, **changes: object) -> None:
    """Lets a bundle's manifest state the files that are there now, so that no hash tells of them.

    Args:
        folder: The bundle's.
        changes: Of the manifest, by its keys.
    """
    manifest = read_manifest(folder)
    parts = tuple(
        part.model_copy(update={"size_bytes": open.size_bytes(folder / part.path)})
        for part in manifest.artifacts
    )
    stated = {"artifacts": parts, "files": open.hash_files(folder), **changes}
    changed = Manifest.model_validate(manifest.model_copy(update=stated).model_dump())
    write_manifest(changed, folder)
    assert problems_of(folder) == ()


def zip_of(folder: Path) -> Path:
    """Zips a bundle as anyone would."""
    return Path(shutil.make_archive(str(folder), "zip", folder))


def problems_of(path: Path) -> tuple[Problem, ...]:
    """Returns what is wrong with a bundle."""
    return verify(path).problems
