"""The hard examples of a small real student, and what stands behind a mask."""

import dataclasses

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer

from pipeline.comparison import runtimes
from pipeline.comparison.hard_rows import LENGTH_STEP, hard_examples, refill_padding
from pipeline.student.load import Student, load
from pipeline.tasks.question_answering.squad import Question
from pipeline.tokenizer.tokenization import special_id

MAX_SEQ_LEN = 128


@pytest.fixture(scope="module")
def student(students: dict[str, Student]) -> Student:
    return students["distilbert"]


@pytest.fixture(scope="module")
def examples(student: Student) -> dict[str, Question]:
    return {each.id: each for each in hard_examples(student, max_seq_len=MAX_SEQ_LEN)}


def row_of(student: Student, example: Question) -> dict[str, np.ndarray]:
    (encoded,) = student.encode([example], seq_lens=(MAX_SEQ_LEN,))
    (window,) = encoded.rows
    return window.inputs


def num_tokens(student: Student, example: Question) -> int:
    return int(row_of(student, example)["attention_mask"].sum())


def test_lengths_go_from_the_shortest_to_the_whole_row_in_steps(student, examples) -> None:
    lengths = [*range(8, MAX_SEQ_LEN, LENGTH_STEP), MAX_SEQ_LEN]
    found = {length: num_tokens(student, examples[f"{length} tokens"]) for length in lengths}
    # A text that is cut inside a word may be read in a token more or less.
    assert all(abs(found[length] - length) <= 2 for length in lengths), found
    assert found[8] <= 8
    assert num_tokens(student, examples["one word"]) < 8


def test_kinds_are_what_their_names_say(student, examples) -> None:
    unknown = special_id(student.tokenizer, "[UNK]")
    ids = row_of(student, examples["unknown tokens"])["input_ids"]
    assert (ids == unknown).sum() > 20
    repeated = row_of(student, examples["one word repeated"])["input_ids"]
    assert np.unique(repeated, return_counts=True)[1].max() >= 64
    assert "many scripts" in examples or student.tokenizer.get_vocab_size() < 1000


def test_activations_are_larger_than_those_of_ordinary_text() -> None:
    """Of a trained student: a random one has no words that stand out."""
    trained = load(None)
    layers = [layer.ffn.lin1 for layer in trained.model.distilbert.transformer.layer]
    examples = {each.id: each for each in hard_examples(trained, max_seq_len=MAX_SEQ_LEN)}

    def typical(example: Question) -> float:
        """The middle one of the largest inputs of some layers, over the words of a text."""
        taken: list[torch.Tensor] = []
        hooks = [
            layer.register_forward_pre_hook(lambda _, inputs: taken.append(inputs[0][0].abs()))
            for layer in layers
        ]
        runtimes.run_student(trained, [row_of(trained, example)])
        for hook in hooks:
            hook.remove()
        words = slice(4, num_tokens(trained, example) - 1)
        largest = torch.stack([each[words].amax(1) for each in taken]).amax(0)
        return float(largest.median())

    ordinary = max(typical(examples[f"{length} tokens"]) for length in (40, 72, 104, 128))
    assert typical(examples["large activations, few words"]) > ordinary


def test_examples_are_the_same_each_time(student, examples) -> None:
    assert hard_examples(student, max_seq_len=MAX_SEQ_LEN) == tuple(examples.values())


def test_vocabulary_of_another_script_leaves_out_what_it_cannot_read(student) -> None:
    letters = [chr(code) for code in range(0x4E00, 0x4E20)]
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]
    vocabulary = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer.from_str(BertWordPieceTokenizer(vocab=vocabulary).to_str())
    foreign = dataclasses.replace(student, tokenizer=tokenizer)
    assert hard_examples(foreign, max_seq_len=MAX_SEQ_LEN) == ()


def test_refill_padding_changes_only_what_the_mask_hides() -> None:
    ids = np.array([[5, 6, 7, 0, 0, 0, 0, 0]], np.int32)
    inputs = {"input_ids": ids, "attention_mask": (ids > 0).astype(np.int32)}
    refilled = refill_padding(inputs, vocabulary_size=100)
    assert refilled is not None
    assert refilled["input_ids"].dtype == np.int32
    np.testing.assert_array_equal(refilled["input_ids"][0, :3], [5, 6, 7])
    assert (refilled["input_ids"][0, 3:] != 0).any()
    assert refilled["input_ids"].max() < 100
    np.testing.assert_array_equal(ids[0, 3:], 0)


def test_refill_padding_of_a_full_row_is_nothing() -> None:
    full = np.ones((1, 8), np.int32)
    assert refill_padding({"input_ids": full, "attention_mask": full}, vocabulary_size=9) is None
