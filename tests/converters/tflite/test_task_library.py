"""The variant for Google's Task Library computes with the artifact's weights, under its names."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from converters.tflite.task_library import derive
from converters.values.artifact import Artifact
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from converters.values.task_library import LibraryModel, LibraryOutput
from pipeline.comparison.runtimes import run_student
from pipeline.comparison.task_library.environment import CLIENT
from pipeline.conversion.recipe import recipe_of
from pipeline.quantization.quantizer import Quantizer
from pipeline.student.emulation import with_integers
from pipeline.student.load import Student
from pipeline.student.trace import trace
from pipeline.tokenizer.tokenization import vocabulary_text
from tests.converters.conversion import random_rows

SEQ_LEN = 384
ENDS_AND_STARTS = LibraryModel(
    seq_len=SEQ_LEN,
    outputs=tuple(LibraryOutput(name=n, source=n) for n in ("end_logits", "start_logits")),
)
READ_METADATA = f"""
import json, runpy, sys
runpy.run_path({str(CLIENT)!r})["load_libusb"]()
from tensorflow_lite_support.metadata.cc.python import _pywrap_metadata_version as versions
from tensorflow_lite_support.metadata.python import metadata
shown = metadata.MetadataDisplayer.with_model_file(sys.argv[1])
print(json.dumps({{
    "metadata": json.loads(shown.get_metadata_json()),
    "vocabulary": shown.get_associated_file_buffer("vocab.txt").decode(),
    "least_parser": versions.GetMinimumMetadataParserVersion(shown.get_metadata_buffer()),
}}))
"""


@pytest.fixture(scope="module")
def variants(
    students: dict[str, Student],
    long_artifacts: dict[FixedPrecision, Artifact],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[FixedPrecision, Artifact]:
    folder = tmp_path_factory.mktemp("variants")
    vocabulary = vocabulary_text(students["distilbert"].tokenizer)
    return {
        precision: derive(
            artifact,
            wanted=ENDS_AND_STARTS,
            vocabulary=vocabulary,
            path=folder / f"{precision}.tflite",
        )
        for precision, artifact in long_artifacts.items()
    }


@pytest.mark.parametrize("precision", FIXED_PRECISIONS)
def test_derive_keeps_the_weights_and_ignores_the_added_segment_ids(
    students: dict[str, Student],
    variants: dict[FixedPrecision, Artifact],
    precision: FixedPrecision,
) -> None:
    student = students["distilbert"]
    weights = Quantizer(trace(student, seq_lens=(SEQ_LEN,)).matrices()).model_weights(
        recipe_of(precision)
    )
    [row] = random_rows(student, seq_len=SEQ_LEN, num_tokens=(40,))
    [expected] = run_student(with_integers(student, weights), [row]).outputs
    segments = np.arange(SEQ_LEN, dtype=np.int32)[None]
    for segment_ids in (segments * 0, segments % 2):
        actual = run(variants[precision], row, segment_ids)
        for name in student.output_names:
            wanted = expected[name][0, :40]
            difference = np.abs(actual[name][0, :40] - wanted).max()
            assert difference < (0.02 if precision == "fp16" else 1e-4) * np.abs(wanted).max()


@pytest.mark.parametrize("precision", ("int8", "int4"))
def test_derive_stores_a_byte_a_weight(
    variants: dict[FixedPrecision, Artifact], precision: FixedPrecision
) -> None:
    sizes = {each: variant.path.stat().st_size for each, variant in variants.items()}
    assert sizes[precision] < 0.5 * sizes["fp32"]


def test_derive_gives_one_signature_in_the_order_of_the_library(
    variants: dict[FixedPrecision, Artifact],
) -> None:
    interpreter = Interpreter(str(variants["int8"].path))
    assert len(interpreter.get_signature_list()) == 1
    shapes = {each["name"]: each["shape"].tolist() for each in interpreter.get_input_details()}
    assert list(shapes) == ["ids", "mask", "segment_ids"]
    assert list(shapes.values()) == [[1, SEQ_LEN]] * 3
    names = [each["name"] for each in interpreter.get_output_details()]
    assert names == ["end_logits", "start_logits"]


def test_derive_gives_the_same_bytes_each_time(
    students: dict[str, Student],
    long_artifacts: dict[FixedPrecision, Artifact],
    variants: dict[FixedPrecision, Artifact],
    tmp_path: Path,
) -> None:
    vocabulary = vocabulary_text(students["distilbert"].tokenizer)
    again = tmp_path / "again.tflite"
    derive(long_artifacts["int8"], wanted=ENDS_AND_STARTS, vocabulary=vocabulary, path=again)
    assert again.read_bytes() == variants["int8"].path.read_bytes()


def test_metadata_is_what_the_reader_of_tflite_support_reads(
    students: dict[str, Student],
    variants: dict[FixedPrecision, Artifact],
    task_library_python: Path,
) -> None:
    said = subprocess.run(
        [task_library_python, "-I", "-c", READ_METADATA, variants["int8"].path],
        check=True, capture_output=True, encoding="utf-8",
    ).stdout  # fmt: skip
    read = json.loads(said)
    assert read["vocabulary"] == vocabulary_text(students["distilbert"].tokenizer)
    assert read["metadata"].pop("min_parser_version") == read["least_parser"]
    files = [{"name": "vocab.txt", "type": "VOCABULARY"}]
    assert read["metadata"] == {
        "subgraph_metadata": [
            {
                "input_tensor_metadata": [{"name": n} for n in ("ids", "mask", "segment_ids")],
                "output_tensor_metadata": [{"name": n} for n in ("end_logits", "start_logits")],
                "input_process_units": [
                    {"options_type": "BertTokenizerOptions", "options": {"vocab_file": files}}
                ],
            }
        ]
    }


def run(
    variant: Artifact, row: dict[str, np.ndarray], segment_ids: np.ndarray
) -> dict[str, np.ndarray]:
    signature = Interpreter(str(variant.path)).get_signature_runner()
    outputs: dict[str, np.ndarray] = signature(
        ids=row["input_ids"], mask=row["attention_mask"], segment_ids=segment_ids
    )
    return outputs
