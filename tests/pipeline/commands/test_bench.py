"""The command ``bench`` as a person and a script meet it."""

from tests.pipeline.commands.calls import refused


def test_bench_json_has_the_fields_that_others_rely_on(built, call):
    finished = call("bench", built.folder, "--repetitions", "2", "--threads", "1", "--json")
    assert finished.code == 0, finished.stderr
    assert set(finished.json) == {"rows", "roofs", "skipped"}
    assert finished.json["roofs"] == []
    for row in finished.json["rows"]:
        assert set(row) >= {
            "model", "runtime", "precision", "seq_len", "num_threads", "latency_ms",
            "ratio_to_pytorch", "size_bytes", "peak_rss_bytes",
        }  # fmt: skip
        assert row["num_threads"] == 1


def test_bench_table_tells_the_model_and_every_runtime(built, call):
    finished = call("bench", built.folder, "--repetitions", "2")
    assert finished.code == 0
    for told in ("batch 1", "pytorch", "litert", "above the bare runtime"):
        assert told in finished.stdout


def test_bench_peers_without_the_student_are_skipped(built, call, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    finished = call(
        "bench", built.folder, "--peers", "--repetitions", "2", "--runtime", "litert", "--json"
    )
    assert finished.code == 0, finished.stderr
    reasons = {each["runtime"]: each["reason"] for each in finished.json["skipped"]}
    for runtime in ("onnxruntime", "litert-plain", "pytorch-compiled", "bert-base-pytorch"):
        assert "the PyTorch student, which was not found" in reasons[runtime]
    assert {row["runtime"] for row in finished.json["rows"]} == {"litert"}


def test_bench_of_a_bundle_and_a_model_at_once_is_refused(built, call):
    assert "not both" in refused(call("bench", built.folder, "--model", "base"))


def test_bench_measures_those_lengths_of_the_bundle_that_are_asked_for(built, call):
    finished = call(
        "bench", built.folder, "--seq-len", "64", "--repetitions", "2", "--runtime", "litert",
        "--json",
    )  # fmt: skip
    assert finished.code == 0, finished.stderr
    assert [row["seq_len"] for row in finished.json["rows"]] == [64]
