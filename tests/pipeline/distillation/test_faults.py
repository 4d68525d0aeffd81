import pytest

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults


def test_add_where_none_is_allowed_stops_with_the_row_and_the_way_on():
    faults = Faults(allowed=False)
    with pytest.raises(InputError, match=r"dev\.tsv, line 3: no answer") as caught:
        faults.add("dev.tsv, line 3: no answer")
    assert "--skip-bad" in caught.value.hint


def test_add_where_they_are_allowed_keeps_each_message():
    faults = Faults(allowed=True)
    assert faults.found == []
    faults.add("dev.tsv, line 3: no answer")
    faults.add("dev.tsv, line 8: no answer")
    assert faults.found == ["dev.tsv, line 3: no answer", "dev.tsv, line 8: no answer"]
