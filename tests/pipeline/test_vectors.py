import json

import numpy as np
import pytest
import torch

from pipeline import vectors
from pipeline.load import load
from pipeline.squad import labelled_questions
from pipeline.trace import ExportableEncoder
from tests.students import save_student


def test_write_gives_texts_ids_logits_and_answers_of_the_student(students, tmp_path):
    student = students["bert"]
    vectors.write(tmp_path / "vectors.json", student, labelled_questions(), seq_len=128)
    content = json.loads((tmp_path / "vectors.json").read_bytes())
    assert content["seq_len"] == 128
    assert len(content["vectors"]) == vectors.NUM_VECTORS
    encoder = ExportableEncoder(student.model, output_names=student.task.OUTPUT_NAMES)
    for vector in content["vectors"]:
        assert set(vector) == {"question", "context", "windows", "answer"}
        answer = vector["answer"]
        assert vector["context"][answer["start"] : answer["end"]] == answer["text"]
        window = vector["windows"][0]
        ids = torch.tensor([window["input_ids"]])
        second = window["input_ids"].index(3) + 1
        types = torch.tensor([[int(index >= second) for index in range(ids.shape[1])]])
        with torch.inference_mode():
            outputs = encoder(ids, torch.ones_like(ids), types)
        for name, logits in outputs.items():
            np.testing.assert_allclose(window[name], logits[0].numpy(), atol=1e-3)
        for begin, end in window["offsets"]:
            assert 0 <= begin < end <= len(vector["context"])


def test_write_twice_gives_the_same_bytes(students, tmp_path):
    examples = labelled_questions()[:20]
    for name in ("first", "second"):
        vectors.write(tmp_path / name, students["distilbert"], examples, seq_len=64)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_write_logits_that_are_not_finite_are_null(tmp_path, tokenizer):
    folder = save_student("distilbert", tmp_path / "student", tokenizer=tokenizer)
    student = load(str(folder))
    with torch.no_grad():
        student.model.get_parameter("qa_outputs.bias").fill_(torch.inf)
    vectors.write(tmp_path / "vectors.json", student, labelled_questions()[:1], seq_len=384)
    content = json.loads((tmp_path / "vectors.json").read_bytes())
    (vector,) = content["vectors"]
    assert vector["answer"]["score"] is None
    assert set(vector["windows"][0]["start_logits"]) == {None}


@pytest.mark.parametrize("num_examples", [1, 3, 8, 9, 100])
def test_write_spreads_over_the_examples(students, tmp_path, num_examples):
    examples = labelled_questions()[:num_examples]
    vectors.write(tmp_path / "vectors.json", students["distilbert"], examples, seq_len=384)
    written = [
        each["question"] for each in json.loads((tmp_path / "vectors.json").read_bytes())["vectors"]
    ]
    assert len(written) == len(set(written)) == min(num_examples, vectors.NUM_VECTORS)
    assert written[0] == examples[0].question
