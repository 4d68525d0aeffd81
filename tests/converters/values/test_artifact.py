"""What both packages hand each other says of lengths, entry points and bytes."""

from pathlib import Path

import numpy as np
import pytest

from converters.values.artifact import Artifact, Inspection, StoredTensor, TensorSpec
from converters.values.errors import InputError

ARTIFACT = Artifact(
    backend="tflite", precision="int8", path=Path("/a/model.tflite"), seq_lens=(64, 128, 384),
    inputs=(TensorSpec(name="input_ids", artifact_name="ids", dtype="int32"),), outputs=(),
    entry_points=("short", "middle", "long"),
)  # fmt: skip


@pytest.mark.parametrize(("seq_len", "name"), [(64, "short"), (128, "middle"), (384, "long")])
def test_each_length_has_its_own_entry_point(seq_len: int, name: str) -> None:
    assert ARTIFACT.entry_point(seq_len) == name
    rows = {"mask": np.ones((1, 7)), "input_ids": np.ones((1, seq_len), np.int32)}
    assert ARTIFACT.entry_point_of(rows) == name


@pytest.mark.parametrize("seq_len", [0, 63, 65, 385])
def test_length_that_is_not_served_is_refused_with_those_that_are(seq_len: int) -> None:
    with pytest.raises(InputError, match=f"for rows of {seq_len} tokens") as caught:
        ARTIFACT.entry_point(seq_len)
    assert caught.value.hint == "its lengths are 64, 128, 384"


def test_entry_point_that_the_file_lacks_is_named() -> None:
    ARTIFACT.check_entry_points({"long", "middle", "short", "another"}, kind="signature")
    with pytest.raises(InputError, match=r"has no signature 'middle', it has long, short$"):
        ARTIFACT.check_entry_points({"short", "long"}, kind="signature")


def test_inspection_adds_up_bytes_by_dtype_and_leaves_scales_out_of_the_floats() -> None:
    tensors = (
        StoredTensor(name="words", dtype="int8", size_bytes=100),
        StoredTensor(name="norm", dtype="float32", size_bytes=40),
        StoredTensor(name="half", dtype="float16", size_bytes=20),
        StoredTensor(name="scale", dtype="float32", size_bytes=8, is_scale=True),
        StoredTensor(name="bias", dtype="float32", size_bytes=4),
    )
    found = Inspection(
        tensors=tensors, num_ops=1, num_delegated_ops=None, num_macs=1, num_delegated_macs=None
    )
    assert found.bytes_by_dtype == {"float16": 20, "float32": 52, "int8": 100}
    assert [each.name for each in found.float_tensors] == ["norm", "half", "bias"]
