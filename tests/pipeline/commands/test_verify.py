"""The command ``verify`` as a person and a script meet it."""

from tests.command import pocketbert

VERIFIED = {"ok": True, "problems": [], "signature": "none", "signer": None, "platform": None}


def test_verify_json(bundle_copy, call):
    assert call("verify", bundle_copy, "--json").json == VERIFIED
    (bundle_copy / "parity.json").write_text("{}")
    (bundle_copy / "added").touch()
    finished = call("verify", bundle_copy, "--json")
    assert finished.code == 1
    assert finished.json["ok"] is False
    assert {each["path"] for each in finished.json["problems"]} == {"added", "parity.json"}
    assert all(set(each) == {"path", "problem"} for each in finished.json["problems"])


def test_verify_damaged_bundle_ends_with_one_and_names_the_file(bundle_copy, call):
    (bundle_copy / "tflite" / "model.tflite").write_bytes(b"")
    finished = call("verify", bundle_copy)
    assert finished.code == 1
    assert "tflite/model.tflite: changed" in finished.stdout


def test_verify_runs_no_self_test_of_files_that_are_not_as_they_were(bundle_copy, call):
    (bundle_copy / "tflite" / "model.tflite").write_bytes(b"")
    finished = call("verify", bundle_copy, "--vectors", "--json")
    assert finished.code == 1
    assert finished.json.keys() == VERIFIED.keys()
    assert [each["path"] for each in finished.json["problems"]] == ["tflite/model.tflite"]


def test_verify_in_a_process_of_its_own_prints_one_object(built):
    """What the other tests do in one process, once as a script does it."""
    finished = pocketbert("verify", built.folder, "--json")
    assert (finished.code, finished.json, finished.stderr) == (0, VERIFIED, "")
    finished = pocketbert("verify", built.folder / "absent", "--json")
    assert (finished.code, finished.stderr) == (2, "")
    assert finished.error["message"] == f"no bundle at {built.folder / 'absent'}"
