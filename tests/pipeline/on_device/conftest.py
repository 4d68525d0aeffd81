from pathlib import Path

import pytest

from pipeline.on_device.unicode import UnicodeTables, read_tables
from pipeline.unicode_tables import KEPT
from tests.vectors.write import write


@pytest.fixture(scope="package")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What ports are tested with."""
    folder = tmp_path_factory.mktemp("vectors")
    write(folder)
    return folder


@pytest.fixture(scope="session")
def tables() -> UnicodeTables:
    return read_tables(KEPT)
