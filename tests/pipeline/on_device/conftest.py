import pytest

from pipeline.on_device.unicode import UnicodeTables, read_tables
from pipeline.tokenizer.unicode_tables import KEPT


@pytest.fixture(scope="session")
def tables() -> UnicodeTables:
    return read_tables(KEPT)
