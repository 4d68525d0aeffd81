"""How every command finds the student of a bundle, be its vocabulary trimmed."""

import pytest

from tests.pipeline.commands.calls import CONTEXT, QUESTION, asked, refused
from tests.students import save_student


@pytest.mark.parametrize("found_by", ["cache", "name"])
def test_student_of_a_trimmed_bundle_is_found_and_trimmed(
    call, built_trimmed, student_folder, squad_file, tmp_path, monkeypatch, found_by
):
    """Every text is read with the bundle's vocabulary, one that its corpus lacks too."""
    named = []
    if found_by == "name":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        named = ["--reference", student_folder]
    folder, other = built_trimmed.folder, "The keeper's cottages house an observatory, café."
    asked = call("ask", folder, "-q", "Who came?", "-c", other, *named, "--json")
    assert asked.code == 0
    assert [each["runtime"] for each in asked.json["answers"]] == ["pytorch", "executorch"]
    first, second = asked.json["answers"]
    assert (first["text"], first["start"]) == (second["text"], second["start"])
    assert first["score"] == pytest.approx(second["score"], abs=1e-4)
    parity = call("parity", folder, "--limit", "5", *named, "--json")
    assert parity.code == 0
    assert parity.json["parity"][0]["max_abs_diff"] <= 1e-4
    assert call("eval", folder, "--data", squad_file, *named).code == 0


def test_student_of_a_trimmed_bundle_with_another_vocabulary_is_no_reference(
    call, built_trimmed, student_copy
):
    """The weights are the same; what its tokens mean is not."""
    path = student_copy / "tokenizer.json"
    path.write_text(path.read_text().replace('"the"', '"zebra"'))
    told = refused(call("parity", built_trimmed.folder, "--reference", student_copy))
    assert "lacks 'the'" in told


def test_reference_that_is_another_student_is_refused(call, built, tmp_path, tokenizer):
    other = save_student("distilbert", tmp_path / "other", tokenizer=tokenizer, seed=1)
    told = refused(call("parity", built.folder, "--reference", other))
    assert f"{other} is not the student that this bundle was made from" in told


def test_reference_by_name_is_found(call, built, student_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    named = ["--reference", student_folder, "--runtime", "litert", "--limit", "1", "--json"]
    assert call("parity", built.folder, *named).code == 0


def test_reference_that_is_not_found_skips_pytorch_and_ends_parity(
    call, built, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finished = asked(call, built.folder, "-c", CONTEXT, "--json")
    assert finished.code == 0
    assert [answer["runtime"] for answer in finished.json["answers"]] == ["litert"]
    (skipped,) = finished.json["skipped"]
    assert skipped["runtime"] == "pytorch"
    assert "--reference MODEL" in skipped["reason"]
    told = refused(call("parity", built.folder))
    assert "was not found" in told
    assert "--reference MODEL" in told


@pytest.mark.parametrize(
    ("command", "runtime", "reason"),
    [
        *(
            (command, "executorch", "executorch: the bundle has no executorch artifact")
            for command in ("ask", "parity", "eval")
        ),
        ("ask", "pytorch", "was not found: it was not built on this machine"),
        ("eval", "pytorch", "was not found: it was not built on this machine"),
    ],
)
def test_nothing_that_could_run_is_no_success(
    call, built, squad_file, tmp_path, monkeypatch, command, runtime, reason
):
    if runtime == "pytorch":
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    extra = {"ask": ["-q", QUESTION, "-c", CONTEXT], "eval": ["--data", squad_file]}
    told = refused(call(command, built.folder, *extra.get(command, []), "--runtime", runtime))
    assert reason in told
