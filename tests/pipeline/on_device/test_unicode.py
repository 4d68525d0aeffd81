import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.values.errors import InputError
from pipeline.on_device.unicode import Ranges, read_tables
from pipeline.tokenizer.unicode_tables import KEPT


@given(st.sets(st.integers(0, 40), max_size=20), st.integers(0, 41))
def test_ranges_hold_exactly_their_characters(points, asked):
    pairs = [(point, point) for point in sorted(points)]
    assert (chr(asked) in Ranges(pairs)) == (asked in points)


def test_ranges_hold_their_bounds():
    ranges = Ranges([(5, 8), (10, 12)])
    assert [point for point in range(20) if chr(point) in ranges] == [5, 6, 7, 8, 10, 11, 12]


@pytest.mark.parametrize(
    ("name", "rows", "says"),
    [
        ("removed", None, "removed is not a list of rows"),
        ("removed", {}, "removed is not a list of rows"),
        ("removed", [3], "removed is not a list of rows"),
        ("removed", [[3]], "removed is not a list of rows"),
        ("removed", [[3, 4, 5]], "removed is not a list of rows"),
        ("chinese", [[3, 0x110000]], "chinese is not a list of rows"),
        ("chinese", [[-1, 3]], "chinese is not a list of rows"),
        ("chinese", [[1.0, 3]], "chinese is not a list of rows"),
        ("chinese", [[True, 3]], "chinese is not a list of rows"),
        ("whitespace", [[4, 3]], "whitespace is not in ascending order"),
        ("whitespace", [[3, 4], [4, 5]], "whitespace is not in ascending order"),
        ("punctuation", [[9, 9], [3, 4]], "punctuation is not in ascending order"),
        ("combining_classes", [[3, 4, 0]], "combining_classes holds a class out of range"),
        ("combining_classes", [[3, 4, 255]], "combining_classes holds a class out of range"),
        ("decompositions", [[3]], "decompositions is not a list of rows"),
        ("lowercase", [[5, 6], [5, 7]], "lowercase is not in ascending order"),
    ],
)  # fmt: skip
def test_read_tables_names_the_table_that_is_damaged(tmp_path, name, rows, says):
    content = json.loads(KEPT.read_bytes())
    content[name] = rows
    path = tmp_path / "unicode.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"unicode.json is damaged: {says}"):
        read_tables(path)
