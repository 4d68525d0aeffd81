import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from converters.values.errors import GateError, InputError
from pipeline import __version__
from pipeline.bundle.manifest import (
    FILE_NAME,
    SCHEMA_VERSION,
    Manifest,
    ManifestDamagedError,
    canonical_json,
    read_manifest,
    write_manifest,
)
from pipeline.bundle.vectors import Vectors
from tests.bundles import MANIFEST


def write_content(folder: Path, content: dict[str, Any]) -> None:
    """Writes a manifest with a right hash, whatever it says."""
    content = {key: value for key, value in content.items() if key != "manifest_sha256"}
    content["manifest_sha256"] = hashlib.sha256(canonical_json(content)).hexdigest()
    (folder / FILE_NAME).write_bytes(canonical_json(content))


@pytest.fixture
def content(tmp_path) -> dict[str, Any]:
    write_manifest(MANIFEST, tmp_path)
    return dict(json.loads((tmp_path / FILE_NAME).read_text()))


def test_written_manifest_reads_back_the_same(tmp_path):
    write_manifest(MANIFEST, tmp_path)
    assert read_manifest(tmp_path) == MANIFEST


def test_written_manifest_is_canonical_and_carries_its_own_hash(tmp_path, content):
    raw = (tmp_path / FILE_NAME).read_bytes()
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert raw == text.encode() + b"\n"
    assert "café".encode() in raw
    stated = content.pop("manifest_sha256")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert stated == hashlib.sha256(text.encode() + b"\n").hexdigest()


def test_canonical_json_does_not_depend_on_the_order_of_keys():
    assert canonical_json({"b": 1, "a": [1, 2]}) == canonical_json({"a": [1, 2], "b": 1})
    assert canonical_json({"b": 1, "a": [1, 2]}) == b'{"a":[1,2],"b":1}\n'


def test_canonical_json_refuses_what_json_has_no_number_for():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})


def test_read_any_changed_byte_is_refused(tmp_path):
    write_manifest(MANIFEST, tmp_path)
    path = tmp_path / FILE_NAME
    raw = path.read_bytes()
    for position in range(len(raw)):
        changed = bytearray(raw)
        changed[position] ^= 1
        path.write_bytes(changed)
        with pytest.raises((ManifestDamagedError, InputError)):
            read_manifest(tmp_path)


@pytest.mark.parametrize("tail", [b"\n", b" ", b"{}", b"\x00"])
def test_read_appended_bytes_are_refused(tmp_path, tail):
    write_manifest(MANIFEST, tmp_path)
    with (tmp_path / FILE_NAME).open("ab") as file:
        file.write(tail)
    with pytest.raises(ManifestDamagedError, match=r"is damaged|was changed"):
        read_manifest(tmp_path)


def test_read_same_values_in_another_layout_are_refused(tmp_path, content):
    (tmp_path / FILE_NAME).write_text(json.dumps(content, indent=2))
    with pytest.raises(ManifestDamagedError, match="was changed after it was written") as caught:
        read_manifest(tmp_path)
    assert isinstance(caught.value, GateError)
    assert caught.value.exit_code == 1


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{}", b"[]", b"null", b'"text"', b"\xff\xfe", b"{", b'{"schema_version": "1.0"}',
        b'{"schema_version": "1.0", "manifest_sha256": "x", "size": NaN}',
        b'{"schema_version": "1.0", "manifest_sha256": "x", "size": 1e999}',
        b'{"schema_version": "1.0", "manifest_sha256": "x", "name": "\\ud800"}',
        b'{"schema_version": "1.0", "manifest_sha256": "x", "name": ' + b"[" * 100_000,
        b'{"schema_version": "1.0", "manifest_sha256": "x", "name": ' + b"1" * 10_000 + b"}",
        b'{"schema_version": "", "manifest_sha256": "x"}',
        b'{"schema_version": null, "manifest_sha256": "x"}',
    ],
)  # fmt: skip
def test_read_what_is_no_manifest_is_refused(tmp_path, raw):
    (tmp_path / FILE_NAME).write_bytes(raw)
    with pytest.raises((ManifestDamagedError, InputError), match=r"manifest\.json"):
        read_manifest(tmp_path)


@given(st.binary(max_size=200))
def test_read_any_bytes_are_refused(tmp_path_factory, raw):
    folder = tmp_path_factory.mktemp("any")
    (folder / FILE_NAME).write_bytes(raw)
    with pytest.raises((ManifestDamagedError, InputError)):
        read_manifest(folder)


def test_read_absent_manifest_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"is not a bundle: it has no manifest\.json"):
        read_manifest(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a bundle"):
        read_manifest(tmp_path / "file")


def test_read_pipe_in_the_manifests_place_is_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / FILE_NAME)
    with pytest.raises(InputError, match="is not a bundle"):
        read_manifest(tmp_path)


def test_read_folder_in_the_manifests_place_is_refused(tmp_path):
    (tmp_path / FILE_NAME).mkdir()
    with pytest.raises(InputError, match="is not a bundle"):
        read_manifest(tmp_path)


def add_key(content: dict[str, Any], *path: str | int) -> None:
    place: Any = content
    for step in path:
        place = place[step]
    place["a_key_of_tomorrow"] = {"deep": [1]}


PLACES = [(), ("student",), ("tokenizer",), ("artifacts", 0), ("artifacts", 0, "inputs", 0)]


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_read_unknown_key_is_refused(tmp_path, content, place):
    add_key(content, *place)
    write_content(tmp_path, content)
    with pytest.raises(ManifestDamagedError, match="a_key_of_tomorrow"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("place", PLACES, ids=str)
def test_read_unknown_key_of_a_newer_minor_version_is_read_over(tmp_path, content, place):
    add_key(content, *place)
    content["schema_version"] = "1.7"
    write_content(tmp_path, content)
    read = read_manifest(tmp_path)
    assert read.schema_version == "1.7"
    assert read.model_copy(update={"schema_version": SCHEMA_VERSION}) == MANIFEST


def test_read_newer_minor_version_is_still_checked_against_its_hash(tmp_path, content):
    content["schema_version"] = "1.7"
    write_content(tmp_path, content)
    path = tmp_path / FILE_NAME
    path.write_bytes(path.read_bytes().replace(b'"0.1.0"', b'"0.2.0"'))
    with pytest.raises(ManifestDamagedError, match="was changed after it was written"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("version", ["2.0", "10.3"])
def test_read_newer_major_version_is_refused_with_what_to_do(tmp_path, content, version):
    content["schema_version"] = version
    content["student"] = "something else altogether"
    write_content(tmp_path, content)
    with pytest.raises(InputError, match=f"schema version {version}; this .* up to 1.x") as caught:
        read_manifest(tmp_path)
    assert "pip install -U pocketbert" in caught.value.hint


@pytest.mark.parametrize(
    "version", ["", "one", "-1.0", "²", "1.", "1.x", "1.0.0", "2", ".5", None, 1.0]
)
def test_read_version_that_is_none_is_refused(tmp_path, content, version):
    content["schema_version"] = version
    write_content(tmp_path, content)
    with pytest.raises((InputError, ManifestDamagedError), match="version"):
        read_manifest(tmp_path)


@pytest.mark.parametrize("key", [key for key in Manifest.model_fields if key != "task_library"])
def test_read_missing_key_is_refused(tmp_path, content, key):
    del content[key]
    write_content(tmp_path, content)
    with pytest.raises(ManifestDamagedError, match=r"is damaged|is not a valid manifest"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("path", "/etc/passwd"), ("path", "../outside"), ("path", "tflite/../../outside"),
        ("path", ""), ("path", "."), ("seq_lens", []), ("seq_lens", [0]), ("seq_lens", [64, 32]),
        ("precision", "int3"), ("size_bytes", "many"), ("inputs", []), ("path", "a\0b"),
        ("size_bytes", -1),
        ("compute_units", "neural"),
    ],
)  # fmt: skip
def test_read_artifact_that_cannot_be_is_refused(tmp_path, content, field, value):
    content["artifacts"][0][field] = value
    write_content(tmp_path, content)
    with pytest.raises(ManifestDamagedError, match=f"not a valid manifest: artifacts.0.{field}"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(
    ("part", "keys"),
    [
        (("tokenizer",), ("added_tokens", "num_pieces", "unicode_tables")),
        ((), ("licences", "platforms")),
        ((), ("task",)),
    ],
    ids=["before the tables", "before platforms", "before tasks"],
)
def test_read_bundle_of_an_older_version_says_which_wrote_it(tmp_path, content, part, keys):
    content["pocketbert_version"] = "0.0.1"
    place = content
    for name in part:
        place = place[name]
    for key in keys:
        del place[key]
    write_content(tmp_path, content)
    with pytest.raises(ManifestDamagedError, match="Field required") as caught:
        read_manifest(tmp_path)
    assert caught.value.hint.startswith(f"PocketBERT 0.0.1 wrote it, and this is {__version__}: ")


BOUNDS = [
    (("tokenizer", "max_input_chars_per_word"), 1, 256),
    (("tokenizer", "num_pieces"), 1, 2**20),
    (("tokenizer", "special_tokens", "[PAD]"), 0, 2**20 - 1),
    (("tokenizer", "added_tokens", "[SEP]"), 0, 2**20 - 1),
    (("tokenizer", "normalized_added_tokens", "[NUM]"), 0, 2**20 - 1),
    (("artifacts", 0, "size_bytes"), 0, 2**34),
    (("artifacts", 0, "seq_lens", 1), 65, 8192),
    (("verdicts", 0, "seq_len"), 1, 8192),
]


def set_at(content: dict[str, Any], path: tuple[str | int, ...], value: Any) -> None:
    place: Any = content
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value


@pytest.mark.parametrize(("path", "least", "most"), BOUNDS, ids=str)
def test_read_number_out_of_its_bounds_is_refused(tmp_path, content, path, least, most):
    for value in (least, most):
        set_at(content, path, value)
        write_content(tmp_path, content)
        read_manifest(tmp_path)
    for value in (least - 1, most + 1, 600_000_000, 10**12, -(10**30)):
        if not least <= value <= most:
            set_at(content, path, value)
            write_content(tmp_path, content)
            with pytest.raises(ManifestDamagedError, match="not a valid manifest"):
                read_manifest(tmp_path)


def numbers_in(schema: Any, path: str = "") -> dict[str, dict[str, Any]]:
    """Returns each description of a number in a JSON Schema, by where it stands."""
    found: dict[str, dict[str, Any]] = {}
    if isinstance(schema, dict):
        if schema.get("type") in ("integer", "number"):
            found[path] = schema
        for key, value in schema.items():
            found |= numbers_in(value, f"{path}/{key}")
    elif isinstance(schema, list):
        for place, value in enumerate(schema):
            found |= numbers_in(value, f"{path}/{place}")
    return found


FREE = ("thresholds", "outputs", "ExampleVector/properties/answer", "TaskPart/properties/rules")
"""Compared only; nothing is made that grows with them."""


@pytest.mark.parametrize("model", [Manifest, Vectors])
def test_every_number_has_bounds(model):
    for path, number in numbers_in(model.model_json_schema()).items():
        if not any(free in path for free in FREE):
            assert {"minimum"} <= number.keys(), path
            assert {"maximum", "exclusiveMaximum"} & number.keys(), path


GOOD_TASKS = [
    ("rules", {}), ("rules", {"a": 1, "b": 0.5, "c": "text", "d": True}),
    ("rules", {str(place): 2**53 for place in range(64)}),
    ("labels", []), ("labels", ["a"] * 10_000), ("labels", ["é" * 1000]), ("name", "of tomorrow"),
]  # fmt: skip
BAD_TASKS = [
    ("rules", {"a": [1]}), ("rules", {"a": {}}), ("rules", {"a": None}), ("rules", []),
    ("rules", {str(place): 1 for place in range(65)}), ("labels", {}), ("labels", [1]),
    ("labels", ["a" * 1001]), ("labels", ["a"] * 10_001), ("name", ""), ("name", 1),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value"), GOOD_TASKS)
def test_read_task_within_its_bounds_is_as_it_was_written(tmp_path, content, field, value):
    content["task"][field] = value
    write_content(tmp_path, content)
    assert json.loads(read_manifest(tmp_path).task.model_dump_json())[field] == value


@pytest.mark.parametrize(("field", "value"), BAD_TASKS)
def test_read_task_that_cannot_be_is_refused(tmp_path, content, field, value):
    content["task"][field] = value
    write_content(tmp_path, content)
    with pytest.raises(ManifestDamagedError, match=rf"not a valid manifest: task\.{field}"):
        read_manifest(tmp_path)


def test_read_more_lengths_than_an_artifact_can_have_is_refused(tmp_path, content):
    lengths = list(range(1, 66))
    content["artifacts"][0] |= {"seq_lens": lengths, "entry_points": ["a"] * len(lengths)}
    write_content(tmp_path, content)
    with pytest.raises(ManifestDamagedError, match=r"not a valid manifest: artifacts.0.seq_lens"):
        read_manifest(tmp_path)


def test_read_manifest_of_endless_bytes_is_refused_before_it_is_parsed(tmp_path):
    with (tmp_path / FILE_NAME).open("wb") as file:
        file.truncate(20 * 10**9)
    with pytest.raises(ManifestDamagedError, match="takes more than 16,000,000 bytes"):
        read_manifest(tmp_path)


def test_read_artifact_from_before_there_were_compute_units(tmp_path, content):
    del content["artifacts"][0]["compute_units"]
    write_content(tmp_path, content)
    assert read_manifest(tmp_path).artifacts[0].compute_units is None


def test_read_manifest_without_artifacts_is_refused(tmp_path, content):
    content["artifacts"] = []
    write_content(tmp_path, content)
    with pytest.raises(ManifestDamagedError, match="not a valid manifest: artifacts"):
        read_manifest(tmp_path)
