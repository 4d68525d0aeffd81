import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.values.errors import InputError, StorageError
from pipeline.tasks.task import Unreadable
from pipeline.tasks.text_classification.labelled import (
    LabelledText,
    Scheme,
    check_classes,
    read_labelled,
    stream_strictly,
)

ONE = Scheme(problem_type="single_label_classification", labels=("bad", "good"), pair=False)
SEVERAL = Scheme(problem_type="multi_label_classification", labels=("joy", "fear", "envy"))
NUMBER = Scheme(problem_type="regression", labels=(), pair=False)
NEW = Scheme(problem_type="single_label_classification")


def written(tmp_path: Path, content: str | bytes, name: str = "data.tsv") -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def reason(path: Path, scheme: Scheme) -> str:
    """Returns what is wrong with the last row of a file whose other rows are good."""
    *others, last = read_labelled(path, scheme=scheme)
    assert others and all(isinstance(each, LabelledText) for each in others)
    assert isinstance(last, Unreadable)
    return last.reason


# Layouts


def test_tsv_takes_quotes_as_characters_and_names_each_row_by_its_line(tmp_path):
    path = written(tmp_path, 'text\tlabel\nHe said "yes\tgood\n\n"No" it is\tbad\n')
    assert read_labelled(path, scheme=ONE) == (
        LabelledText(id="data.tsv:2", text='He said "yes', labels=("good",)),
        LabelledText(id="data.tsv:4", text='"No" it is', labels=("bad",)),
    )


def test_tsv_with_a_byte_order_mark_crlf_and_other_line_separators_reads_the_same(tmp_path):
    path = written(tmp_path, "\ufefflabel\ttext\textra\r\ngood\tone\u2028two\x0b\x85three\tx\r\n")
    (example,) = read_labelled(path, scheme=ONE)
    assert example.text == "one\u2028two\x0b\x85three" and example.labels == ("good",)


def test_csv_takes_quotes_commas_and_line_ends_within_a_field(tmp_path):
    path = written(
        tmp_path,
        'text,label\r\n"A ""fine"" film,\r\nall of it",good\r\n\r\nDull,bad\r\n',
        "data.csv",
    )
    assert read_labelled(path, scheme=ONE) == (
        LabelledText(id="data.csv:2", text='A "fine" film,\r\nall of it', labels=("good",)),
        LabelledText(id="data.csv:5", text="Dull", labels=("bad",)),
    )


def test_csv_with_an_open_quote_stops_with_its_line(tmp_path):
    path = written(tmp_path, 'text,label\nFine,good\n"Dull,bad\n', "data.csv")
    with pytest.raises(InputError, match=r"data\.csv:3 is not CSV: unexpected end of data"):
        read_labelled(path, scheme=ONE)


def test_csv_takes_a_text_longer_than_the_default_limit_of_its_reader(tmp_path):
    path = written(tmp_path, f"text,label\n{'word ' * 40_000},good\n", "data.csv")
    (example,) = read_labelled(path, scheme=ONE)
    assert len(example.text) == 200_000


def test_jsonl_takes_pairs_and_lists_of_labels(tmp_path):
    rows = [
        {"text": "a\nb", "text_pair": "c\td", "label": ["envy", "joy"], "id": 7},
        {"text": "e", "text_pair": "f", "label": []},
    ]
    path = written(tmp_path, "\n\n".join(json.dumps(row) for row in rows), "data.jsonl")
    first, second = read_labelled(path, scheme=SEVERAL)
    assert first.texts == {"text": "a\nb", "text_pair": "c\td"}
    assert first.labels == ("joy", "envy")  # by place
    assert (second.id, second.labels) == ("data.jsonl:3", ())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"text": "a", "label": ', "it is not JSON: column 23"),
        ('["a", "good"]', "an object in JSON was expected"),
        ("[" * 100_000, "nests too deeply"),
        ('{"text": "a", "label": ' + "1" * 5000 + "}", "cannot be read as JSON"),
        ('{"label": "good"}', "it has no text"),
        ('{"text": 3, "label": "good"}', "its text is the number 3; a string was expected"),
        ('{"text": "\\ud83d", "label": "good"}', "half of a surrogate pair"),
        ('{"text": "a"}', "it has no label"),
        ('{"text": "a", "label": null}', "it has no label"),
        ('{"text": "a", "label": true}', "its label is a boolean"),
        ('{"text": "a", "label": ["good"]}', "its label is a list; a name"),
        ('{"text": "a", "label": 1.0}', "its label is the number 1.0; a name"),
        ('{"text": "a", "label": 2}', "its label '2' is not one of the model's: bad, good"),
        ('{"text": "a", "text_pair": "b", "label": 1}', "text_pair, and the model takes one text"),
    ],
)
def test_jsonl_damaged_line_is_unreadable_and_says_why(tmp_path, line, said):
    path = written(tmp_path, f'{{"text": "a", "label": "good"}}\n{line}\n', "data.jsonl")
    assert said in reason(path, ONE)


# Faults of a file


def test_table_without_a_header_shows_its_first_line(tmp_path):
    path = written(tmp_path, "A fine film\t1\nDull\t0\n")
    with pytest.raises(InputError, match="no column 'text': its first line has 'A fine film', '1'"):
        read_labelled(path, scheme=ONE)


def test_table_without_a_label_column_names_its_columns(tmp_path):
    path = written(tmp_path, "text,category\nDull,bad\n", "data.csv")
    with pytest.raises(InputError, match="no column 'label': its first line has 'text', 'categ"):
        read_labelled(path, scheme=ONE)
    (example,) = read_labelled(path, scheme=ONE, is_labelled=False)
    assert (example.text, example.labels) == ("Dull", None)


def test_table_of_single_texts_for_a_model_of_pairs_and_the_other_way_round(tmp_path):
    single = written(tmp_path, "text\tlabel\na\tgood\n")
    with pytest.raises(InputError, match="no column 'text_pair'"):
        read_labelled(single, scheme=Scheme(problem_type=ONE.problem_type, pair=True))
    pairs = written(tmp_path, "text\ttext_pair\tlabel\na\tb\tgood\n", "pairs.tsv")
    with pytest.raises(InputError, match="a column 'text_pair', and the model takes one text"):
        read_labelled(pairs, scheme=ONE)
    (example,) = read_labelled(pairs, scheme=NEW)
    assert example.texts == {"text": "a", "text_pair": "b"}


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("", "data.tsv", "no column 'text': it is empty"),
        ("", "data.jsonl", "holds no texts"),
        ("text\tlabel\n", "data.tsv", "holds no texts"),
        ("text\ttext\tlabel\na\tb\tgood\n", "data.tsv", "has the column 'text' twice"),
        ("text\tlabel\nna\xefve\tgood\n".encode("latin-1"), "data.tsv", r"data.tsv:2 is not UTF-8"),
        ("text\tlabel\na\tgood\n".encode("utf-16"), "data.tsv", "data.tsv:1 is not UTF-8"),
        ("text\tlabel\na\tgood\n", "data.json", "ends in '.json'"),
        ("text\tlabel\na\tgood\n", "data", "its name has no ending"),
        ("text\tlabel\n\tgood\n", "data.tsv", "none of the 1 rows .* its text is empty"),
    ],
)  # fmt: skip
def test_file_of_another_layout_is_refused(tmp_path, content, name, said):
    with pytest.raises(InputError, match=said):
        read_labelled(written(tmp_path, content, name), scheme=ONE)


def test_file_that_is_absent_a_folder_or_closed_is_told_apart(tmp_path):
    with pytest.raises(InputError, match="there is no file"):
        read_labelled(tmp_path / "none.tsv", scheme=ONE)
    (tmp_path / "folder.tsv").mkdir()
    with pytest.raises(InputError, match="is a folder"):
        read_labelled(tmp_path / "folder.tsv", scheme=ONE)
    closed = written(tmp_path, "text\tlabel\na\tgood\n", "closed.tsv")
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("this user may read every file")
    with pytest.raises(StorageError, match="may not be read"):
        read_labelled(closed, scheme=ONE)


# Faults of a row


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("\tgood", "its text is empty"),
        (" \u00a0 \tgood", "its text is empty"),
        ("Fine\t", "it has no label"),
        ("Fine\tgreat", "its label 'great' is not one of the model's: bad, good"),
        ("Fine\t1.0", "its label '1.0' is not one of the model's"),
        ("Fine\t-1", "its label '-1' is not one of the model's"),
        ("Fine\t2", "its label '2' is not one of the model's"),
        ("Fine\tgood|bad", "its label 'good|bad' is not one of the model's"),
        ("Fi\tne\tgood", "it has 3 fields, and the header 2"),
        ("Fine", "it has 1 fields, and the header 2"),
    ],
)
def test_row_with_a_fault_is_unreadable_and_says_why(tmp_path, row, said):
    assert said in reason(written(tmp_path, f"text\tlabel\nDull\tbad\n{row}\n"), ONE)


def test_row_with_a_fault_stops_a_strict_reader_with_file_and_line(tmp_path):
    path = written(tmp_path, "text\tlabel\nDull\tbad\nFine\tgreat\n")
    rows = stream_strictly(path, scheme=ONE)
    assert next(rows).text == "Dull"
    with pytest.raises(InputError, match=r"/data\.tsv:3: its label 'great' is not one of"):
        next(rows)


def test_number_of_a_place_names_its_label(tmp_path):
    path = written(tmp_path, "text\tlabel\nDull\t0\nFine\t1\n")
    assert [each.labels for each in read_labelled(path, scheme=ONE)] == [("bad",), ("good",)]


def test_number_is_a_name_only_where_the_model_has_numbers_for_names(tmp_path):
    stars = Scheme(problem_type="single_label_classification", labels=("1", "2", "3"), pair=False)
    path = written(tmp_path, "text\tlabel\nDull\t1\nFine\t0\n")
    assert "its label '0' is not one of the model's: 1, 2, 3" in reason(path, stars)


def test_new_labels_are_taken_as_they_are_but_no_number_with_a_point(tmp_path):
    path = written(tmp_path, "text\tlabel\nDull\t 0 \nFine\tsome thing\nSo\t0.5\n")
    rows = read_labelled(path, scheme=NEW)
    assert [each.labels for each in rows[:2]] == [("0",), ("some thing",)]
    assert "its label 0.5 is a number with a sign or a point" in rows[2].reason


def test_several_labels_are_parted_by_bars_and_none_may_be_set(tmp_path):
    path = written(tmp_path, "text\tlabel\na\tenvy|joy\nb\t\nc\t1|1\nd\tjoy|\n")
    rows = read_labelled(path, scheme=SEVERAL)
    assert [each.labels for each in rows[:3]] == [("joy", "envy"), (), ("fear",)]
    assert "one of its labels is empty" in rows[3].reason


@pytest.mark.parametrize(
    ("label", "value"), [("3", 3.0), ("-0.25", -0.25), (" 1e-2 ", 0.01), (".5", 0.5)]
)
def test_regression_reads_a_number(tmp_path, label, value):
    (row,) = read_labelled(written(tmp_path, f"text\tlabel\na\t{label}\n"), scheme=NUMBER)
    assert (row.value, row.labels) == (value, None)


@pytest.mark.parametrize("label", ["nan", "inf", "1_000", "good", "٣", "1e999", ""])
def test_regression_refuses_what_is_no_finite_number(tmp_path, label):
    path = written(tmp_path, f"text\tlabel\na\t1\nb\t{label}\n")
    assert "its label" in reason(path, NUMBER)


@pytest.mark.parametrize("label", ["NaN", "Infinity", "1" + "0" * 400, '"1"x', "[1]", "false"])
def test_regression_refuses_what_is_no_finite_number_in_json(tmp_path, label):
    good = '{"text": "a", "label": 1}'
    path = written(tmp_path, f'{good}\n{{"text": "a", "label": {label}}}\n', "data.jsonl")
    assert reason(path, NUMBER)


# All of a file


def test_one_class_only_is_refused_for_learning_and_named(tmp_path):
    rows = read_labelled(written(tmp_path, "text\tlabel\na\t1\nb\t1\n"), scheme=ONE)
    with pytest.raises(InputError, match=r"every example of x\.tsv has the same label: 'good'"):
        check_classes(rows, scheme=ONE, where="x.tsv")
    none_set = [LabelledText(id="a", text="a", labels=())]
    with pytest.raises(InputError, match="the same label: none set"):
        check_classes(none_set, scheme=SEVERAL, where="x.tsv")
    numbers = [LabelledText(id=str(value), text="a", value=value) for value in (1.0, 2.0)]
    check_classes(numbers, scheme=NUMBER, where="x.tsv")
    with pytest.raises(InputError, match=r"the same label: 1\.0"):
        check_classes(numbers[:1], scheme=NUMBER, where="x.tsv")


@pytest.mark.conversion
@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_a_million_rows_stream_in_constant_memory(tmp_path, ending):
    path = tmp_path / f"data.{ending}"
    row = '{"text": "A fine film", "label": "good"}\n'
    separator = {"tsv": "\t", "csv": ",", "jsonl": ""}[ending]
    with path.open("w") as file:
        if separator:
            row = f"A fine film{separator}good\n"
            file.write(f"text{separator}label\n")
        file.writelines([row] * 1_000_000)
    count, growth_bytes = map(int, run_python(_GROWTH, str(path)).split())
    assert count == 1_000_000 and growth_bytes < 5_000_000


_GROWTH = """
import sys
from pathlib import Path
from pipeline.running.processes import peak_rss_bytes
from pipeline.tasks.text_classification.labelled import LabelledText, Scheme, stream

kind = Scheme(problem_type="single_label_classification", labels=("bad", "good"))
rows = stream(Path(sys.argv[1]), scheme=kind)
next(rows)
before = peak_rss_bytes()
count = 1 + sum(isinstance(row, LabelledText) for row in rows)
print(count, peak_rss_bytes() - before)
"""


def run_python(program: str, *args: str) -> str:
    command = [sys.executable, "-c", program, *args]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@given(data=st.binary(max_size=200), ending=st.sampled_from(["tsv", "csv", "jsonl"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory, data, ending):
    header = {"tsv": b"text\tlabel\n", "csv": b"text,label\n", "jsonl": b""}[ending]
    path = tmp_path_factory.mktemp("fuzz") / f"data.{ending}"
    path.write_bytes(header + data)
    try:
        rows = read_labelled(path, scheme=SEVERAL)
    except InputError as err:
        assert err.message and err.hint
    else:
        assert len({each.id for each in rows}) == len(rows)
