"""The command ``eval`` as a person and a script meet it."""

from tests.pipeline.commands.calls import CONTEXT, refused, write_squad


def test_eval_scores_the_answers_against_the_labels(built, call, tmp_path):
    """Two of four questions are labelled with what the random student answers."""
    questions = ["When was the tower lit?", "What was closed?", "Who came?", "How tall is it?"]
    first, second = (
        call("ask", built.folder, "-q", each, "-c", CONTEXT, "--runtime", "pytorch", "--json").json[
            "answers"
        ][0]["text"]
        for each in questions[:2]
    )
    labels = {
        questions[0]: ["zebra", f"The {first.upper()}!"],  # the same once normalized
        questions[1]: [second],
        questions[2]: ["zebra"],
        questions[3]: ["zebra"],
    }
    data = write_squad(tmp_path / "data.json", labels)
    finished = call(
        "eval",
        built.folder,
        "--data",
        data,
        "--runtime",
        "pytorch",
        "--runtime",
        "litert",
        "--json",
    )
    assert finished.code == 0
    assert finished.json == {
        "results": [
            {"runtime": runtime, "exact_match": 50.0, "f1": 50.0, "count": 4}
            for runtime in ("pytorch", "litert")
        ],
        "skipped": [],
    }


def test_eval_model_runs_pytorch_alone_and_obeys_the_limit(student_folder, squad_file, call):
    finished = call("eval", student_folder, "--data", squad_file, "--limit", "2", "--json")
    assert finished.code == 0
    (result,) = finished.json["results"]
    assert (result["runtime"], result["count"]) == ("pytorch", 2)


def test_eval_tells_which_questions_could_not_be_asked(built, call, tmp_path):
    """Of many, people see the first by name."""
    names = [f"{'дорога ' * 9}[/b] {number}" for number in range(12)]
    labels = {"When was the tower lit?": ["zebra"], **{name: ["x"] for name in names}}
    data = write_squad(tmp_path / "data.json", labels)
    arguments = ["eval", built.folder, "--data", data, "--runtime", "litert"]
    finished = call(*arguments, "--json")
    assert finished.code == 0, finished.stderr
    assert finished.json["results"][0]["count"] == 13
    found = finished.json["unreadable"]
    assert [each["id"] for each in found] == names
    assert all("not in the student's vocabulary" in each["reason"] for each in found)
    told = call(*arguments).stdout
    assert f"12 questions could not be asked, counted as wrong: {names[0]} (" in told
    assert f"{names[9]} (" in told
    assert f"{names[10]} (" not in told
    assert "and 2 more, which --json names" in told


def test_eval_model_with_an_artifacts_runtime_is_refused(call, student_folder, squad_file):
    arguments = ["eval", student_folder, "--data", squad_file, "--runtime", "litert"]
    assert "is a model, and litert runs artifacts" in refused(call(*arguments))
