"""Google's classifier labels texts as the student does, and its check fires on planted faults."""

import json
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from converters.tflite import task_library as tflite_task_library
from converters.values.artifact import Artifact
from converters.values.errors import InputError
from converters.values.task_library import LibraryModel
from pipeline.comparison.task_library import variant as task_library
from pipeline.comparison.task_library.environment import CLIENT
from pipeline.comparison.verdict import Parity
from pipeline.conversion.recipe import recipe_of
from pipeline.student.load import Student, load
from pipeline.tasks.task import TaskOptions
from pipeline.tasks.text_classification.labelled import LabelledText
from pipeline.tokenizer.tokenization import vocabulary_text
from tests.classifiers import LABELS, save_classifier
from tests.command import pocketbert
from tests.conftest import MakeOnce
from tests.converters.conversion import convert_all
from tests.runs import quiet_run

SEQ_LEN = 32
PRECISIONS = {"bert": ("fp32", "int8"), "distilbert": ("int8",)}
LONG = LabelledText(id="long", text="The lamp of the tower was lit. " * 20)
KINDS = {
    "number": {"problem_type": "regression", "labels": ("score",)},
    "several labels": {"problem_type": "multi_label_classification"},
    "pair": {"text_pair": True},
}
READ_METADATA = f"""
import json, runpy, sys
runpy.run_path({str(CLIENT)!r})["load_libusb"]()
from tensorflow_lite_support.metadata.cc.python import _pywrap_metadata_version as versions
from tensorflow_lite_support.metadata.python import metadata
shown = metadata.MetadataDisplayer.with_model_file(sys.argv[1])
print(json.dumps({{
    "metadata": json.loads(shown.get_metadata_json()),
    "files": {{
        name: shown.get_associated_file_buffer(name).decode()
        for name in shown.get_packed_associated_file_list()
    }},
    "least_parser": versions.GetMinimumMetadataParserVersion(shown.get_metadata_buffer()),
}}))
"""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """A student with its artifacts, by precision."""

    student: Student
    sources: dict[str, Artifact]

    @property
    def wanted(self) -> LibraryModel:
        return task_library.library_of(self.student).model((SEQ_LEN,))


@pytest.fixture(scope="module")
def subjects(make_once: MakeOnce) -> dict[str, Subject]:
    """A BERT with segment ids, and a DistilBERT without."""
    return {name: make(name, make_once) for name in PRECISIONS}


@pytest.fixture
def bert(subjects: dict[str, Subject]) -> Subject:
    return subjects["bert"]


def make(architecture: str, make_once: MakeOnce) -> Subject:
    """Returns a random classifier."""

    def convert(folder: Path) -> tuple[str, dict[str, Artifact]]:
        student = str(save_classifier(architecture, folder / "student"))
        return student, convert_all(
            load(student), "tflite", PRECISIONS[architecture], folder, seq_lens=(16, SEQ_LEN)
        )

    student, sources = make_once(f"library-classifier-{architecture}", convert)
    return Subject(student=load(student), sources=sources)


@pytest.mark.usefixtures("task_library_python")
@pytest.mark.parametrize(
    ("architecture", "precision"),
    [(name, precision) for name, precisions in PRECISIONS.items() for precision in precisions],
)
def test_check_passes_a_good_variant(
    subjects: dict[str, Subject], architecture: str, precision: str
) -> None:
    subject = subjects[architecture]
    variant = task_library.add(subject.sources[precision], subject.student, run=quiet_run())
    assert variant.seq_lens == (SEQ_LEN,)
    verdict = check(variant, subject)
    assert verdict.verdict == "pass", verdict.reason
    assert verdict.answer_agreement >= 0.95
    assert verdict.num_inputs > 50
    assert verdict.num_cut > 0  # the library cuts where the student does
    assert {gate.name for gate in verdict.gates} >= {"max_abs_diff", "snr_db", "answer_agreement"}
    assert 0 < verdict.drift["max_probability_move"] < (1e-5 if precision == "fp32" else 0.2)


@pytest.mark.usefixtures("task_library_python")
def test_check_fails_probabilities_under_other_labels(bert: Subject, tmp_path: Path) -> None:
    assert_fails(check(derive(bert, tmp_path, labels=LABELS[::-1]), bert), "answer_agreement")


@pytest.mark.usefixtures("task_library_python")
def test_check_fails_logits_in_place_of_probabilities(bert: Subject, tmp_path: Path) -> None:
    assert_fails(check(derive(bert, tmp_path, is_probability=False), bert), "max_abs_diff")


@pytest.mark.usefixtures("task_library_python")
def test_check_fails_a_file_without_labels(bert: Subject, tmp_path: Path) -> None:
    assert_fails(check(derive(bert, tmp_path, labels=()), bert), "finite")


@pytest.mark.usefixtures("task_library_python")
def test_check_fails_swapped_inputs(
    bert: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    swapped = {"ids": "input_ids", "mask": "token_type_ids", "segment_ids": "attention_mask"}
    monkeypatch.setattr(tflite_task_library, "_INPUTS", swapped)
    assert_fails(check(derive(bert, tmp_path), bert), "snr_db")


@pytest.mark.usefixtures("task_library_python")
def test_check_fails_the_vocabulary_of_another_model(bert: Subject, tmp_path: Path) -> None:
    words = vocabulary_text(bert.student.tokenizer).splitlines()
    other = "\n".join(words[:5] + words[:4:-1]) + "\n"
    assert_fails(check(derive(bert, tmp_path, vocabulary=other), bert), "snr_db")


def test_file_holds_the_labels_beside_the_probability(
    bert: Subject, tmp_path: Path, task_library_python: Path
) -> None:
    variant = derive(bert, tmp_path)
    said = subprocess.run(
        [task_library_python, "-I", "-c", READ_METADATA, variant.path],
        check=True, capture_output=True, encoding="utf-8",
    ).stdout  # fmt: skip
    read = json.loads(said)
    assert read["files"] == {
        "vocab.txt": vocabulary_text(bert.student.tokenizer),
        "labels.txt": "".join(f"{label}\n" for label in LABELS),
    }
    assert read["metadata"].pop("min_parser_version") == read["least_parser"]
    [graph] = read["metadata"]["subgraph_metadata"]
    names = [each["name"] for each in graph["input_tensor_metadata"]]
    assert names == ["ids", "mask", "segment_ids"]
    labels = {"name": "labels.txt", "type": "TENSOR_AXIS_LABELS"}
    assert graph["output_tensor_metadata"] == [
        {"name": "probability", "associated_files": [labels]}
    ]
    [unit] = graph["input_process_units"]
    assert unit["options_type"] == "BertTokenizerOptions"


def test_derive_gives_the_same_bytes_each_time(bert: Subject, tmp_path: Path) -> None:
    contents = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        contents.append(derive(bert, tmp_path / name).path.read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("kind", KINDS)
def test_check_wanted_refuses_heads_of_other_kinds(tmp_path: Path, kind: str) -> None:
    student = load(str(save_classifier("distilbert", tmp_path / "student", **KINDS[kind])))
    with pytest.raises(InputError, match=r"^the Task Library ") as caught:
        check_wanted(student)
    assert "\n" not in caught.value.message


def test_check_wanted_refuses_windows_and_takes_any_length(bert: Subject) -> None:
    check_wanted(bert.student)
    windows = bert.student.task.with_options(TaskOptions(long_text="windows"))
    with pytest.raises(InputError, match="read it in windows"):
        check_wanted(replace(bert.student, task=windows))


def test_build_parity_and_verify_know_the_variant(
    tmp_path: Path, task_library_python: Path
) -> None:
    folder = tmp_path / "bundle"
    student = save_classifier("distilbert", tmp_path / "student")
    data = tmp_path / "data.tsv"
    rows = [f"The tower was lit in 18{n}.\t{LABELS[n % 3]}" for n in range(10, 18)]
    data.write_text("\n".join(["text\tlabel", *rows, f"{LONG.text}\t{LABELS[0]}"]) + "\n")
    built = pocketbert(
        "build", student, "-o", folder, "--backend", "tflite", "--precision", "int8",
        "--seq-len", "16,32", "--data", data, "--task-library", "--json", timeout=600,
    )  # fmt: skip
    assert built.code == 0, built.stdout + built.stderr
    variant = Path(built.json["task_library"]["path"])
    assert variant == folder / "tflite" / "task-library.tflite"
    [row] = [each for each in built.json["parity"] if each["runtime"] == "task-library"]
    assert (row["seq_len"], row["num_inputs"], row["num_cut"]) == (SEQ_LEN, 9, 1)
    assert row["label_agreement"] == 1
    report = (folder / "report.html").read_text(encoding="utf-8")
    assert "<caption>PyTorch, 32 tokens</caption>" in report  # what was answered by label
    assert "task-library int8, 32 tokens" in report
    checked = pocketbert("parity", folder, "--data", data, "--runtime", "task-library", "--json")
    assert checked.json["parity"] == [row]
    assert pocketbert("verify", folder).code == 0
    stated = json.loads((folder / "manifest.json").read_bytes())["task_library"]
    assert [each["artifact_name"] for each in stated["outputs"]] == ["probability"]


def test_build_refuses_a_number_in_one_line(tmp_path: Path) -> None:
    student = save_classifier("distilbert", tmp_path / "student", **KINDS["number"])
    finished = pocketbert("build", student, "-o", tmp_path / "bundle", "--task-library", "--json")
    assert finished.code == 2
    assert finished.error["message"] == "the Task Library gives labels, and this model a number"
    assert not (tmp_path / "bundle").exists()


def check(variant: Artifact, subject: Subject) -> Parity:
    examples = (*subject.student.task.own_examples(), LONG)
    [verdict], skipped = task_library.check(
        variant, subject.student, examples=examples, run=quiet_run()
    )
    assert not skipped
    return verdict


def assert_fails(verdict: Parity, gate: str) -> None:
    assert verdict.verdict == "fail"
    assert verdict.num_inputs > 0
    assert gate in {each.name for each in verdict.gates if each.verdict == "fail"}
    assert f"{gate} is " in verdict.reason


def check_wanted(student: Student) -> None:
    task_library.check_wanted(
        student, backends=["tflite"], seq_lens=(SEQ_LEN,), recipe=recipe_of("int8")
    )


def derive(
    subject: Subject, folder: Path, *, vocabulary: str | None = None, **changed: object
) -> Artifact:
    """Returns a variant whose one output is changed."""
    [output] = subject.wanted.outputs
    return tflite_task_library.derive(
        subject.sources["fp32"],
        wanted=replace(subject.wanted, outputs=(replace(output, **changed),)),
        vocabulary=vocabulary or vocabulary_text(subject.student.tokenizer),
        path=folder / "variant.tflite",
    )
