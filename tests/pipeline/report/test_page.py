"""The page of a bundle: what it marks, and that texts cannot break it."""

import dataclasses
from html.parser import HTMLParser
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.comparison.compare import ERROR_BINS, ComparedInput
from pipeline.comparison.localize import BlockError, Localization
from pipeline.comparison.runtimes import Skipped
from pipeline.comparison.verdict import Parity, at_least
from pipeline.report import page
from pipeline.student.load import Student
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.spans import Answer
from tests.bundles import write_bundle

TEXT = "the tower was lit in 1871 by Rennie"


def make_compared(context: str, question: str = "When?") -> ComparedInput:
    answers = [Answer(text=context[a:b], start=a, end=b, score=0.5) for a, b in ((0, 3), (4, 9))]
    return ComparedInput(
        id=question, texts={"question": question, "context": context},
        reference=answers[0], answer=answers[1], outcome="changed", margin=1.5, max_abs_diff=0.7,
        likeness={"answer_f1": 0.0, "text_agreement": 0.0}, is_labelled=True,
        worth={"exact_match": 0.0, "f1": 0.0}, score_drop=1.0,
    )  # fmt: skip


def make_parity(*worst: ComparedInput, verdict: str = "pass", runtime: str = "litert") -> Parity:
    value = 1.0 if verdict == "pass" else 0.0
    counts = (0,) * (len(ERROR_BINS) - 2) + (7,)
    return Parity(
        backend="tflite", runtime=runtime, precision="int8", seq_len=64, verdict=verdict,
        task=QuestionAnswering(),
        gates=(at_least("finite", value, 1.0, detail="<here>"),), worst=worst,
        reason="" if verdict == "pass" else "finite is 0", error_counts=counts,
    )  # fmt: skip


class Tags(HTMLParser):
    """Counts the tags of a page, and gathers its text."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: dict[str, int] = {}
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] = self.tags.get(tag, 0) + 1

    def handle_data(self, data: str) -> None:
        self.text += data


def read(path: Path) -> Tags:
    tags = Tags()
    tags.feed(path.read_text(encoding="utf-8"))
    return tags


def test_page_shows_texts_as_they_are_and_runs_none_of_them(
    students: dict[str, Student], tmp_path: Path
) -> None:
    evil = make_compared("<b> <script>alert(1)</script> & more", question="<img src=x>?")
    student = dataclasses.replace(students["distilbert"], name="<i>name</i>")
    page.write(tmp_path / "report.html", student, (), [make_parity(evil)])
    shown = read(tmp_path / "report.html")
    assert not {"script", "img", "i"} & set(shown.tags)
    assert "<script>alert(1)</script>" in shown.text.replace("\n", "")
    assert "<img src=x>?" in shown.text


def test_page_tells_failures_first_and_skips_with_their_reasons(
    students: dict[str, Student], tmp_path: Path
) -> None:
    rows = [make_parity(), make_parity(verdict="fail", runtime="tensorflow")]
    skipped = [Skipped(runtime="coreml", reason="it exists on darwin only")]
    path = tmp_path / "report.html"
    page.write(path, students["distilbert"], (), rows, skipped=skipped)
    shown = read(path)
    assert shown.text.index("1 of 2 checks failed") < shown.text.index("Verdicts")
    assert "SKIPPED" in shown.text
    assert "it exists on darwin only" in shown.text
    assert shown.tags["svg"] == 1


def test_page_of_blocks_names_the_first_bad_one_and_draws_the_depth(
    students: dict[str, Student], tmp_path: Path
) -> None:
    blocks = tuple(
        BlockError(name=name, snr_db=50.0, local_snr_db=value, verdict="pass")
        for name, value in (("embeddings", 60.0), ("layer.0.attention", 12.0))
    )
    found = Localization(
        backend="tflite", runtime="litert", precision="int8", seq_len=64,
        first_block="layer.0.attention", tolerance_db=45.0, blocks=blocks,
    )  # fmt: skip
    path = tmp_path / "report.html"
    page.write(path, students["distilbert"], (), [make_parity()], localization=[found])
    shown = read(path)
    assert shown.tags["svg"] == 2
    assert "layer.0.attention is the first block" in " ".join(shown.text.split())


def test_page_lists_each_input_once_where_it_fares_worst(
    students: dict[str, Student], tmp_path: Path
) -> None:
    bad = make_compared(TEXT)
    good = dataclasses.replace(
        bad, outcome="same", margin=0.0, max_abs_diff=0.1, likeness={"answer_f1": 1.0}
    )
    rows = [make_parity(good, runtime="tensorflow"), make_parity(bad)]
    page.write(tmp_path / "report.html", students["distilbert"], (), rows)
    shown = " ".join(read(tmp_path / "report.html").text.split())
    assert shown.count("When?") == 1
    assert "litert, 64 tokens: changed, PyTorch prefers its own by 1.5 logits" in shown


def test_page_shows_the_worst_input_first(students: dict[str, Student], tmp_path: Path) -> None:
    bad = make_compared(TEXT, question="Changed?")
    tie = dataclasses.replace(make_compared(TEXT, question="Tied?"), outcome="near tie")
    same = {"outcome": "same", "likeness": {"answer_f1": 1.0, "text_agreement": 1.0}}
    far = dataclasses.replace(make_compared(TEXT, question="Far?"), **same, max_abs_diff=0.9)
    near = dataclasses.replace(make_compared(TEXT, question="Near?"), **same, max_abs_diff=0.1)
    rows = [make_parity(near, tie), make_parity(far, bad, runtime="tensorflow")]
    page.write(tmp_path / "report.html", students["distilbert"], (), rows)
    shown = read(tmp_path / "report.html").text
    places = [shown.index(name) for name in ("Changed?", "Tied?", "Far?", "Near?")]
    assert places == sorted(places)


def test_page_gives_shares_in_per_cent_and_a_dash_for_those_that_nobody_measured(
    students: dict[str, Student], tmp_path: Path
) -> None:
    likeness = {"text_agreement": 0.875, "answer_f1": 0.97}
    seen = dataclasses.replace(make_parity(), answer_agreement=0.951, likeness=likeness)
    path = tmp_path / "report.html"
    for parity, shares in ((seen, ["95.1 %", "87.5 %", "97.0 %"]), (make_parity(), ["-"] * 3)):
        page.write(path, students["distilbert"], (), [parity])
        cells = [cell.split("</td>")[0] for cell in path.read_text("utf-8").split("<td>")]
        first = cells.index("litert")
        answers = len(cells) - 1 - cells[::-1].index("litert")
        assert [cells[first + 3].strip(), *cells[answers + 2 : answers + 4]] == shares


def test_page_is_the_same_each_time(students: dict[str, Student], tmp_path: Path) -> None:
    for name in ("one.html", "two.html"):
        page.write(tmp_path / name, students["distilbert"], (), [make_parity(make_compared(TEXT))])
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


@pytest.mark.parametrize("name", ["parity.json", "report.html"])
@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"parity": "of a ship"}', b"<title>Mine</title>"]
)
def test_report_never_takes_the_place_of_what_is_no_report(tmp_path, name, content) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name} exists and is not of a report") as caught:
        page.check_report_folder(tmp_path)
    assert "--report" in caught.value.hint


def test_report_never_follows_a_link(tmp_path) -> None:
    (tmp_path / "report.html").symlink_to(tmp_path / "elsewhere.html")
    with pytest.raises(InputError, match="exists and is not of a report"):
        page.check_report_folder(tmp_path)


def test_report_never_changes_a_bundle(tmp_path) -> None:
    write_bundle(tmp_path)
    with pytest.raises(InputError, match="is a bundle"):
        page.check_report_folder(tmp_path)


def test_report_takes_the_place_of_an_earlier_one(students: dict[str, Student], tmp_path) -> None:
    (tmp_path / "notes.md").write_text("precious")
    for _ in range(2):
        page.check_report_folder(tmp_path)
        page.write_report(tmp_path, students["distilbert"], (), [make_parity()], [], [])
    assert (tmp_path / "notes.md").read_text() == "precious"
