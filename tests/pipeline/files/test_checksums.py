"""What a command loads of a bundle is what its manifest states, or it is named."""

import hashlib

import pytest

from pipeline.files.checksums import hash_file
from tests.command import pocketbert


def test_hash_file_is_the_sha256_of_its_bytes(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    assert hash_file(tmp_path / "file") == hashlib.sha256(b"abc").hexdigest()


@pytest.mark.parametrize(
    "arguments",
    [
        ("ask", "BUNDLE", "-q", "How tall is it?", "-c", "It is 41 metres tall."),
        ("parity", "BUNDLE", "--limit", "1", "--localize"),
        ("eval", "BUNDLE", "--data", "DATA", "--limit", "1"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_changed_artifact_is_named_by_every_command_that_answers_with_it(
    bundle_copy, squad_file, arguments
):
    path = bundle_copy / "tflite" / "model.tflite"
    raw = bytearray(path.read_bytes())
    raw[len(raw) // 2] ^= 0xFF
    path.write_bytes(raw)
    places = {"BUNDLE": bundle_copy, "DATA": squad_file}
    done = pocketbert(*(places.get(each, each) for each in arguments))
    assert done.code == 1, done.stderr
    said = " ".join((done.stdout + done.stderr).split())
    assert "tflite/model.tflite of the bundle is not what its manifest states: changed" in said
