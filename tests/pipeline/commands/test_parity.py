"""The command ``parity`` as a person and a script meet it."""

import json

from tests.pipeline.commands.calls import write_squad


def test_parity_json(built, call):
    finished = call("parity", built.folder, "--limit", "2", "--runtime", "litert", "--json")
    assert finished.code == 0
    assert set(finished.json) == {"parity", "skipped"}
    assert [(each["runtime"], each["num_inputs"]) for each in finished.json["parity"]] == [
        ("litert", 2), ("litert", 2),
    ]  # fmt: skip


def test_parity_leaves_out_what_cannot_be_asked_and_says_so(built, call, tmp_path):
    labels = {"When was the tower lit?": ["x"], "дорога": ["x"]}
    data = write_squad(tmp_path / "data.json", labels)
    arguments = ["parity", built.folder, "--data", data, "--runtime", "litert"]
    finished = call(*arguments, "--json")
    assert finished.code == 0, finished.stderr
    assert {each["num_inputs"] for each in finished.json["parity"]} == {1}
    (unreadable,) = finished.json["unreadable"]
    assert unreadable["id"] == "дорога"
    assert "1 question could not be asked, not compared: дорога (" in call(*arguments).stdout


def test_parity_report_is_one_page_that_needs_nothing_else(built, call, tmp_path):
    folder = tmp_path / "report"
    names = ("--runtime", "litert", "--limit", "2")
    finished = call("parity", built.folder, *names, "--report", folder, "--json")
    assert finished.code == 0
    assert json.loads((folder / "parity.json").read_text()) == finished.json
    text = (folder / "report.html").read_text()
    assert "PASS" in text
    assert "http" not in text.replace("http://www.w3.org", "").replace("http://purl.org", "")
    assert "<script" not in text


def test_parity_report_that_cannot_be_written(built, call, tmp_path):
    (tmp_path / "file").write_text("")
    names = ("--runtime", "litert", "--limit", "1")
    finished = call("parity", built.folder, *names, "--report", tmp_path / "file")
    assert finished.code == 4
    assert "cannot be written" in finished.stderr
