import zipfile
from pathlib import Path

import pytest

from converters.values.errors import InputError
from pipeline.files.other_files import refuse_other_file
from pipeline.student.locate import find_model
from tests.command import pocketbert

KINDS = {
    "model.safetensors": "is a file of weights alone",
    "pytorch_model.bin": "is a file of weights alone",
    "model.PT": "is a file of weights alone",
    "model.pt2": "is a file of weights alone",
    "model.onnx": "is a file of weights alone",
    "model.mlmodel": "is a Core ML model of the older form",
    "model.mlmodelc": "is a Core ML model that was compiled",
    "model.pte": "is a single artifact",
    "model.tflite": "is a single artifact",
}


@pytest.mark.parametrize("name", KINDS)
def test_file_in_place_of_a_folder_is_named_for_what_it_is(tmp_path, name):
    with zipfile.ZipFile(tmp_path / name, "w") as archive:  # as torch.save writes one
        archive.writestr("model/data.pkl", b"")
    with pytest.raises(InputError, match=KINDS[name]):
        find_model(str(tmp_path / name))


@pytest.mark.parametrize("name", ["x" * 300, "model.zip", "absent.pt", "model", "folder.bin"])
def test_other_names_are_left_to_those_who_read_them(tmp_path, name):
    (tmp_path / "model.zip").touch()
    (tmp_path / "folder.bin").mkdir()
    refuse_other_file(tmp_path / name)


@pytest.mark.parametrize(
    "command",
    [
        ("inspect", "{}"), ("parity", "{}"), ("eval", "{}", "--data", "x.json"),
        ("parity", "{}", "--reference", "m.pt2", "--inputs", "x.npz"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_commands_name_an_older_core_ml_model(tmp_path: Path, command: tuple[str, ...]) -> None:
    path = tmp_path / "model.mlmodel"
    path.write_bytes(b"\x08\x01")
    finished = pocketbert(*(part.format(path) for part in command))
    assert finished.code == 2
    assert f"{path} is a Core ML model of the older form" in finished.stderr
    assert len(finished.stderr.strip().splitlines()) == 1
