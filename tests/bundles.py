"""Makes bundles by hand, whose artifacts hold no model, for tests that only read files."""

from pathlib import Path

from pipeline import bundle
from pipeline.manifest import (
    ArtifactPart,
    Manifest,
    SpanRulesPart,
    StudentPart,
    TensorPart,
    TokenizerPart,
    VerdictPart,
    write_manifest,
)

FILES = {
    "tflite/model.tflite": b"not a model",
    "coreml/model.mlpackage/Data/weights.bin": bytes(range(256)),
    "tokenizer/vocab.txt": "[PAD]\ncafé\n".encode(),
    "parity.json": b"{}",
}

MANIFEST = Manifest(
    pocketbert_version="0.1.0",
    student=StudentPart(
        name="café", architecture="BertForQuestionAnswering", weights_sha256="ab" * 32,
        licence="mit", task="question-answering",
    ),
    tokenizer=TokenizerPart(
        clean_text=True, handle_chinese_chars=True, strip_accents=True, lowercase=True,
        continuing_subword_prefix="##", max_input_chars_per_word=100,
        special_tokens={"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3},
        added_tokens={"[SEP]": 3}, num_pieces=4,
    ),
    span_rules=SpanRulesPart(
        max_question_tokens=64, max_answer_tokens=30, window_overlap_tokens=128
    ),
    artifacts=(
        ArtifactPart(
            backend="tflite", precision="int8", path="tflite/model.tflite", size_bytes=12,
            seq_lens=(64, 384),
            inputs=(TensorPart(name="input_ids", artifact_name="args_0", dtype="int32"),),
            outputs=(TensorPart(name="start_logits", artifact_name="0", dtype="float32"),),
        ),
    ),
    thresholds={"int8": {"cosine": 0.995}},
    verdicts=(
        VerdictPart(backend="tflite", runtime="litert", seq_len=64, verdict="pass", reason=""),
    ),
    versions={"torch": "2.13.0"},
    files={"tflite/model.tflite": "cd" * 32},
)  # fmt: skip


def write_bundle(folder: Path, *, files: dict[str, bytes] = FILES) -> Path:
    """Writes files and the manifest that lists them, and returns the folder."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    listed = MANIFEST.model_copy(update={"files": bundle.hash_files(folder)})
    write_manifest(listed, folder)
    return folder
