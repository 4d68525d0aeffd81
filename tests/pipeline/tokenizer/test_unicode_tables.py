import json

import tokenizers

from pipeline.tokenizer.unicode_tables import KEPT, make_tables


def test_kept_tables_are_what_the_library_says_today():
    assert KEPT.read_bytes() == make_tables()


def test_kept_tables_name_the_library_that_is_installed():
    assert json.loads(KEPT.read_bytes())["tokenizers_version"] == tokenizers.__version__
