import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from converters.values.artifact import Artifact
from converters.values.precision import PRECISIONS
from pipeline.comparison.cases import Case
from pipeline.comparison.thresholds import STATIC_THRESHOLDS, THRESHOLDS, Thresholds, thresholds_of
from pipeline.comparison.verdict import HardRows, Parity, failed_parity, judge
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.spans import OUTPUT_NAMES
from pipeline.tasks.question_answering.squad import Question
from pipeline.tasks.task import Encoded, Row
from pipeline.tasks.text_classification import RULES, TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText

Outputs = list[list[dict[str, np.ndarray]]]

TASK = QuestionAnswering()
SEQ_LEN = 12
ARTIFACT = Artifact(
    backend="tflite",
    precision="fp32",
    path=Path("model.tflite"),
    seq_lens=(SEQ_LEN,),
    inputs=(),
    outputs=(),
)


def make_cases(num_cases: int = 4) -> list[Case]:
    """Returns cases of one row each, with seven context tokens and two of padding."""
    rng = np.random.default_rng(5)
    cases = []
    for number in range(num_cases):
        mask = np.array([[1] * 10 + [0] * 2], np.int32)
        offsets = tuple((2 * index, 2 * index + 1) for index in range(7))
        row = Row(inputs={"input_ids": mask, "attention_mask": mask}, first=2, offsets=offsets)
        encoded = Encoded(texts={"question": "?", "context": "a b c d e f g"}, rows=(row,))
        logits = {name: rng.normal(0, 3, (1, SEQ_LEN)).astype(np.float32) for name in OUTPUT_NAMES}
        answer = TASK.decode(encoded, [logits])
        example = Question(
            id=str(number), question="?", context=encoded.texts["context"], answers=(answer.text,)
        )
        cases.append(Case(example=example, encoded=encoded, outputs=[logits], answer=answer))
    return cases


def copy_outputs(cases: list[Case]) -> Outputs:
    return [
        [{name: value.copy() for name, value in row.items()} for row in case.outputs]
        for case in cases
    ]


def judged(
    cases: list[Case], outputs: Outputs, hard: HardRows | None = None, **thresholds: float
) -> Parity:
    return judge(
        ARTIFACT,
        "litert",
        cases=cases,
        outputs=outputs,
        hard=hard,
        task=TASK,
        thresholds=replace(THRESHOLDS["fp32"], **thresholds),
        seq_len=SEQ_LEN,
    )


def failed_gates(parity: Parity) -> set[str]:
    return {gate.name for gate in parity.gates if gate.verdict == "fail"}


def test_judge_equal_outputs_pass():
    cases = make_cases()
    parity = judged(cases, copy_outputs(cases))
    assert parity.verdict == "pass"
    assert failed_gates(parity) == set()
    assert (parity.max_abs_diff, parity.snr_db, parity.answer_agreement) == (0.0, math.inf, 1.0)
    assert parity.cosine == pytest.approx(1.0)
    assert parity.num_inputs == 4
    assert parity.reason == ""
    assert [gate.name for gate in parity.gates] == [
        "finite", "max_abs_diff", "cosine", "snr_db", "answer_agreement",
    ]  # fmt: skip


def test_judge_metrics_are_over_all_real_tokens_and_the_worse_of_both_outputs():
    cases = make_cases(2)
    outputs = copy_outputs(cases)
    outputs[1][0]["end_logits"][0, 4] += 0.5
    outputs[0][0]["end_logits"][0, 11] += 1000  # padding
    parity = judged(cases, outputs)
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


def test_judge_swapped_outputs_fail():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for (row,) in outputs:
        row["start_logits"], row["end_logits"] = row["end_logits"], row["start_logits"]
    parity = judged(cases, outputs)
    assert parity.verdict == "fail"
    assert failed_gates(parity) == {"max_abs_diff", "cosine", "snr_db", "answer_agreement"}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", OUTPUT_NAMES)
@pytest.mark.parametrize("position", [0, 5, 11], ids=["special", "context", "padding"])
@pytest.mark.filterwarnings("error")
def test_judge_one_value_that_is_not_finite_fails(value, name, position):
    cases = make_cases()
    outputs = copy_outputs(cases)
    outputs[2][0][name][0, position] = value
    parity = judged(cases, outputs)
    assert parity.verdict == "fail"
    assert failed_gates(parity) >= {"finite", "max_abs_diff", "cosine", "snr_db"}
    assert math.isnan(parity.max_abs_diff)
    assert "finite is 0" in parity.reason


def test_judge_constant_offset_fails_though_every_answer_is_the_same():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for (row,) in outputs:
        for values in row.values():
            values += 0.01
    parity = judged(cases, outputs)
    assert parity.answer_agreement == 1.0
    assert failed_gates(parity) >= {"max_abs_diff", "snr_db"}


def test_judge_scaled_logits_fail_though_their_direction_is_the_same():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for (row,) in outputs:
        for values in row.values():
            values *= 1.05
    parity = judged(cases, outputs)
    assert parity.cosine == pytest.approx(1.0)
    assert failed_gates(parity) == {"max_abs_diff", "snr_db"}


def test_judge_zeroed_logits_fail_every_gate_but_finite():
    cases = make_cases()
    outputs = [
        [{name: np.zeros_like(value) for name, value in row.items()} for row in rows]
        for rows in copy_outputs(cases)
    ]
    parity = judged(cases, outputs)
    assert failed_gates(parity) == {"max_abs_diff", "cosine", "snr_db", "answer_agreement"}
    assert parity.snr_db == pytest.approx(0.0)


def wrong_answer(cases: list[Case], which: int, *, by: float) -> Outputs:
    """Raises another span above the reference's own in one case."""
    outputs = copy_outputs(cases)
    case, (row,) = cases[which], outputs[which]
    window = case.encoded.rows[0]
    taken = next(i for i, (begin, _) in enumerate(window.offsets) if begin == case.answer.start)
    other = window.first + (taken + 3) % len(window.offsets)
    for name, values in row.items():
        values[0, other] = case.outputs[0][name].max() + by
    return outputs


def test_judge_wrong_answers_fail_the_share_of_equal_answers():
    loose = {"max_abs_diff": 100.0, "cosine": -1.0, "snr_db": -100.0}
    cases = make_cases(20)
    parity = judged(cases, wrong_answer(cases, 7, by=1), **loose, answer_agreement=0.95)
    assert (parity.verdict, parity.answer_agreement) == ("pass", 0.95)
    parity = judged(cases, wrong_answer(cases, 7, by=1), **loose, answer_agreement=0.951)
    assert (parity.verdict, failed_gates(parity)) == ("fail", {"answer_agreement"})
    assert parity.reason == "answer_agreement is 0.95, the gate is 0.951"


def near_tie(gap: float) -> tuple[list[Case], Outputs]:
    """Returns a case whose second best span is so many logits behind, and the best elsewhere."""
    (case,) = make_cases(1)
    window = case.encoded.rows[0]
    logits = {name: np.zeros((1, SEQ_LEN), np.float32) for name in OUTPUT_NAMES}
    for values in logits.values():
        values[0, window.first] = 5.0
        values[0, window.first + 6] = 5.0 - gap / 2
    case = replace(case, outputs=[logits], answer=TASK.decode(case.encoded, [logits]))
    turned = {name: value.copy() for name, value in logits.items()}
    for values in turned.values():
        values[0, window.first + 6] = 5.001
    return [case], [[turned]]


@pytest.mark.parametrize(("noise", "is_tie"), [(0.3, True), (0.001, False)])
def test_judge_other_span_is_a_near_tie_only_within_the_noise(noise, is_tie):
    loose = {"max_abs_diff": 100.0, "cosine": -1.0, "snr_db": 10.0}
    cases, outputs = near_tie(0.5)
    # Noise where no answer is: at the tokens of the question.
    outputs[0][0]["start_logits"][0, :2] += noise * math.sqrt(20 / 2)
    outputs[0][0]["start_logits"][0, cases[0].encoded.rows[0].first] += 0.0
    cases, outputs = cases * 3, outputs * 3
    parity = judged(cases, outputs, **loose)
    assert parity.num_near_ties == (3 if is_tie else 0)
    assert parity.answer_agreement == (1.0 if is_tie else 0.0)
    assert {each.outcome for each in parity.worst} == {"near tie" if is_tie else "changed"}
    assert parity.worst[0].margin == pytest.approx(0.5, abs=1e-6)
    assert parity.likeness["text_agreement"] == 0.0


def test_judge_noise_beyond_what_the_precision_may_have_excuses_nothing():
    loose = {"max_abs_diff": 100.0, "cosine": -1.0}
    cases, outputs = near_tie(0.5)
    outputs[0][0]["start_logits"][0, :2] += 5.0
    assert judged(cases, outputs, **loose, snr_db=0.0).num_near_ties == 1
    assert judged(cases, outputs, **loose, snr_db=40.0).num_near_ties == 0


def test_judge_one_row_gone_wrong_does_not_excuse_itself():
    loose = {"max_abs_diff": 100.0, "cosine": -1.0, "snr_db": 0.0}
    cases = make_cases(20)
    parity = judged(cases, wrong_answer(cases, 7, by=1), **loose, answer_agreement=0.96)
    assert parity.worst[0].id == "7"
    assert parity.worst[0].outcome == "changed"
    assert failed_gates(parity) == {"answer_agreement"}


def test_judge_scores_answers_between_models_and_on_labels():
    loose = {"max_abs_diff": 100.0, "cosine": -1.0, "snr_db": 0.0, "answer_agreement": 0.0}
    cases = make_cases(20)
    parity = judged(cases, wrong_answer(cases, 7, by=1), **loose)
    wrong = parity.worst[0]
    assert wrong.score_drop == pytest.approx(1 - wrong.worth["f1"])
    assert parity.likeness["answer_f1"] == pytest.approx((19 + wrong.likeness["answer_f1"]) / 20)
    assert parity.likeness["text_agreement"] == 0.95
    f1 = 100 * (19 + wrong.worth["f1"]) / 20
    assert parity.worth.scores == pytest.approx({"exact_match": 95, "f1": f1})
    assert parity.worth.drop == pytest.approx(100 - f1)
    low, high = parity.worth.drop_interval
    assert low == 0 < parity.worth.drop < high


def test_judge_without_labels_has_no_scores():
    cases = [replace(case, example=replace(case.example, answers=())) for case in make_cases()]
    parity = judged(cases, copy_outputs(cases))
    assert parity.verdict == "pass"
    assert parity.worth.scores == {}
    assert math.isnan(parity.worth.drop)
    assert parity.likeness["answer_f1"] == 1.0


def test_judge_counts_every_logit_error_once():
    cases = make_cases(3)
    outputs = copy_outputs(cases)
    outputs[0][0]["start_logits"][0, 0] += 0.02
    outputs[1][0]["end_logits"][0, 3] += 1e6
    counts = judged(cases, outputs).error_counts
    assert sum(counts) == 3 * 2 * 10
    assert counts[0] == 3 * 2 * 10 - 2
    assert counts[-1] == 1


def make_hard(cases: list[Case], outputs: Outputs, padded: Outputs) -> HardRows:
    return HardRows(cases=cases, outputs=outputs, padded=[[rows] for rows in padded])


def test_judge_hard_rows_that_hold_pass():
    cases = make_cases()
    hard = make_hard(cases, copy_outputs(cases), copy_outputs(cases))
    parity = judged(cases, copy_outputs(cases), hard)
    assert parity.verdict == "pass"
    assert [gate.name for gate in parity.gates][-2:] == ["hard_rows", "padding_invariance"]


@pytest.mark.parametrize("value", [1.0, math.nan])
def test_judge_one_hard_row_gone_wrong_fails_and_is_named(value):
    cases = make_cases()
    outputs = copy_outputs(cases)
    outputs[2][0]["start_logits"][0, 3] += value
    parity = judged(cases, copy_outputs(cases), make_hard(cases, outputs, outputs))
    assert failed_gates(parity) == {"hard_rows"}
    assert "dB at 2, the gate is 80" in parity.reason


@pytest.mark.parametrize(
    ("noise", "is_good"), [(0.0, True), (0.1, True), (2.0, False), (math.nan, False)]
)
def test_judge_number_near_zero_by_the_size_of_all_of_them(noise, is_good):
    task = TextClassification(rules=RULES.model_copy(update={"problem_type": "regression"}))
    cases, outputs = [], []
    for number, value in enumerate([3.0, -2.5, 0.001, 4.0]):
        row = Row(inputs={"attention_mask": np.ones((1, SEQ_LEN), np.int32)}, first=1, offsets=())
        encoded = Encoded(texts={"text": "a"}, rows=(row,))
        logits = {"logits": np.array([[value]], np.float32)}
        example = LabelledText(id=str(number), text="a")
        answer = task.decode(encoded, [logits])
        cases.append(Case(example=example, encoded=encoded, outputs=[logits], answer=answer))
        outputs.append([{"logits": logits["logits"] + np.float32(noise if number == 2 else 0)}])
    gate = next(
        each
        for each in judge(
            ARTIFACT, "litert", cases=cases, outputs=copy_outputs(cases),
            hard=make_hard(cases, outputs, outputs), task=task, thresholds=THRESHOLDS["int8"],
            seq_len=SEQ_LEN,
        ).gates
        if each.name == "hard_rows"
    )  # fmt: skip
    assert gate.verdict == ("pass" if is_good else "fail")
    if not is_good:
        assert gate.detail == "dB at 2"


def test_judge_answer_that_depends_on_padding_fails_and_is_named():
    cases = make_cases()
    padded = wrong_answer(cases, 1, by=1)
    parity = judged(cases, copy_outputs(cases), make_hard(cases, copy_outputs(cases), padded))
    assert failed_gates(parity) == {"padding_invariance"}
    assert parity.reason == "padding_invariance is 0.75 for 1, the gate is 1"


@pytest.mark.parametrize(("error", "fails"), [(0.0, False), (0.01, False), (0.05, True)])
def test_judge_compares_hard_rows_with_what_its_own_weights_give(error, fails):
    """However far from the student they are, within what its precision may be."""
    cases = make_cases()
    given, own_weights = copy_outputs(cases), copy_outputs(cases)
    for row in own_weights:
        for logits in row[0].values():
            logits += 0.3
    for row, rounded in zip(given, own_weights, strict=True):
        for name, logits in row[0].items():
            logits[:] = rounded[0][name] * (1 + error)
    hard = replace(make_hard(cases, given, given), own_weights=own_weights)
    parity = judged(cases, copy_outputs(cases), hard, hard_rows_snr_db=12, padding_invariance=0)
    assert failed_gates(parity) == ({"own_weights"} if fails else set())
    if fails:
        assert "against the student with the file's own integers, the gate is 35" in parity.reason


def test_judge_weights_that_are_not_the_students_fail():
    cases = make_cases()
    parity = judge(
        ARTIFACT, "litert", cases=cases, outputs=copy_outputs(cases), task=TASK,
        weight_problems=["head is not in the file"], thresholds=THRESHOLDS["fp32"],
        seq_len=SEQ_LEN,
    )  # fmt: skip
    assert failed_gates(parity) == {"weights"}
    assert "head is not in the file" in parity.reason


@pytest.mark.parametrize("gate", ["max_abs_diff", "cosine", "snr_db", "answer_agreement"])
def test_judge_gate_fires_by_itself(gate):
    cases = make_cases()
    passed = judged(cases, copy_outputs(cases))
    strict = {"max_abs_diff": -1.0, "cosine": 1.1, "snr_db": math.inf, "answer_agreement": 1.1}
    # The best snr is infinite: noise is needed for it to fall short.
    outputs = copy_outputs(cases)
    outputs[0][0]["start_logits"][0, 0] += 1e-6
    failed = judged(cases, outputs, **{gate: strict[gate]})
    assert passed.verdict == "pass"
    assert failed_gates(failed) == {gate}


def test_judge_reference_that_is_not_finite_never_passes():
    cases = make_cases()
    outputs = copy_outputs(cases)
    for case in cases:
        case.outputs[0]["end_logits"][:] = np.nan
    loose = {"answer_agreement": 0.0}
    parity = judged(cases, outputs, **loose)
    assert parity.verdict == "fail"


def test_parity_as_json_has_null_for_what_is_not_finite():
    cases = make_cases()
    parity = judged(cases, copy_outputs(cases))
    for verdict in (
        parity,
        failed_parity(ARTIFACT, "litert", task=TASK, seq_len=SEQ_LEN, reason="crashed"),
    ):
        content = json.loads(json.dumps(verdict.to_json(), allow_nan=False))
        assert set(content) == {
            "backend", "runtime", "precision", "seq_len", "verdict", "max_abs_diff",
            "mean_abs_diff", "relative_error", "cosine", "snr_db", "kl_divergence",
            "answer_agreement", "num_near_ties", "text_agreement", "answer_f1", "exact_match", "f1",
            "f1_drop", "f1_drop_interval", "num_inputs", "num_cut", "gates", "reason", "worst",
            "error_counts",
        }  # fmt: skip
        assert content["snr_db"] is None
        for gate in content["gates"]:
            assert set(gate) == {"name", "verdict", "value", "threshold", "detail"}
    assert parity.to_json()["max_abs_diff"] == 0.0
    assert verdict.to_json()["answer_agreement"] is None  # of the one that did not run


def test_failed_parity_fails_and_says_why():
    parity = failed_parity(
        ARTIFACT, "litert", task=TASK, seq_len=SEQ_LEN, reason="run litert crashed"
    )
    assert (parity.verdict, parity.num_inputs, parity.reason) == ("fail", 0, "run litert crashed")
    assert failed_gates(parity) == {"runs"}


def test_static_activations_loosen_two_gates_and_no_other():
    artifact = replace(ARTIFACT, precision="int8")
    dynamic = thresholds_of(artifact)
    static = thresholds_of(replace(artifact, activations="static"))
    assert dynamic == THRESHOLDS["int8"]
    assert static == STATIC_THRESHOLDS
    assert static.max_abs_diff > dynamic.max_abs_diff
    assert static.answer_agreement < dynamic.answer_agreement
    same = {"max_abs_diff": 0.0, "answer_agreement": 0.0}
    assert replace(static, **same) == replace(dynamic, **same)


def test_gates_of_executorchs_fp16_hold_for_a_healthy_phone_and_no_others_are_wider():
    cases = make_cases(20)
    outputs = copy_outputs(cases)
    noise = np.random.default_rng(0).uniform(-0.13, 0.13, (20, 2, SEQ_LEN)).astype(np.float32)
    for (row,), own in zip(outputs, noise, strict=True):
        for values, each in zip(row.values(), own, strict=True):
            values += each
    for backend in ("executorch", "tflite", "coreml"):
        artifact = replace(ARTIFACT, backend=backend, precision="fp16")
        parity = judge(
            artifact, backend, cases=cases, outputs=outputs, task=TASK,
            thresholds=thresholds_of(artifact), seq_len=SEQ_LEN,
        )  # fmt: skip
        assert parity.verdict == ("pass" if backend == "executorch" else "fail"), parity.reason
    for precision in PRECISIONS:
        for backend in ("executorch", "tflite", "coreml"):
            own = thresholds_of(replace(ARTIFACT, backend=backend, precision=precision))
            is_wider = own != THRESHOLDS[precision]
            assert is_wider == ((backend, precision) == ("executorch", "fp16"))


def test_thresholds_exist_for_every_precision_and_loosen_with_it():
    assert tuple(THRESHOLDS) == PRECISIONS
    fp32, fp16, int8, int4, auto = (THRESHOLDS[name] for name in PRECISIONS)
    assert auto == int4
    assert fp32.max_abs_diff == 1e-4
    assert fp32.answer_agreement == 1.0
    assert fp16.answer_agreement == 1.0
    assert int8.answer_agreement == 0.95
    for stricter, looser in ((fp32, fp16), (fp16, int8), (int8, int4)):
        assert isinstance(stricter, Thresholds)
        assert stricter.max_abs_diff < looser.max_abs_diff
        assert stricter.cosine > looser.cosine
        assert stricter.snr_db > looser.snr_db
        assert stricter.hard_rows_snr_db > looser.hard_rows_snr_db
        assert stricter.padding_invariance >= looser.padding_invariance
