"""Writes what the tests of the Android demo read where there is no Python.

``python -m tests.android_demo.make_fixture`` writes all of it again: a bundle of a random student
that is small enough to be committed, laid out for Android's assets and signed; and a sample of the
vectors that ports are tested with.
"""

import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from pipeline.bundle import vectors
from pipeline.bundle.manifest import VECTORS
from pipeline.student.load import load
from pipeline.student.trim import pieces_to_keep, to_vocabulary, trim_tokenizer
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.android_demo import artifact_logits
from tests.android_demo.artifact_logits import Asked
from tests.command import ROOT
from tests.platform_bundles import build_for_platforms, write_questions
from tests.students import read_tokenizer, save_student
from tests.vectors import tokenizers
from tests.vectors.labels import describe_labels
from tests.vectors.texts import make_texts
from tests.vectors.write import (
    HARD_CONTEXTS,
    Examples,
    ask,
    describe_answers,
    describe_texts,
    label_texts,
)

RESOURCES = ROOT / "android_demo" / "core" / "src" / "test" / "resources"
SEQ_LENS = (32, 64)

_EVERY = 36
"""One text of so many is in the sample."""


def main() -> None:
    """Writes all of it in place of what is there."""
    for name in ("bundle", "vectors"):
        shutil.rmtree(RESOURCES / name, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        _write_bundle(Path(folder))
    _write_vectors(RESOURCES / "vectors")
    size = sum(path.stat().st_size for path in RESOURCES.rglob("*") if path.is_file())
    sys.stdout.write(f"{size / 1e6:.2f} MB\n")


def _write_bundle(folder: Path) -> None:
    student = save_student("distilbert", folder / "student", tokenizer=read_tokenizer())
    data = write_questions(folder / "squad.json", num_passages=2, num_each=2)
    built = build_for_platforms(
        ("android",), ("executorch", "tflite"), student, folder, seq_lens=SEQ_LENS, data=data
    )
    shutil.copytree(built.apps["android"], RESOURCES / "bundle")
    (RESOURCES / "public-key.bin").write_bytes(built.public_key)
    _write_artifact_logits(built.whole)


def _write_artifact_logits(bundle: Path) -> None:
    stated = vectors.read(bundle / VECTORS)
    asked = [Asked(**each.texts, seq_lens=stated.seq_lens) for each in stated.examples[-3:]]
    artifact_logits.write(bundle, asked, RESOURCES / "artifact-logits.json")


def _write_vectors(folder: Path) -> None:
    """Writes what ``tests.vectors.write`` does, of a sample and with small vocabularies."""
    texts = make_texts()
    sample = texts[::_EVERY] + texts[-3:]
    keeping = {"clean_text": False, "strip_accents": False, "lowercase": False}
    cased = tokenizers.spelling(sample, **keeping)
    cased.add_special_tokens(["<quote end>", "Brandneuwort"])
    student = load()
    student = to_vocabulary(
        student, trim_tokenizer(student.tokenizer, pieces_to_keep(student.tokenizer, sample))
    )
    made: dict[str, Tokenizer] = {
        "uncased": student.tokenizer,
        "cased": cased,
        "spelling": tokenizers.spelling(sample),
    }
    for name, tokenizer in made.items():
        tokenizers.write(tokenizer, folder / name)
        (folder / name / "tokenizer" / "tokenizer.json").unlink()  # no app reads it
        described = describe_texts(tokenizer, sample)
        for text in described:
            del text["tokens"]  # their ids say the same
        _dump(folder / name / "texts.json", {"texts": described})
    answers = list(describe_answers(student, _examples()))
    _dump(folder / "uncased" / "answers.json", {"answers": answers})
    texts = label_texts()
    short, long = texts[:2], [max(texts, key=len), texts[-1]]
    described = list(describe_labels(student.tokenizer, [*short, *long], ((24,), (32, 64))))
    _dump(folder / "uncased" / "labels.json", {"labels": described})


def _examples() -> Iterator[Examples]:
    """Yields lengths and questions, with contexts of one window and of many."""
    own = [ask(each.question, each.context[:400]) for each in labelled_questions()[::9]]
    yield (24,), own[:1]
    yield (32, 64, 128, 256, 384), own[1:5]
    yield (64,), own[5:7]
    asked = ("Who built the bridge?", "Où est le café? 🍵")
    yield (48, 384), [ask(question, context) for question in asked for context in HARD_CONTEXTS]


def _dump(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, separators=(",", ":"), sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
