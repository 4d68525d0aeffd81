from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.bundle.open import open_bundle
from pipeline.student import reference
from pipeline.student.load import Student
from pipeline.student.trim import trim_tokenizer
from pipeline.tokenizer.tokenization import tokenizer_part, write_tokenizer
from tests.bundles import MANIFEST, write_bundle


def find(student: Student, part: TokenizerPart, folder: Path) -> Student:
    """Returns what is found for a bundle of a student whose manifest says this of its tokenizer."""
    about = MANIFEST.student.model_copy(update={"weights_sha256": student.weights_sha256})
    manifest = MANIFEST.model_copy(update={"student": about, "tokenizer": part})
    write_bundle(folder, files={"tflite/model.tflite": b"no model"}, manifest=manifest)
    with open_bundle(folder) as opened:
        return reference.find(opened, named=student.source)


@pytest.mark.parametrize("architecture", ["distilbert", "bert"])
def test_find_gives_the_student_that_was_named(students, tmp_path, architecture):
    student = students[architecture]
    write_tokenizer(student.tokenizer, tmp_path / "tokenizer")
    found = find(student, tokenizer_part(student.tokenizer), tmp_path)
    assert found.weights_sha256 == student.weights_sha256


def test_find_gives_the_student_with_the_vocabulary_of_a_trimmed_bundle(students, tmp_path):
    student = students["bert"]
    vocabulary = student.tokenizer.get_vocab()
    trimmed = trim_tokenizer(
        student.tokenizer, {w for w, i in vocabulary.items() if i % 2 or i < 5}
    )
    write_tokenizer(trimmed, tmp_path / "tokenizer")
    found = find(student, tokenizer_part(trimmed), tmp_path)
    assert found.tokenizer.get_vocab() == trimmed.get_vocab() != vocabulary


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("clean_text", False), ("handle_chinese_chars", False), ("strip_accents", False),
        ("lowercase", False), ("max_input_chars_per_word", 99), ("second_token_type", 0),
        ("added_tokens", {"[PAD]": 0, "[UNK]": 1, "[CLS]": 2, "[SEP]": 3}),
    ],
)  # fmt: skip
def test_find_refuses_a_student_that_is_read_in_another_way_than_the_bundle(
    students, tmp_path, name, value
):
    student = students["bert"]
    write_tokenizer(student.tokenizer, tmp_path / "tokenizer")
    part = tokenizer_part(student.tokenizer).model_copy(update={name: value})
    with pytest.raises(InputError, match=f"read in another way than this bundle says: {name}"):
        find(student, part, tmp_path)


def test_find_does_not_mind_types_that_the_student_does_not_take(students, tmp_path):
    student = students["distilbert"]
    write_tokenizer(student.tokenizer, tmp_path / "tokenizer")
    part = tokenizer_part(student.tokenizer).model_copy(update={"second_token_type": 0})
    assert find(student, part, tmp_path).weights_sha256 == student.weights_sha256
