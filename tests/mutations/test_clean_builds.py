"""Clean builds over seeds, architectures, sizes, precisions and lengths: none raises an alarm."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from tokenizers import Tokenizer

from converters.values.precision import FixedPrecision
from pipeline import build as flow
from pipeline.conversion.recipe import recipe_of
from pipeline.files.canonical import json_value
from pipeline.tasks.question_answering.squad import labelled_questions
from tests.mutations.conftest import Record
from tests.runs import quiet_run
from tests.students import ARCHITECTURES, make_model, save_tokenizer, vary_norms_and_biases

NUM_BUILDS = 50
NUM_QUESTIONS = 8

_SIZES = ((64, 2, 4), (32, 1, 2), (96, 2, 4), (64, 3, 2), (128, 2, 4), (64, 1, 8), (64, 4, 4))
"""Width, layers and heads. Widths are multiples of the columns that share a scale at four bits."""

_SEQ_LENS = ((48,), (32, 80), (64,), (24,), (96,))
_PRECISIONS: tuple[FixedPrecision, ...] = ("int8", "fp32", "int4", "fp16")
_BACKENDS = ("tflite", "coreml", "tflite", "coreml", "executorch")
"""ExecuTorch's lowering takes longest, so it has the least share."""


@dataclass(frozen=True, kw_only=True)
class CleanBuild:
    """One build, whose student is random."""

    seed: int
    architecture: str
    width: int
    num_layers: int
    num_heads: int
    precision: FixedPrecision
    backend: str
    seq_lens: tuple[int, ...]

    def __str__(self) -> str:
        size = f"{self.width}x{self.num_layers}x{self.num_heads}"
        lengths = "+".join(map(str, self.seq_lens))
        parts = (self.seed, self.architecture, size, self.precision, self.backend, lengths)
        return "-".join(map(str, parts))


def _clean_build(seed: int) -> CleanBuild:
    """Returns one of the builds; the periods of what varies have no common divisor but few."""
    width, num_layers, num_heads = _SIZES[seed % len(_SIZES)]
    return CleanBuild(
        seed=seed,
        architecture=ARCHITECTURES[seed % len(ARCHITECTURES)],
        width=width,
        num_layers=num_layers,
        num_heads=num_heads,
        precision=_PRECISIONS[(seed + seed // len(ARCHITECTURES)) % len(_PRECISIONS)],
        backend=_BACKENDS[seed % len(_BACKENDS)],
        seq_lens=_SEQ_LENS[(seed // len(_BACKENDS)) % len(_SEQ_LENS)],
    )


CLEAN_BUILDS = tuple(map(_clean_build, range(NUM_BUILDS)))


@pytest.mark.soak
@pytest.mark.parametrize("clean", CLEAN_BUILDS, ids=str)
def test_clean_build_raises_no_alarm(
    clean: CleanBuild, tokenizer: Tokenizer, tmp_path: Path, record_property: Record
) -> None:
    result = flow.build(
        str(save_student(clean, tmp_path / "student", tokenizer=tokenizer)),
        destination=tmp_path / "bundle",
        backends=(clean.backend,),
        recipe=recipe_of(clean.precision),
        seq_lens=clean.seq_lens,
        examples=labelled_questions()[:NUM_QUESTIONS],
        run=quiet_run(),
    )
    assert {each.seq_len for each in result.parity} == set(clean.seq_lens)
    alarms = [(each.runtime, each.seq_len, each.reason) for each in result.parity]
    assert result.passed, alarms
    verdicts = [each.to_json() for each in result.parity]
    record_property("clean", json.dumps(json_value(verdicts)))


def test_clean_builds_differ_and_are_of_all_kinds() -> None:
    unseeded = {dataclasses.replace(each, seed=0) for each in CLEAN_BUILDS}
    assert len(unseeded) == NUM_BUILDS == 50
    seen = {(each.backend, each.precision) for each in CLEAN_BUILDS}
    assert len(seen) == len(set(_BACKENDS)) * len(_PRECISIONS)
    assert {(each.architecture, each.precision) for each in CLEAN_BUILDS} == {
        (architecture, precision) for architecture in ARCHITECTURES for precision in _PRECISIONS
    }


def save_student(clean: CleanBuild, folder: Path, *, tokenizer: Tokenizer) -> Path:
    """Writes the student of a build, and returns its folder."""
    model = make_model(
        clean.architecture,
        seed=clean.seed,
        width=clean.width,
        num_layers=clean.num_layers,
        num_heads=clean.num_heads,
        spread=clean.width**-0.5,
    )
    vary_norms_and_biases(model, seed=clean.seed)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder
