import json

import numpy as np
import pytest
import torch

from converters.values.errors import InputError
from pipeline.bundle.manifest import VECTORS
from pipeline.bundle.vectors import read, write
from pipeline.comparison.cases import reference_cases
from pipeline.comparison.thresholds import THRESHOLDS
from pipeline.packing import vectors
from pipeline.student.load import load
from pipeline.student.trace import ExportableEncoder
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.students import save_student

PATH = "tflite/model.tflite"


def describe(student, *, examples=None, seq_lens=(384,), artifacts=None):
    cases = reference_cases(
        student, vectors.choose(examples or labelled_questions(), student.task), seq_lens
    )
    return vectors.describe(
        cases, artifacts or {}, seq_lens=seq_lens, task=student.task, tokenizer=student.tokenizer
    )


def test_describe_gives_ids_logits_and_answers_of_the_student(students):
    student = students["bert"]
    found = describe(student, seq_lens=(64, 128))
    assert len(found.examples) == vectors.NUM_VECTORS + 1
    encoder = ExportableEncoder(student.model, output_names=student.output_names)
    for vector in found.examples:
        answer, context = vector.answer, vector.texts["context"]
        assert context[answer["start"] : answer["end"]] == answer["text"]
        in_utf16 = context.encode("utf-16-le")
        own = in_utf16[2 * answer["utf16_start"] : 2 * answer["utf16_end"]]
        assert own.decode("utf-16-le") == answer["text"]
        for window in vector.rows:
            assert len(window.input_ids) <= window.seq_len
            ids = torch.tensor([window.input_ids])
            second = window.input_ids.index(3) + 1
            types = torch.tensor([[int(index >= second) for index in range(ids.shape[1])]])
            with torch.inference_mode():
                outputs = encoder(ids, torch.ones_like(ids), types)
            for name, logits in outputs.items():
                np.testing.assert_allclose(window.outputs[name], logits[0].numpy(), atol=1e-3)
            for begin, end in window.offsets:
                assert 0 <= begin < end <= len(context)


def test_describe_gives_a_question_of_many_windows(students):
    found = describe(students["distilbert"], seq_lens=(64, 128))
    assert len(found.examples[-1].rows) > 3
    assert found.seq_lens == (64, 128)


def test_describe_gives_tokens_of_texts_in_many_scripts(students):
    student = students["distilbert"]
    found = describe(student)
    assert [each.text for each in found.texts] == list(vectors.TEXTS)
    for each in found.texts:
        encoding = student.tokenizer.encode(each.text, add_special_tokens=False)
        assert (list(each.ids), list(each.offsets)) == (encoding.ids, encoding.offsets)
        in_utf16 = each.text.encode("utf-16-le")
        for (begin, end), (begin16, end16) in zip(each.offsets, each.utf16_offsets, strict=True):
            assert in_utf16[2 * begin16 : 2 * end16].decode("utf-16-le") == each.text[begin:end]


def shift_logits(outputs, by):
    return [
        [{name: logits + by for name, logits in row.items()} for row in rows] for rows in outputs
    ]


def test_describe_tolerates_twice_what_was_seen_between_rounding_and_the_gate(students, artifacts):
    student, artifact = students["distilbert"], artifacts["tflite"]["int8"]
    cases = reference_cases(student, vectors.choose(labelled_questions(), student.task), (384,))
    same = [case.outputs for case in cases]

    def tolerance(outputs) -> float:
        found = vectors.describe(
            cases,
            {PATH: (artifact, outputs)},
            seq_lens=(384,),
            task=student.task,
            tokenizer=student.tokenizer,
        )
        return found.tolerances[PATH]

    gate = THRESHOLDS["int8"].max_abs_diff
    assert tolerance(same) == 1e-4
    assert tolerance(shift_logits(same, 0.25)) == pytest.approx(0.5, rel=1e-3)
    assert tolerance(shift_logits(same, 3.0)) == gate
    assert tolerance(shift_logits(same, np.nan)) == gate
    assert tolerance([]) == gate


def test_describe_tolerates_what_phones_round_otherwise_in_executorchs_fp16(students, artifacts):
    student = students["distilbert"]
    cases = reference_cases(student, vectors.choose(labelled_questions(), student.task), (384,))
    off = shift_logits([case.outputs for case in cases], 0.015)
    found = vectors.describe(
        cases,
        {backend: (artifacts[backend]["fp16"], off) for backend in artifacts},
        seq_lens=(384,),
        task=student.task,
        tokenizer=student.tokenizer,
    )
    # The largest difference that was seen on arm64, where that on x86 is a fourth to a seventh.
    assert found.tolerances["executorch"] == pytest.approx(0.21, rel=1e-3)
    assert found.tolerances["tflite"] == pytest.approx(0.03, rel=1e-3)
    assert found.tolerances["coreml"] == found.tolerances["tflite"]


def test_describe_names_artifacts_that_answer_otherwise(students, artifacts):
    student, artifact = students["distilbert"], artifacts["tflite"]["fp32"]
    cases = reference_cases(student, vectors.choose(labelled_questions(), student.task), (384,))
    same = [case.outputs for case in cases]
    mirrored = [[{name: -logits for name, logits in row.items()} for row in rows] for rows in same]
    found = vectors.describe(
        cases,
        {"same": (artifact, same), "mirrored": (artifact, mirrored), "silent": (artifact, [])},
        seq_lens=(384,),
        task=student.task,
        tokenizer=student.tokenizer,
    )
    assert {vector.other_answer_in for vector in found.examples} == {("mirrored",)}


def test_write_and_read_give_the_same_and_the_same_bytes(students, tmp_path):
    for name in ("first", "second"):
        made = describe(students["distilbert"], examples=labelled_questions()[:20])
        write(made, tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()
    assert read(tmp_path / "first") == made


def test_write_logits_that_are_not_finite_are_null(tmp_path, tokenizer):
    folder = save_student("distilbert", tmp_path / "student", tokenizer=tokenizer)
    student = load(str(folder))
    with torch.no_grad():
        student.model.get_parameter("qa_outputs.bias").fill_(torch.inf)
    path = tmp_path / VECTORS
    write(describe(student, examples=labelled_questions()[:1]), path)
    content = json.loads(path.read_bytes())
    assert content["examples"][0]["answer"]["score"] is None
    assert set(content["examples"][0]["rows"][0]["outputs"]["start_logits"]) == {None}
    assert read(path).examples[0].answer["score"] is None


@pytest.mark.parametrize("num_examples", [1, 3, 8, 9, 100])
def test_choose_spreads_over_the_examples(num_examples):
    examples = labelled_questions()[:num_examples]
    *chosen, long = vectors.choose(examples, QuestionAnswering())
    assert len(set(chosen)) == len(chosen) == min(num_examples, vectors.NUM_VECTORS)
    assert chosen[0] == examples[0]
    assert examples[0].context in long.context


@pytest.mark.parametrize("raw", [b"", b"{}", b"[]", b"\xff", b'{"texts": 1}', b"[" * 100_000])
def test_read_what_is_no_vectors_is_refused(tmp_path, raw):
    path = tmp_path / VECTORS
    path.write_bytes(raw)
    with pytest.raises(InputError, match=r"vectors\.json is damaged"):
        read(path)


def test_read_absent_vectors_is_refused(tmp_path):
    with pytest.raises(InputError, match="no vectors at"):
        read(tmp_path / VECTORS)
