"""Bundles to be damaged, made when they are first asked for."""

import functools
from collections.abc import Callable
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from converters.values.precision import FixedPrecision
from tests.command import pocketbert
from tests.conftest import MakeOnce
from tests.students import make_model, save_tokenizer, vary_norms_and_biases

SEQ_LENS = (32, 64)

Bundles = Callable[[str, FixedPrecision], Path]
Record = Callable[[str, object], None]
"""pytest's ``record_property``."""


@pytest.fixture(scope="session")
def bundles(make_once: MakeOnce, tokenizer: Tokenizer, squad_file: Path) -> Bundles:
    """Bundles of all backends at two lengths, by architecture and precision."""

    def save(architecture: str, root: Path) -> Path:
        model = make_model(architecture, seed=3, spread=0.125)
        vary_norms_and_biases(model)
        folder = root / architecture
        model.save_pretrained(folder)
        save_tokenizer(tokenizer, folder)
        return folder

    def build(architecture: str, precision: FixedPrecision, root: Path) -> Path:
        student = make_once(f"varied-{architecture}", functools.partial(save, architecture))
        folder = root / f"{architecture}-{precision}"
        finished = pocketbert(
            "build", student, "-o", folder, "--precision", precision,
            "--seq-len", ",".join(map(str, SEQ_LENS)), "--data", squad_file, "--json",
            timeout=900,
        )  # fmt: skip
        assert finished.code == 0, finished.stdout + finished.stderr
        return folder

    return lambda architecture, precision: make_once(
        f"{architecture}-{precision}", functools.partial(build, architecture, precision)
    )
