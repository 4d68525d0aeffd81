"""Reading a saved package: its functions, its constants, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

from converters.coreml_evaluator.evaluator import CoreMLReference, read_program, stored_tensors
from converters.values.errors import InputError
from tests.converters.small_models import save


def test_stored_tensors_account_for_the_weight_file(
    small_package: Path, two_functions: Path
) -> None:
    tensors = stored_tensors(read_program(small_package))

    weights = small_package / "Data/com.apple.CoreML/weights/weight.bin"
    large = sum(tensor.size_bytes for tensor in tensors if tensor.size_bytes > 64)
    assert large == pytest.approx(weights.stat().st_size, rel=0.05)  # each has a header of 64
    assert {tensor.dtype for tensor in tensors} >= {"float16", "int32"}
    shared = stored_tensors(read_program(two_functions))
    assert sum(t.size_bytes for t in shared) == sum(t.size_bytes for t in tensors)


def test_stored_tensors_tell_truth_values_as_bytes(tmp_path: Path) -> None:
    @mb.program(input_specs=[mb.TensorSpec((8,))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        chosen = mb.const(val=np.array([True, False] * 4), name="chosen")
        return mb.select(cond=chosen, a=x, b=mb.mul(x=x, y=2.0), name="result")

    path = save(ct.convert(program, minimum_deployment_target=ct.target.iOS17), tmp_path)

    [found] = [each for each in stored_tensors(read_program(path)) if each.dtype == "bool"]
    assert found.size_bytes == 8


def test_unknown_function_lists_those_that_exist(two_functions: Path) -> None:
    with pytest.raises(InputError, match="no function 'third', it has first, second"):
        CoreMLReference(two_functions, function="third")


def test_all_unsupported_operators_are_named_with_their_values(tmp_path: Path) -> None:
    @mb.program(input_specs=[mb.TensorSpec((1, 2, 4, 4))], opset_version=ct.target.iOS17)
    def program(x: Any) -> Any:
        noise = mb.random_normal(shape=[1, 2, 4, 4], name="noise")
        return mb.space_to_batch(
            x=mb.add(x=x, y=noise), block_shape=[2, 2], paddings=[[0, 0], [0, 0]], name="blocks"
        )

    path = save(ct.convert(program, minimum_deployment_target=ct.target.iOS17), tmp_path)

    message = r"'random_normal' \(value 'noise.*'space_to_batch' \(value 'blocks.* not supported"
    with pytest.raises(InputError, match=message) as caught:
        CoreMLReference(path)
    assert "macOS" in caught.value.hint


def _truncate_weights(path: Path) -> None:
    weights = path / "Data/com.apple.CoreML/weights/weight.bin"
    weights.write_bytes(weights.read_bytes()[: weights.stat().st_size // 2])


def _garble_model(path: Path) -> None:
    (path / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b"\xff\x00 no model")


def _name_no_root(path: Path) -> None:
    (path / "Manifest.json").write_text(json.dumps({"itemInfoEntries": {}}))


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (_truncate_weights, "cannot be read as a Core ML program"),
        (lambda path: shutil.rmtree(path / "Data/com.apple.CoreML/weights"), "cannot be read"),
        (lambda path: (path / "Data/com.apple.CoreML/model.mlmodel").unlink(), "does not exist"),
        (_garble_model, "is no Core ML model"),
        (lambda path: (path / "Data/com.apple.CoreML/model.mlmodel").write_bytes(b""), "no type"),
        (lambda path: (path / "Manifest.json").write_text("{"), "is no manifest"),
        (_name_no_root, "is no manifest"),
        (lambda path: (path / "Manifest.json").write_text("[]"), "is no manifest"),
        (shutil.rmtree, "does not exist"),
    ],
)  # fmt: skip
def test_broken_package_is_refused(
    small_package: Path, tmp_path: Path, harm: Any, message: str
) -> None:
    path = tmp_path / "broken.mlpackage"
    shutil.copytree(small_package, path)
    harm(path)

    with pytest.raises(InputError, match=message):
        CoreMLReference(path)


def test_missing_package_is_refused_and_none_is_left_behind(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        CoreMLReference(tmp_path / "none.mlpackage")

    assert not list(tmp_path.iterdir())


def test_file_in_place_of_a_package_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.mlpackage"
    path.write_bytes(b"PK")

    with pytest.raises(InputError, match="does not exist"):
        CoreMLReference(path)
