import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.compare import (
    THRESHOLDS,
    Case,
    Parity,
    Thresholds,
    compare,
    cosine,
    failed_parity,
    max_abs_diff,
    snr_db,
    thresholds_of,
)
from pipeline.precision import PRECISIONS
from pipeline.squad import Question
from pipeline.tasks import question_answering as task
from pipeline.tasks.question_answering import Encoded, Window
from pipeline.values import Artifact

Outputs = list[list[dict[str, np.ndarray]]]

SEQ_LEN = 12
ARTIFACT = Artifact(
    backend="tflite",
    precision="fp32",
    path=Path("model.tflite"),
    seq_lens=(SEQ_LEN,),
    inputs=(),
    outputs=(),
)


def test_max_abs_diff_by_hand():
    actual, reference = np.array([1.0, -2.0, 3.0]), np.array([1.5, 1.0, 3.0])
    assert max_abs_diff(actual=actual, reference=reference) == 3.0


def test_cosine_by_hand():
    assert cosine(actual=np.array([3.0, 4.0]), reference=np.array([4.0, 3.0])) == pytest.approx(
        0.96
    )
    assert cosine(actual=np.array([1.0, 0.0]), reference=np.array([0.0, 2.0])) == 0.0
    assert cosine(actual=np.array([-2.0]), reference=np.array([5.0])) == -1.0


def test_cosine_of_nothing_is_not_a_number():
    assert math.isnan(cosine(actual=np.zeros(3), reference=np.ones(3)))


def test_snr_by_hand():
    # Power 100 over power 1 is 20 dB, and the noise is that of the actual values.
    assert snr_db(actual=np.array([9.0]), reference=np.array([10.0])) == pytest.approx(20.0)
    assert snr_db(actual=np.array([10.0]), reference=np.array([9.0])) == pytest.approx(
        20 * math.log10(9)
    )
    assert snr_db(actual=np.array([0.0, 3.0]), reference=np.array([4.0, 3.0])) == pytest.approx(
        10 * math.log10(25 / 16)
    )


def test_snr_at_the_ends_of_its_range():
    ones, zeros = np.ones(3), np.zeros(3)
    assert snr_db(actual=ones, reference=ones) == math.inf
    assert snr_db(actual=ones, reference=zeros) == -math.inf
    assert snr_db(actual=np.array([math.inf]), reference=np.array([1.0])) == -math.inf
    assert math.isnan(snr_db(actual=np.array([math.nan]), reference=np.array([1.0])))


def make_cases(num_cases: int = 4) -> list[Case]:
    """Returns cases of one row each, with seven context tokens and two of padding."""
    rng = np.random.default_rng(5)
    cases = []
    for number in range(num_cases):
        mask = np.array([[1] * 10 + [0] * 2], np.int32)
        offsets = tuple((2 * index, 2 * index + 1) for index in range(7))
        window = Window(
            inputs={"input_ids": mask, "attention_mask": mask}, first=2, offsets=offsets
        )
        encoded = Encoded(context="a b c d e f g", windows=(window,))
        logits = {
            name: rng.normal(0, 3, (1, SEQ_LEN)).astype(np.float32) for name in task.OUTPUT_NAMES
        }
        answer = task.decode(encoded, [logits])
        example = Question(
            id=str(number), question="?", context=encoded.context, answers=(answer.text,)
        )
        cases.append(Case(example=example, encoded=encoded, outputs=[logits], answer=answer))
    return cases


def copy_outputs(cases: list[Case]) -> Outputs:
    return [
        [{name: value.copy() for name, value in row.items()} for row in case.outputs]
        for case in cases
    ]


def judge(cases: list[Case], outputs: Outputs, **thresholds: float) -> Parity:
    return compare(
        ARTIFACT,
        "litert",
        cases=cases,
        outputs=outputs,
        task=task,
        thresholds=replace(THRESHOLDS["fp32"], **thresholds),
        seq_len=SEQ_LEN,
    )


def failed_gates(parity: Parity) -> set[str]:
    return {gate.name for gate in parity.gates if gate.verdict == "fail"}


def test_compare_equal_outputs_pass():
    cases = make_cases()
    parity = judge(cases, copy_outputs(cases))
    assert parity.verdict == "pass"
    assert failed_gates(parity) == set()
    assert (parity.max_abs_diff, parity.snr_db, parity.answer_agreement) == (0.0, math.inf, 1.0)
    assert parity.cosine == pytest.approx(1.0)
    assert parity.num_inputs == 4
    assert parity.reason == ""
    assert [gate.name for gate in parity.gates] == [
        "finite", "max_abs_diff", "cosine", "snr_db", "answer_agreement",
    ]  # fmt: skip


def test_compare_metrics_are_over_all_real_tokens_and_the_worse_of_both_outputs():
    cases = make_cases(2)
    outputs = copy_outputs(cases)
    outputs[1][0]["end_logits"][0, 4] += 0.5
    outputs[0][0]["end_logits"][0, 11] += 1000  # padding
    parity = judge(cases, outputs)
    expected = np.concatenate([case.outputs[0]["end_logits"][0, :10] for case in cases])
    actual = np.concatenate([rows[0]["end_logits"][0, :10] for rows in outputs])
    power = float((expected.astype(np.float64) ** 2).sum())
    difference = float(((actual.astype(np.float64) - expected) ** 2).sum())
    assert parity.max_abs_diff == pytest.approx(0.5, abs=1e-6)
    assert parity.snr_db == pytest.approx(10 * math.log10(power / difference))
    assert parity.cosine == pytest.approx(
        float(actual @ expected) / float(np.linalg.norm(actual) * np.linalg.norm(expected)),
        abs=1e-6,
    )


def test_compare_swapped_outputs_fail():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for (row,) in outputs:
        row["start_logits"], row["end_logits"] = row["end_logits"], row["start_logits"]
    parity = judge(cases, outputs)
    assert parity.verdict == "fail"
    assert failed_gates(parity) == {"max_abs_diff", "cosine", "snr_db", "answer_agreement"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", task.OUTPUT_NAMES)
@pytest.mark.parametrize("position", [0, 5, 11], ids=["special", "context", "padding"])
@pytest.mark.filterwarnings("error")
def test_compare_one_value_that_is_not_finite_fails(value, name, position):
    cases = make_cases()
    outputs = copy_outputs(cases)
    outputs[2][0][name][0, position] = value
    parity = judge(cases, outputs)
    assert parity.verdict == "fail"
    assert failed_gates(parity) >= {"finite", "max_abs_diff", "cosine", "snr_db"}
    assert math.isnan(parity.max_abs_diff)
    assert "finite is 0" in parity.reason


def test_compare_constant_offset_fails_though_every_answer_is_the_same():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for (row,) in outputs:
        for values in row.values():
            values += 0.01
    parity = judge(cases, outputs)
    assert parity.answer_agreement == 1.0
    assert failed_gates(parity) >= {"max_abs_diff", "snr_db"}


def test_compare_scaled_logits_fail_though_their_direction_is_the_same():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for (row,) in outputs:
        for values in row.values():
            values *= 1.05
    parity = judge(cases, outputs)
    assert parity.cosine == pytest.approx(1.0)
    assert failed_gates(parity) == {"max_abs_diff", "snr_db"}


def test_compare_zeroed_logits_fail_every_gate_but_finite():
    cases = make_cases()
    outputs = [
        [{name: np.zeros_like(value) for name, value in row.items()} for row in rows]
        for rows in copy_outputs(cases)
    ]
    parity = judge(cases, outputs)
    assert failed_gates(parity) == {"max_abs_diff", "cosine", "snr_db", "answer_agreement"}
    assert parity.snr_db == pytest.approx(0.0)


def wrong_answer(cases: list[Case], which: int, *, by: float) -> Outputs:
    """Raises another span above the reference's own in one case."""
    outputs = copy_outputs(cases)
    case, (row,) = cases[which], outputs[which]
    window = case.encoded.windows[0]
    taken = next(i for i, (begin, _) in enumerate(window.offsets) if begin == case.answer.start)
    other = window.first + (taken + 3) % len(window.offsets)
    for name, values in row.items():
        values[0, other] = case.outputs[0][name].max() + by
    return outputs


def test_compare_wrong_answers_fail_the_share_of_equal_answers():
    loose = {"max_abs_diff": 100.0, "cosine": -1.0, "snr_db": -100.0}
    cases = make_cases(20)
    parity = judge(cases, wrong_answer(cases, 7, by=1), **loose, answer_agreement=0.95)
    assert (parity.verdict, parity.answer_agreement) == ("pass", 0.95)
    parity = judge(cases, wrong_answer(cases, 7, by=1), **loose, answer_agreement=0.951)
    assert (parity.verdict, failed_gates(parity)) == ("fail", {"answer_agreement"})
    assert parity.reason == "answer_agreement is 0.95, the gate is 0.951"


def test_compare_other_span_within_a_near_tie_counts_as_the_same():
    cases = make_cases(1)
    window = cases[0].encoded.windows[0]
    logits = {name: np.zeros((1, SEQ_LEN), np.float32) for name in task.OUTPUT_NAMES}
    for values in logits.values():
        values[0, window.first] = 5.0
        values[0, window.first + 6] = 4.97
    case = replace(cases[0], outputs=[logits], answer=task.decode(cases[0].encoded, [logits]))
    other = [[{name: value[:, ::1].copy() for name, value in logits.items()}]]
    for values in other[0][0].values():
        values[0, window.first + 6] = 5.01
        values[0, window.first] = 4.0
    loose = {"max_abs_diff": 100.0, "cosine": -1.0, "snr_db": -100.0}
    assert judge([case], other, **loose, near_tie=0.1).verdict == "pass"
    assert judge([case], other, **loose, near_tie=0.05).verdict == "fail"
    assert judge([case], other, **loose, near_tie=0.0).verdict == "fail"


@pytest.mark.parametrize("gate", ["max_abs_diff", "cosine", "snr_db", "answer_agreement"])
def test_compare_gate_fires_by_itself(gate):
    cases = make_cases()
    passed = judge(cases, copy_outputs(cases))
    strict = {"max_abs_diff": -1.0, "cosine": 1.1, "snr_db": math.inf, "answer_agreement": 1.1}
    # The best snr is infinite: noise is needed for it to fall short.
    outputs = copy_outputs(cases)
    outputs[0][0]["start_logits"][0, 0] += 1e-6
    failed = judge(cases, outputs, **{gate: strict[gate]})
    assert passed.verdict == "pass"
    assert failed_gates(failed) == {gate}


def test_compare_reference_that_is_not_finite_never_passes():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for case in cases:
        case.outputs[0]["end_logits"][:] = np.nan
    loose = {"answer_agreement": 0.0}
    parity = judge(cases, outputs, **loose)
    assert parity.verdict == "fail"


def test_parity_as_json_has_null_for_what_is_not_finite():
    cases = make_cases()
    parity = judge(cases, copy_outputs(cases))
    for verdict in (parity, failed_parity(ARTIFACT, "litert", seq_len=SEQ_LEN, reason="crashed")):
        content = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
        assert set(content) == {
            "backend", "runtime", "precision", "seq_len", "verdict", "max_abs_diff", "cosine",
            "snr_db", "answer_agreement", "f1_drop", "num_inputs", "gates", "reason",
        }  # fmt: skip
        assert content["snr_db"] is None
        for gate in content["gates"]:
            assert set(gate) == {"name", "verdict", "value", "threshold"}
    assert parity.to_json()["max_abs_diff"] == 0.0


def test_failed_parity_fails_and_says_why():
    parity = failed_parity(ARTIFACT, "litert", seq_len=SEQ_LEN, reason="run litert crashed")
    assert (parity.verdict, parity.num_inputs, parity.reason) == ("fail", 0, "run litert crashed")
    assert failed_gates(parity) == {"runs"}


def test_static_activations_loosen_two_gates_and_no_other():
    artifact = replace(ARTIFACT, precision="int8")
    dynamic = thresholds_of(artifact)
    static = thresholds_of(replace(artifact, activations="static"))
    assert dynamic == THRESHOLDS["int8"]
    assert static.max_abs_diff > dynamic.max_abs_diff
    assert static.answer_agreement < dynamic.answer_agreement
    same = {"max_abs_diff": 0.0, "answer_agreement": 0.0}
    assert replace(static, **same) == replace(dynamic, **same)


def test_thresholds_exist_for_every_precision_and_loosen_with_it():
    assert tuple(THRESHOLDS) == PRECISIONS
    fp32, fp16, int8, int4, auto = (THRESHOLDS[name] for name in PRECISIONS)
    assert auto == int4
    assert fp32.max_abs_diff == 1e-4
    assert (fp32.answer_agreement, fp32.near_tie) == (1.0, 0.0)
    assert fp16.answer_agreement == 1.0
    assert int8.answer_agreement == 0.95
    for stricter, looser in ((fp32, fp16), (fp16, int8), (int8, int4)):
        assert isinstance(stricter, Thresholds)
        assert stricter.max_abs_diff < looser.max_abs_diff
        assert stricter.cosine > looser.cosine
        assert stricter.snr_db > looser.snr_db
