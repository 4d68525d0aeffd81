"""The command ``build`` as a person and a script meet it."""

import json

import pytest
from tokenizers import Tokenizer

from pipeline.bundle.manifest import read_manifest
from pipeline.bundle.open import open_bundle
from pipeline.conversion.recipe import read_recipe
from tests.bundles import problems_of
from tests.conftest import TINY_SEQ_LENS


def test_build_json_has_the_fields_that_others_rely_on(built):
    found = built.finished.json
    assert set(found) == {"bundle", "seconds", "artifacts", "parity", "skipped", "reused"}
    assert found["bundle"] == str(built.folder)
    assert 0 < found["seconds"] < 600
    (artifact,) = found["artifacts"]
    path = built.folder / "tflite" / "model.tflite"
    assert artifact == {
        "backend": "tflite",
        "precision": "fp32",
        "path": str(path),
        "size_bytes": path.stat().st_size,
        "seq_lens": list(TINY_SEQ_LENS),
    }
    assert found["parity"]
    for parity in found["parity"]:
        assert set(parity) == {
            "backend", "runtime", "precision", "seq_len", "verdict", "max_abs_diff",
            "mean_abs_diff", "relative_error", "cosine", "snr_db", "kl_divergence",
            "answer_agreement", "num_near_ties", "text_agreement", "answer_f1", "exact_match", "f1",
            "f1_drop", "f1_drop_interval", "num_inputs", "num_cut", "gates", "reason", "worst",
            "error_counts",
        }  # fmt: skip
        assert (parity["backend"], parity["precision"]) == ("tflite", "fp32")
        assert (parity["verdict"], parity["num_inputs"], parity["reason"]) == ("pass", 6, "")
        assert parity["max_abs_diff"] <= 1e-4
        for gate in parity["gates"]:
            assert set(gate) == {"name", "verdict", "value", "threshold", "detail"}
    lengths = [each["seq_len"] for each in found["parity"] if each["runtime"] == "litert"]
    assert lengths == list(TINY_SEQ_LENS)
    for skipped in found["skipped"]:
        assert set(skipped) == {"runtime", "reason"}


def test_build_tells_each_stage_on_stderr_and_one_object_on_stdout(built):
    assert len(built.finished.stdout.splitlines()) == 1
    stages = [line.split("  ")[0] for line in built.finished.stderr.splitlines()]
    for stage in ("load", "trace", "convert tflite", "run pytorch", "run litert", "bundle"):
        assert stage in stages


def test_build_writes_what_design_promises(built):
    names = {path.relative_to(built.folder).as_posix() for path in built.folder.rglob("*.*")}
    assert names == {
        "manifest.json", "tokenizer/vocab.txt", "tokenizer/tokenizer.json",
        "tokenizer/unicode.json", "tflite/model.tflite",
        "vectors.json", "parity.json", "recipe.json", "report.html",
    }  # fmt: skip
    assert problems_of(built.folder) == ()
    everything = b"".join(path.read_bytes() for path in built.folder.rglob("*") if path.is_file())
    assert str(built.folder.parents[1]).encode() not in everything, "a path of this machine"


def test_build_with_a_trimmed_vocabulary_says_what_it_saved(built_trimmed, tokenizer):
    found = built_trimmed.finished.json
    saved = found["vocabulary"]
    assert set(saved) == {"num_pieces", "num_pieces_before", "num_weights_saved"}
    assert saved["num_pieces"] < saved["num_pieces_before"] == tokenizer.get_vocab_size()
    dropped = saved["num_pieces_before"] - saved["num_pieces"]
    assert saved["num_weights_saved"] == 64 * dropped
    assert [each["verdict"] for each in found["parity"]] == ["pass"]
    assert "\ntrim vocabulary " in built_trimmed.finished.stderr


def test_build_with_a_trimmed_vocabulary_writes_one_vocabulary_everywhere(built_trimmed, tokenizer):
    folder, saved = built_trimmed.folder, built_trimmed.finished.json["vocabulary"]
    assert problems_of(folder) == ()
    packed = Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json")).get_vocab()
    words = (folder / "tokenizer" / "vocab.txt").read_text().removesuffix("\n").split("\n")
    assert packed == {word: index for index, word in enumerate(words)}
    assert len(words) == saved["num_pieces"]
    assert words == sorted(words, key=tokenizer.token_to_id)
    special = read_manifest(folder).tokenizer.special_tokens
    assert special == {token: words.index(token) for token in special}
    for vector in json.loads((folder / "vectors.json").read_bytes())["examples"]:
        asked = vector["texts"]["question"]
        question = tokenizer.encode(asked, add_special_tokens=False).tokens
        ids = vector["rows"][0]["input_ids"]
        assert [words[index] for index in ids[: len(question) + 1]] == ["[CLS]", *question]


def test_build_that_fails_its_audit_ends_with_one_and_leaves_the_earlier_bundle(
    call, bundle_copy, student_folder, tmp_path
):
    """A recipe that calls its floats int8 is what a converter does that declines to compress."""
    recipe = tmp_path / "recipe.json"
    recipe.write_text(json.dumps({"precision": "int8", "default": "fp16"}))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    finished = call(
        "build", student_folder, "-o", bundle_copy, "--backend", "tflite", "--recipe", recipe,
        "--seq-len", "32", "--json",
    )  # fmt: skip
    assert finished.code == 1
    assert finished.error["message"].startswith(
        "the int8 file for tflite is not what it claims to be: "
        "model.distilbert.embeddings.word_embeddings.weight stayed in float32, 204,800 bytes; "
    )
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    assert problems_of(bundle_copy) == ()


def test_build_static_says_so_in_the_bundle_and_of_core_ml_that_it_is_not(
    call, student_folder, squad_file, tmp_path
):
    folder = tmp_path / "bundle"
    finished = call(
        "build", student_folder, "-o", folder, "--backend", "tflite", "--backend", "coreml",
        "--activations", "static", "--seq-len", "32", "--data", squad_file, "--json",
    )  # fmt: skip
    # A student of random weights need not keep to the gates of trained ones.
    assert finished.code in (0, 1), finished
    assert finished.json["remarks"] == [
        "coreml computes in floats: --activations static is for executorch, tflite"
    ]
    assert read_recipe(folder / "recipe.json").activations == "static"
    assert problems_of(folder) == ()
    manifest = read_manifest(folder)
    kinds = {part.backend: part.activations for part in manifest.artifacts}
    assert kinds == {"tflite": "static", "coreml": "dynamic"}
    assert set(manifest.thresholds) == {"int8", "int8 static"}
    gates = {
        (each["backend"], gate["name"]): gate["threshold"]
        for each in finished.json["parity"]
        for gate in each["gates"]
    }
    assert gates["tflite", "answer_agreement"] < gates["coreml", "answer_agreement"]


def test_build_for_the_neural_engine_records_it_for_the_app(
    call, student_folder, squad_file, tmp_path
):
    folder = tmp_path / "bundle"
    finished = call(
        "build", student_folder, "-o", folder, "--backend", "tflite", "--backend", "coreml",
        "--compute-units", "cpu-and-ne", "--precision", "fp32", "--seq-len", "32",
        "--data", squad_file, "--json",
    )  # fmt: skip
    assert finished.code == 0, finished
    units = {part.backend: part.compute_units for part in read_manifest(folder).artifacts}
    assert units == {"tflite": None, "coreml": "cpu-and-ne"}
    with open_bundle(folder) as opened:
        assert {each.backend: each.compute_units for each in opened.artifacts} == units


def test_build_auto_finds_a_recipe_that_another_build_repeats(
    call, student_folder, squad_file, tmp_path
):
    shared = (student_folder, "--backend", "tflite", "--seq-len", "64", "--data", squad_file)
    first, second = tmp_path / "first", tmp_path / "second"
    found = call(
        "build", *shared, "-o", first, "--precision", "auto", "--max-size-mb", "0.48", "--json"
    ).json
    (artifact,) = found["artifacts"]
    assert artifact["precision"] == "auto"
    assert artifact["size_bytes"] <= 480_000
    (chosen,) = (step for step in found["steps"] if step["is_chosen"])
    recipe = json.loads((first / "recipe.json").read_text())
    assert chosen["recipe"] == recipe
    assert {"int8", "int4/32"} & set(recipe["groups"].values())
    assert (first / "frontier.svg").read_text().startswith("<svg")
    assert problems_of(first) == ()

    call("build", *shared, "-o", second, "--recipe", first / "recipe.json", "--no-cache")
    for name in ("tflite/model.tflite", "recipe.json", "parity.json"):
        assert (first / name).read_bytes() == (second / name).read_bytes(), name


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (["--max-size-mb", "0.1"], "pocketbert: --max-size-mb 0.1 is out of reach by"),
        (["--precision", "auto", "--max-size-mb", "0.1"], "--max-size-mb 0.1 is out of reach by"),
    ],
)
def test_build_that_breaks_a_budget_leaves_the_earlier_bundle(
    call, student_folder, squad_file, bundle_copy, budget, message
):
    before = {path: path.stat().st_mtime_ns for path in bundle_copy.rglob("*")}
    finished = call(
        "build", student_folder, "-o", bundle_copy, "--backend", "tflite", "--seq-len", "64",
        "--data", squad_file, *budget,
    )  # fmt: skip
    assert finished.code == 1
    assert message in finished.stderr.splitlines()[-1]
    assert {path: path.stat().st_mtime_ns for path in bundle_copy.rglob("*")} == before
