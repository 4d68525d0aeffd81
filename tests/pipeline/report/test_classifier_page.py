"""The page of a classifier: what was answered by label, how far probabilities moved, and where."""

from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from scipy import special

from converters.values.artifact import Artifact
from pipeline.comparison.cases import Case
from pipeline.comparison.thresholds import THRESHOLDS
from pipeline.comparison.verdict import Parity, judge
from pipeline.report import page
from pipeline.student.load import Student, load
from pipeline.tasks.task import Encoded, Row
from pipeline.tasks.text_classification import TextClassification
from pipeline.tasks.text_classification.labelled import LabelledText
from tests.classifiers import LABELS, save_classifier

TASK = TextClassification(labels=LABELS)
TEXTS = ("A turned text.", "A far text.", "A calm text.")
OWN = ((0.0, 2.0, 2.1), (3.0, 0.0, -1.0), (0.0, 4.0, 0.0))
GIVEN = ((0.0, 2.1, 2.0), (1.0, 0.0, -1.0), (0.0, 4.0, 0.0))
"""The first text's label turns by a small move, the second's keeps through a large one."""
WANTED = ("positive", "negative", "so-so")


class Tables(HTMLParser):
    """Gathers the cells of all tables, row by row, and the text, and what stands in what."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.captions: list[str] = []
        self.tags: set[str] = set()
        self.text = ""
        self.bare_tables = 0
        self._boxes: list[bool] = []
        self._last = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self._last = tag
        if tag == "div":
            self._boxes.append("wide" in (dict(attrs).get("class") or "").split())
        if tag == "table":
            self.tables.append([])
            self.captions.append("")
            self.bare_tables += not any(self._boxes)
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag == "div":
            self._boxes.pop()
        self._last = ""

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._last in ("td", "th", "b"):
            self.tables[-1][-1][-1] += data
        if self._last == "caption":
            self.captions[-1] += data

    def of(self, caption: str) -> list[list[str]]:
        return self.tables[self.captions.index(caption)]

    def headed(self, first: str) -> list[list[str]]:
        """Returns the rows of the tables whose head begins so, heads included."""
        return [
            row for table in self.tables if table[0][: len(first.split("|"))] == first.split("|")
            for row in table
        ]  # fmt: skip


@pytest.fixture(scope="module")
def student(tmp_path_factory: pytest.TempPathFactory) -> Student:
    return load(str(save_classifier("distilbert", tmp_path_factory.mktemp("student"))))


def parity(
    given: Sequence[Sequence[float]] = GIVEN, *, runtime: str = "litert", labels: bool = True,
    seq_len: int = 4, task: TextClassification = TASK,
) -> Parity:  # fmt: skip
    """Judges an artifact that gives these logits."""
    mask = np.ones((1, seq_len), np.int32)
    row = Row(inputs={"input_ids": mask, "attention_mask": mask}, first=1, offsets=())
    own, theirs = (
        [{"logits": np.array([each], np.float32)} for each in logits] for logits in (OWN, given)
    )
    cases = []
    for text, name, outputs in zip(TEXTS, WANTED, own, strict=True):
        said = (task.labels[LABELS.index(name)],) if labels else None
        example = LabelledText(id=text, text=text, labels=said)
        encoded = Encoded(texts=example.texts, rows=(row,))
        answer = task.decode(encoded, [outputs])
        cases.append(Case(example=example, encoded=encoded, outputs=[outputs], answer=answer))
    artifact = Artifact(
        backend="tflite", precision="int8", path=Path("model.tflite"), seq_lens=(seq_len,),
        inputs=(), outputs=(),
    )  # fmt: skip
    return judge(
        artifact, runtime, cases=cases, outputs=[[each] for each in theirs], task=task,
        thresholds=THRESHOLDS["int8"], seq_len=seq_len,
    )  # fmt: skip


def write(folder: Path, student: Student, *rows: Parity) -> str:
    path = folder / "report.html"
    page.write(path, student, (), rows)
    return path.read_text(encoding="utf-8")


def test_page_shows_the_labels_before_and_after_with_what_changed(
    student: Student, tmp_path: Path
) -> None:
    html = write(tmp_path, student, parity())
    shown = Tables(html)
    head = ["label", *LABELS]
    assert shown.of("PyTorch, 4 tokens") == [
        head, ["negative", "1", "0", "0"], ["so-so", "0", "1", "0"], ["positive", "0", "0", "1"],
    ]  # fmt: skip
    assert shown.of("litert int8, 4 tokens") == [
        head, ["negative", "1", "0", "0"], ["so-so", "0", "1", "0"],
        ["positive", "0", "1 (+1)", "0 (-1)"],
    ]  # fmt: skip
    assert "3 labelled texts" in shown.text
    assert html.count('<td class="right">') == 6


def test_page_names_who_answers_as_the_student_and_shows_equal_tables_once(
    student: Student, tmp_path: Path
) -> None:
    shown = Tables(
        write(
            tmp_path, student, parity(), parity(runtime="tensorflow"),
            parity(OWN, runtime="executorch"), parity(OWN, runtime="coreml-reference"),
        )
    )  # fmt: skip
    captions = [each for each in shown.captions if each]
    together = "litert int8, 4 tokens; tensorflow int8, 4 tokens"
    assert captions == ["PyTorch, 4 tokens", together]
    alike = "executorch int8, 4 tokens; coreml-reference int8, 4 tokens"
    assert f"The same as PyTorch: {alike}." in shown.text


def test_page_parts_lengths_at_which_the_student_answers_otherwise(
    student: Student, tmp_path: Path
) -> None:
    longer = parity(OWN, seq_len=8)
    other = replace(longer, counts=(parity().counts[1],) * 2, seq_len=16)
    shown = Tables(write(tmp_path, student, parity(OWN), longer, other))
    captions = [each for each in shown.captions if each]
    assert captions == ["PyTorch, 4, 8 tokens", "PyTorch, 16 tokens"]
    assert shown.text.count("The same as PyTorch: ") == 2


def test_page_without_labelled_texts_has_no_such_table(student: Student, tmp_path: Path) -> None:
    shown = Tables(write(tmp_path, student, parity(labels=False)))
    assert not any(shown.captions)
    assert "labelled text" not in shown.text
    [_, row] = shown.headed("runtime|length|KL, nats")
    assert row[-2:] == ["-", "-"]


def test_page_shows_the_largest_change_of_a_probability_first(
    student: Student, tmp_path: Path
) -> None:
    shown = Tables(write(tmp_path, student, parity()))
    places = [shown.text.index(text) for text in ("A far text.", "A turned text.", "A calm text.")]
    assert places == sorted(places)


def test_page_shows_probabilities_before_and_after(student: Student, tmp_path: Path) -> None:
    shown = Tables(write(tmp_path, student, parity()))
    before, after = (special.softmax(np.array(each[1])) for each in (OWN, GIVEN))
    expected = [
        [label, f"{own:.4f}", f"{given:.4f}", f"{given - own:+.4f}"]
        for label, own, given in zip(LABELS, before, after, strict=True)
    ]
    expected.sort(key=lambda row: -abs(float(row[3])))
    rows = shown.headed("|PyTorch|litert|change")
    assert rows[1:4] == expected
    assert "PyTorch's answer, " not in " ".join(shown.text.split())  # nothing is marked in texts


def test_page_shows_at_most_five_labels_of_an_input(student: Student, tmp_path: Path) -> None:
    verdict = parity()
    scores = tuple(place / 28 for place in range(8))
    task = TextClassification(labels=tuple(f"label {place}" for place in range(8)))
    answer = replace(verdict.worst[0].answer, scores=scores, logits=scores, places=(7,))
    worst = replace(verdict.worst[0], answer=replace(answer, scores=scores[::-1]), reference=answer)
    shown = Tables(write(tmp_path, student, replace(verdict, worst=(worst,), task=task)))
    assert [row[0] for row in shown.headed("|PyTorch|litert|change")[1:]] == [
        "label 0", "label 7", "label 1", "label 6", "label 2",
    ]  # fmt: skip


def test_page_shows_divergence_moves_and_calibration_before_and_after(
    student: Student, tmp_path: Path
) -> None:
    verdict = parity()
    [head, row] = Tables(write(tmp_path, student, verdict)).headed("runtime|length|KL, nats")
    assert head[3:] == [
        "mean move of a probability", "largest", "calibration error before", "after",
    ]  # fmt: skip
    assert row[2] == f"{verdict.kl_divergence:.2g}"
    figures = ("max_probability_move", "calibration_error_before", "calibration_error")
    assert row[4:] == [f"{verdict.drift[name]:.4f}" for name in figures]
    confidence = special.softmax(np.array(OWN), axis=1).max(axis=1)  # all three are right
    assert float(row[5]) == pytest.approx(float((1 - confidence).mean()), abs=1e-4)
    assert row[5] != row[6]


def test_page_shows_labels_as_they_are_and_runs_none_of_them(
    student: Student, tmp_path: Path
) -> None:
    task = TextClassification(labels=("<script>alert(1)</script>", "<img src=x>", "a&b"))
    shown = Tables(write(tmp_path, student, parity(task=task)))
    assert not {"script", "img"} & shown.tags
    assert [row[0] for row in shown.of("PyTorch, 4 tokens")[1:]] == list(task.labels)


def test_every_table_scrolls_in_a_box_of_its_own(student: Student, tmp_path: Path) -> None:
    shown = Tables(write(tmp_path, student, parity()))
    assert len(shown.tables) > 6
    assert shown.bare_tables == 0


def test_page_is_the_same_each_time(student: Student, tmp_path: Path) -> None:
    assert write(tmp_path, student, parity()) == write(tmp_path, student, parity())
