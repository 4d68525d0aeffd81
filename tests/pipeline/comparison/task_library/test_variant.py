"""The Task Library answers like the student, and its check fires on every planted fault."""

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from converters.tflite import task_library as tflite_task_library
from converters.values.artifact import Artifact
from converters.values.errors import InputError
from converters.values.precision import FixedPrecision
from converters.values.task_library import LibraryModel
from pipeline.comparison.cases import Case, reference_cases
from pipeline.comparison.task_library import environment
from pipeline.comparison.task_library import variant as task_library
from pipeline.comparison.task_library.tokenizer import LibraryTokenizer
from pipeline.comparison.verdict import Parity
from pipeline.conversion.recipe import recipe_of
from pipeline.student.load import Student
from pipeline.tasks.question_answering.squad import Question, labelled_questions
from pipeline.tasks.question_answering.task_library import SEQ_LEN, SpanLibrary
from pipeline.tokenizer.tokenization import set_second_type, vocabulary_text
from tests.command import ROOT, pocketbert
from tests.converters.conversion import convert_all
from tests.runs import quiet_run
from tests.students import VOCABULARY_SIZE

WANTED = SpanLibrary().model((SEQ_LEN,))
ARCHITECTURES = ("bert", "distilbert")
QUIET = quiet_run()
LIBRARY_MAX_ANSWER_TOKENS = 32  # the product's own rule is 30
NEAR = 1e-3  # logits: what rounding may decide, and more

needs_library = pytest.mark.usefixtures("task_library_python")


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A student, its artifact, and questions whose best span is among the library's candidates."""

    student: Student
    source: Artifact
    examples: tuple[Question, ...]


@pytest.fixture(scope="module")
def subjects(
    students: dict[str, Student],
    long_artifacts: dict[FixedPrecision, Artifact],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Subject]:
    """A BERT with segment ids, and a DistilBERT without."""
    folder = tmp_path_factory.mktemp("bert")
    made = convert_all(students["bert"], "tflite", ("fp32",), folder, seq_lens=(SEQ_LEN,))
    sources = {"bert": made["fp32"], "distilbert": long_artifacts["fp32"]}
    return {
        name: Subject(
            student=students[name],
            source=sources[name],
            examples=decoded_alike(students[name]),  # random students ramble
        )
        for name in ARCHITECTURES
    }


@pytest.fixture
def bert(subjects: dict[str, Subject]) -> Subject:
    return subjects["bert"]


@needs_library
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_check_passes_a_good_variant(subjects: dict[str, Subject], architecture: str) -> None:
    subject = subjects[architecture]
    variant = task_library.add(subject.source, subject.student, run=QUIET)
    verdict = check(variant, subject)
    assert verdict.verdict == "pass", verdict.reason
    assert (verdict.backend, verdict.runtime) == ("tflite", "task-library")
    assert verdict.answer_agreement >= 0.95
    assert verdict.num_inputs == len(subject.examples) >= 5
    assert [gate.threshold for gate in verdict.gates] == [0.95]
    assert verdict.to_json()["snr_db"] is None


@needs_library
@pytest.mark.parametrize(
    "inputs",
    [
        {"ids": "input_ids", "mask": "token_type_ids", "segment_ids": "attention_mask"},
        {"ids": "attention_mask", "mask": "input_ids", "segment_ids": "token_type_ids"},
    ],
    ids=["segment ids as mask", "mask as ids"],
)
def test_check_fails_swapped_inputs(
    bert: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inputs: dict[str, str]
) -> None:
    monkeypatch.setattr(tflite_task_library, "_INPUTS", inputs)
    variant = derive(bert, tmp_path)
    assert_fails(check(variant, bert))


@needs_library
def test_check_fails_swapped_outputs(bert: Subject, tmp_path: Path) -> None:
    ends, starts = WANTED.outputs
    swapped = (replace(ends, source="start_logits"), replace(starts, source="end_logits"))
    variant = derive(bert, tmp_path, replace(WANTED, outputs=swapped))
    assert_fails(check(variant, bert))


@needs_library
def test_check_fails_the_vocabulary_of_another_model(bert: Subject, tmp_path: Path) -> None:
    words = vocabulary_text(bert.student.tokenizer).splitlines()
    other = "\n".join(words[:5] + words[:4:-1]) + "\n"
    variant = tflite_task_library.derive(
        bert.source, wanted=WANTED, vocabulary=other, path=tmp_path / "other.tflite"
    )
    assert_fails(check(variant, bert))


@needs_library
def test_check_fails_a_file_that_the_library_refuses_and_says_why_in_a_line(bert: Subject) -> None:
    verdict = check(bert.source, bert)
    assert verdict.verdict == "fail"
    assert [gate.name for gate in verdict.gates] == ["runs"]
    assert "etadata" in verdict.reason
    assert "\n" not in verdict.reason


def test_check_without_a_package_index_is_skipped_with_the_reason(
    bert: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    for name in ("PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.setenv(name, "")
    verdicts, [skipped] = task_library.check(
        bert.source, bert.student, examples=bert.examples, run=QUIET
    )
    assert not verdicts
    assert skipped.runtime == "task-library"
    assert "its environment could not be made: " in skipped.reason
    assert "tflite-support==0.4.4" in skipped.reason
    assert "\n" not in skipped.reason
    assert not environment.is_made()
    left = {path.name for path in (tmp_path / "pocketbert" / "task-library").iterdir()}
    assert left == {"lock"}


def test_ensure_makes_a_broken_environment_anew_for_two_processes_at_once(
    task_library_python: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pocketbert" / "task-library" / task_library_python.parents[1].name
    broken = folder / "bin" / "python"
    broken.parent.mkdir(parents=True)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    command = "from pipeline.comparison.task_library.environment import ensure; print(ensure())"
    makers = [
        subprocess.Popen(
            [sys.executable, "-c", command], stdout=subprocess.PIPE, encoding="utf-8",
            cwd=ROOT, env=with_cache(tmp_path),
        )
        for _ in range(2)
    ]  # fmt: skip
    assert [maker.communicate()[0].strip() for maker in makers] == [str(broken)] * 2
    assert [maker.returncode for maker in makers] == [0, 0]
    assert environment.run_client(broken, (), timeout=60)[0] == 0
    left = {path.name for path in folder.parent.iterdir()}
    assert left == {"lock", folder.name}


def test_build_parity_verify_and_inspect_know_the_variant(
    student_folders: dict[str, Path],
    squad_file: Path,
    task_library_python: Path,
    tmp_path: Path,
) -> None:
    folder = tmp_path / "bundle"
    built = pocketbert(
        "build", student_folders["distilbert"], "-o", folder, "--backend", "tflite",
        "--precision", "int8", "--seq-len", "64,384", "--data", squad_file, "--task-library",
        "--json", timeout=600,
    )  # fmt: skip
    assert built.code in (0, 1), built.stdout + built.stderr
    variant = Path(built.json["task_library"]["path"])
    assert variant == folder / "tflite" / "task-library.tflite"
    rows = [each for each in built.json["parity"] if each["runtime"] == "task-library"]
    assert [(each["seq_len"], each["num_inputs"]) for each in rows] == [(384, 6)]
    checked = pocketbert("parity", folder, "--data", squad_file, "--runtime", "task-library",
                         "--json")  # fmt: skip
    assert checked.json["parity"] == rows
    assert not checked.json["skipped"]
    assert pocketbert("verify", folder).code == 0
    inspected = pocketbert("inspect", folder, "--json")
    sizes = {each["path"]: each["size_bytes"] for each in inspected.json["artifacts"]}
    assert sizes[str(variant)] == built.json["task_library"]["size_bytes"]


def test_parity_of_a_bundle_without_the_variant_says_what_adds_it(bundle_copy: Path) -> None:
    finished = pocketbert("parity", bundle_copy, "--runtime", "task-library", "--json")
    assert finished.code == 2
    assert "--task-library" in finished.error["message"]


@pytest.mark.parametrize(
    ("changed", "match"),
    [
        ({"backends": ["coreml"]}, "is for TFLite"),
        ({"seq_lens": (64, 128)}, "pads every text to 384 tokens"),
        ({"recipe": recipe_of("int8", activations="static")}, "static activations"),
    ],
)
def test_check_wanted_refuses_what_the_library_cannot_open(
    students: dict[str, Student], changed: dict[str, object], match: str
) -> None:
    good = {"backends": ["tflite"], "seq_lens": (64, SEQ_LEN), "recipe": recipe_of("int8")}
    task_library.check_wanted(students["bert"], **good)
    with pytest.raises(InputError, match=match):
        task_library.check_wanted(students["bert"], **{**good, **changed})


def test_check_wanted_refuses_a_student_that_reads_capitals(students: dict[str, Student]) -> None:
    tokenizer = Tokenizer.from_str(students["bert"].tokenizer.to_str())
    tokenizer.normalizer.lowercase = False
    cased = replace(students["bert"], tokenizer=tokenizer)
    with pytest.raises(InputError, match="lower case only"):
        task_library.check_wanted(
            cased, backends=["tflite"], seq_lens=(SEQ_LEN,), recipe=recipe_of("int8")
        )


def test_check_wanted_refuses_added_tokens_that_the_library_does_not_find(
    students: dict[str, Student],
) -> None:
    tokenizer = Tokenizer.from_str(students["bert"].tokenizer.to_str())
    tokenizer.add_tokens(["covid"])
    with pytest.raises(InputError, match="would cut the added token 'covid'"):
        task_library.check_wanted(
            replace(students["bert"], tokenizer=tokenizer),
            backends=["tflite"], seq_lens=(SEQ_LEN,), recipe=recipe_of("int8"),
        )  # fmt: skip


@pytest.mark.parametrize(("architecture", "is_refused"), [("bert", True), ("distilbert", False)])
def test_check_wanted_refuses_a_student_with_one_token_type_for_both_texts(
    students: dict[str, Student], architecture: str, is_refused: bool
) -> None:
    tokenizer = Tokenizer.from_str(students[architecture].tokenizer.to_str())
    set_second_type(tokenizer, 0)
    student = replace(students[architecture], tokenizer=tokenizer)
    wanted = {"backends": ["tflite"], "seq_lens": (SEQ_LEN,), "recipe": recipe_of("int8")}
    if not is_refused:
        task_library.check_wanted(student, **wanted)
        return
    with pytest.raises(InputError, match="gives the context the token type 1"):
        task_library.check_wanted(student, **wanted)


@pytest.mark.parametrize(
    ("text", "alike"),
    [
        ("Who lit the lamp, in 1871?", True),
        ("the “honest” map – it’s\ttorn\n", True),
        ("the caf\u00e9", False),
        ("the \u00c9lan", False),
        ("a\u00a0map", False),
    ],
)
def test_library_tokenizer_reads_otherwise_what_bert_folds(
    tokenizer: Tokenizer, text: str, alike: bool
) -> None:
    own = tokenizer.encode(text, add_special_tokens=False).ids
    assert (LibraryTokenizer(tokenizer).ids(text) == own) == alike


def test_comparable_leaves_out_long_contexts_and_other_tokens(students: dict[str, Student]) -> None:
    texts = {
        "short": "The map is torn.",
        "long": "word " * VOCABULARY_SIZE,
        "accent": "caf\u00e9 map",
    }
    examples = [
        Question(id=name, question="Where?", context=text, answers=())
        for name, text in texts.items()
    ]
    chosen, left_out = task_library.comparable(students["bert"], examples, seq_len=SEQ_LEN)
    assert [each.id for each in chosen] == ["short"]
    assert left_out.startswith("1 of several windows and 1 that its tokenizer")


def check(variant: Artifact, subject: Subject) -> Parity:
    [verdict], skipped = task_library.check(
        variant, subject.student, examples=subject.examples, run=QUIET
    )
    assert not skipped
    return verdict


def assert_fails(verdict: Parity) -> None:
    assert verdict.verdict == "fail"
    assert verdict.num_inputs > 0
    assert [gate.verdict for gate in verdict.gates] == ["fail"]
    assert verdict.reason.startswith("answer_agreement is ")


def derive(subject: Subject, folder: Path, wanted: LibraryModel = WANTED) -> Artifact:
    vocabulary = vocabulary_text(subject.student.tokenizer)
    path = folder / "variant.tflite"
    return tflite_task_library.derive(
        subject.source, wanted=wanted, vocabulary=vocabulary, path=path
    )


def decoded_alike(student: Student) -> tuple[Question, ...]:
    """Returns questions whose answer the library's rule makes of the same logits."""
    chosen, _ = task_library.comparable(student, labelled_questions(), seq_len=SEQ_LEN)
    cases = reference_cases(student, chosen, (SEQ_LEN,))
    return tuple(case.example for case in cases if is_candidate(case))


def is_candidate(case: Case) -> bool:
    """Tells whether the answer starts and ends clearly among the five best of all tokens.

    Nor may another span that the library considers be worth nearly as much.
    """
    [window], [logits] = case.encoded.rows, case.outputs
    starts, ends = logits["start_logits"][0], logits["end_logits"][0]
    offsets = [(-1, -1)] * window.first + list(window.offsets)
    first = next(n for n, (begin, _) in enumerate(offsets) if begin == case.answer.start)
    last = next(n for n, (_, end) in enumerate(offsets) if end == case.answer.end)
    among_five = all(
        values[at] > np.sort(values)[-6] + NEAR for values, at in ((starts, first), (ends, last))
    )
    context = slice(window.first, len(offsets))
    values = starts[context, None] + ends[context]
    spans = np.tri(*values.shape, LIBRARY_MAX_ANSWER_TOKENS - 1) * np.tri(*values.shape).T > 0
    rivals = int((values[spans] > starts[first] + ends[last] - NEAR).sum()) - 1
    return among_five and rivals == 0


def with_cache(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(folder)}
