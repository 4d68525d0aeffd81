"""The search: its arithmetic on made-up costs, and its whole way on a small student."""

import math
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.values.errors import GateError
from pipeline.conversion.recipe import Recipe
from pipeline.quantization.budget import Budget, Cost
from pipeline.quantization.quantizer import Quantizer
from pipeline.quantization.search import LEAST_SNR_DB, Choice, Exam, line, measure, search
from pipeline.student.emulation import emulated
from pipeline.student.trace import trace
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.runs import quiet_run

FORMS = ("int4/128", "int4/32", "int8")


def choices_of(*costs: tuple[int, float]) -> tuple[Choice, ...]:
    return tuple(
        Choice(form=form, size_bytes=size_bytes, noise=noise)
        for form, (size_bytes, noise) in zip(FORMS, costs, strict=False)
    )


def size_of(step: dict[str, Choice]) -> int:
    return sum(choice.size_bytes for choice in step.values())


def noise_of(step: dict[str, Choice]) -> float:
    return sum(choice.noise for choice in step.values())


ANY_CHOICES = st.dictionaries(
    st.sampled_from("abcdef"),
    st.lists(st.tuples(st.integers(1, 1000), st.floats(1e-6, 1.0)), min_size=1, max_size=3).map(
        lambda costs: choices_of(*costs)
    ),
    min_size=1,
)


def test_line_takes_first_what_takes_away_most_noise_a_byte():
    choices = {
        "words": choices_of((100, 0.5), (200, 0.4)),  # 0.001 a byte
        "head": choices_of((1, 0.02), (2, 0.0)),  # 0.02 a byte
        "ffn": choices_of((10, 0.3), (20, 0.1)),  # 0.02 a byte, and then nothing more
    }
    forms = [[step[group].form for group in choices] for step in line(choices)]
    assert forms == [
        ["int4/128", "int4/128", "int4/128"],
        ["int4/128", "int4/32", "int4/128"],
        ["int4/128", "int4/32", "int4/32"],
        ["int4/32", "int4/32", "int4/32"],
    ]


def test_line_passes_over_a_change_that_does_not_fit():
    choices = {
        "words": choices_of((100, 0.9), (200, 0.0)),
        "ffn": choices_of((10, 0.3), (20, 0.25)),
    }
    last = line(choices, max_bytes=150)[-1]
    assert (last["words"].form, last["ffn"].form) == ("int4/128", "int4/32")


@given(ANY_CHOICES, st.integers(0, 6000))
def test_line_gets_better_and_stays_within_its_bytes(choices, max_bytes):
    steps = line(choices, max_bytes=max_bytes)
    smallest = sum(min(each.size_bytes for each in group) for group in choices.values())
    assert size_of(steps[0]) == smallest
    assert all(size_of(step) <= max_bytes for step in steps[1:])
    noises = [noise_of(step) for step in steps]
    assert noises == sorted(noises, reverse=True)
    assert len(set(noises)) == len(noises)


@given(ANY_CHOICES)
def test_line_without_a_limit_ends_with_the_least_noise(choices):
    for group, choice in line(choices)[-1].items():
        assert choice.noise == min(each.noise for each in choices[group])


@pytest.fixture(scope="module")
def student(students):
    return students["distilbert"]


@pytest.fixture(scope="module")
def quantizer(student):
    return Quantizer(trace(student, seq_lens=(64,)).matrices())


@pytest.fixture(scope="module")
def examples():
    return labelled_questions()[:6]


@pytest.fixture(scope="module")
def measured(student, quantizer, examples):
    return measure(student, quantizer, examples, run=quiet_run())


def test_measure_finds_fewer_bytes_noisier_where_it_matters(measured, quantizer):
    assert set(measured) == {
        "embeddings.words", "embeddings.positions", "layer.0.attention", "layer.0.ffn",
        "layer.1.attention", "layer.1.ffn", "head",
    }  # fmt: skip
    for group in ("embeddings.words", "layer.0.attention", "layer.1.ffn"):
        by_form = {choice.form: choice for choice in measured[group]}
        assert by_form["int4/64"].noise > 4 * by_form["int8"].noise > 0
        assert by_form["int4/64"].size_bytes < by_form["int4/32"].size_bytes
        assert by_form["int4/32"].size_bytes < 0.65 * by_form["int8"].size_bytes
    num_weights = sum(each.size for each in quantizer.matrices.values())
    all_int8 = sum(choices[0].size_bytes for choices in measured.values())
    assert num_weights < all_int8 < 1.1 * num_weights


def test_noise_of_a_recipe_is_near_the_sum_of_its_groups(student, quantizer, examples, measured):
    form = "int8"
    expected = sum(
        choice.noise for choices in measured.values() for choice in choices if choice.form == form
    )
    weights = quantizer.model_weights(Recipe(precision="int8", default=form))
    noise = Exam(student, examples).noise(emulated(student, weights))
    assert expected / 3 < noise < expected * 3


def test_exam_finds_no_fault_with_the_student_itself(student, examples):
    exam = Exam(student, examples)
    assert exam.noise(student) == 0
    assert exam.score_drop(student) == 0


@dataclass(frozen=True)
class Made:
    """What an attempt would have built."""

    recipe: Recipe
    cost: Cost


class Factory:
    """Makes nothing, and tells costs by how many groups have eight bits."""

    def __init__(self, cost) -> None:
        self.attempted = []
        self._cost = cost

    def __call__(self, recipe: Recipe) -> Made:
        self.attempted.append(recipe)
        num_bytes = sum(form == "int8" for form in recipe.groups.values())
        size_bytes, score_drop = self._cost(num_bytes)
        return Made(recipe=recipe, cost=Cost(size_bytes=size_bytes, score_drop=score_drop))


@pytest.fixture
def find(student, quantizer, examples):
    def find(budget: Budget, attempt: Factory):
        return search(
            student,
            quantizer,
            budget,
            examples=examples,
            attempt=attempt,
            run=quiet_run(),
        )

    return find


def test_search_by_size_attempts_the_best_that_is_foreseen_to_fit(find):
    attempt = Factory(lambda num_bytes: (400_000, 1.0))
    made, steps = find(Budget(max_size_bytes=450_000), attempt)
    assert attempt.attempted == [made.recipe] == [steps[-1].recipe]
    assert [step.is_chosen for step in steps] == [False] * (len(steps) - 1) + [True]
    assert steps[-1].score_drop == 1.0
    assert math.isnan(steps[0].score_drop)
    assert steps[-1].size_bytes <= 450_000
    assert made.recipe.precision == "auto"


def test_search_goes_one_step_back_from_an_artifact_that_is_larger_than_foreseen(find):
    sizes = iter((500_001, 500_000))
    attempt = Factory(lambda num_bytes: (next(sizes), 0.0))
    made, steps = find(Budget(max_size_bytes=500_000), attempt)
    assert attempt.attempted == [steps[-1].recipe, steps[-2].recipe]
    assert steps[-2].is_chosen
    assert made.recipe == steps[-2].recipe


def test_search_by_f1_takes_a_larger_recipe_where_artifacts_answer_worse(find):
    drops = iter((2.5, 1.9))
    attempt = Factory(lambda num_bytes: (400_000, next(drops)))
    made, steps = find(Budget(max_score_drop=2), attempt)
    first, second = attempt.attempted
    places = [step.recipe for step in steps]
    assert places.index(second) == places.index(first) + 1
    assert made.recipe == second


def test_search_by_score_passes_over_recipes_that_parity_would_refuse(find):
    made, steps = find(Budget(max_score_drop=100), Factory(lambda num_bytes: (400_000, 0.0)))
    chosen = [step.is_chosen for step in steps].index(True)
    assert made.recipe == steps[chosen].recipe
    assert steps[0].snr_db < LEAST_SNR_DB
    assert steps[chosen - 1].snr_db < LEAST_SNR_DB <= steps[chosen].snr_db


def test_search_says_which_budget_is_out_of_reach_and_by_how_much(find):
    with pytest.raises(GateError) as caught:
        find(Budget(max_size_bytes=100_000), Factory(lambda num_bytes: (350_000, 0.0)))
    assert caught.value.message == "--max-size-mb 0.1 is out of reach by 0.25 MB"
    with pytest.raises(GateError) as caught:
        find(Budget(max_score_drop=1), Factory(lambda num_bytes: (350_000, 3.5)))
    assert caught.value.message == "--max-score-drop 1 is out of reach by 2.50 points"


def test_search_ends_at_once_where_artifacts_do_not_run(find):
    attempt = Factory(lambda num_bytes: (400_000, math.nan))
    with pytest.raises(GateError, match="--max-score-drop 2 cannot be judged"):
        find(Budget(max_score_drop=2), attempt)
    assert len(attempt.attempted) == 1


def test_search_between_two_budgets_tells_of_the_one_that_broke_last(find):
    budget = Budget(max_size_bytes=500_000, max_score_drop=1)
    attempt = Factory(lambda num_bytes: (600_000, 0.0) if len(attempt.attempted) % 2 else (0, 9.0))
    with pytest.raises(GateError, match="out of reach"):
        find(budget, attempt)
    assert len(attempt.attempted) <= 3


@pytest.mark.parametrize(
    ("cost", "message"),
    [
        (Cost(size_bytes=14_000_000, score_drop=2.0), None),
        (
            Cost(size_bytes=14_000_001, score_drop=0.0),
            "--max-size-mb 14 is out of reach by 0.00 MB",
        ),
        (
            Cost(size_bytes=20_000_000, score_drop=9.0),
            "--max-size-mb 14 is out of reach by 6.00 MB",
        ),
        (Cost(size_bytes=1, score_drop=2.5), "--max-score-drop 2 is out of reach by 0.50 points"),
        (
            Cost(size_bytes=1, score_drop=math.nan, why_unknown="litert: it crashed"),
            "--max-score-drop 2 cannot be judged: litert: it crashed",
        ),
        (
            Cost(size_bytes=1, score_drop=math.nan),
            "--max-score-drop 2 cannot be judged: nothing was asked that has a known answer",
        ),
    ],
)
def test_budget_judges_what_was_built(cost, message):
    budget = Budget(max_size_bytes=14e6, max_score_drop=2.0)
    if message is None:
        budget.check(cost)
    else:
        with pytest.raises(GateError) as caught:
            budget.check(cost)
        assert caught.value.message.startswith(message)


def test_budget_that_asks_for_nothing_allows_everything():
    Budget().check(Cost(size_bytes=1e12, score_drop=math.nan))
