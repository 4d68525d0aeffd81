"""Bundles to be damaged, made when they are first asked for."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from converters.values.precision import FixedPrecision
from tests.command import pocketbert
from tests.students import make_model, save_tokenizer, vary_norms_and_biases

SEQ_LENS = (32, 64)

Bundles = Callable[[str, FixedPrecision], Path]
Record = Callable[[str, object], None]
"""pytest's ``record_property``."""


@pytest.fixture(scope="session")
def bundles(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer, squad_file: Path
) -> Bundles:
    """Bundles of all backends at two lengths, by architecture and precision."""
    root = tmp_path_factory.mktemp("mutations")

    @functools.cache
    def student(architecture: str) -> Path:
        model = make_model(architecture, seed=3, spread=0.125)
        vary_norms_and_biases(model)
        folder = root / architecture
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        return folder

    @functools.cache
    def bundle(architecture: str, precision: FixedPrecision) -> Path:
        folder = root / f"{architecture}-{precision}"
        finished = pocketbert(
            "build", student(architecture), "-o", folder, "--precision", precision,
            "--seq-len", ",".join(map(str, SEQ_LENS)), "--data", squad_file, "--json",
            timeout=900,
        )  # fmt: skip
        assert finished.code == 0, finished.stdout + finished.stderr
        return folder

    return bundle
