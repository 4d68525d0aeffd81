"""The command ``doctor`` as a script meets it."""

from tests.command import pocketbert


def test_doctor_json(call):
    finished = call("doctor", "--json")
    assert finished.code == 0
    findings = finished.json["findings"]
    kinds = {each["kind"] for each in findings}
    assert kinds == {"python", "package", "backend", "training", "runtime"}
    assert ("backend", "tflite", True) in [(x["kind"], x["name"], x["ok"]) for x in findings]


def test_doctor_without_packages_says_what_installs_them(without):
    environment = without("litert_torch", "coremltools", "torchao", "executorch")
    finished = pocketbert("doctor", "--json", env=environment)
    assert finished.code == 3
    found = {(each["kind"], each["name"]): each for each in finished.json["findings"]}
    for name in ("tflite", "coreml", "executorch"):
        assert found["backend", name]["ok"] is False
        assert found["backend", name]["hint"] == f"pip install 'pocketbert[{name}]'"
    assert found["runtime", "executorch"]["hint"] == "pip install 'pocketbert[executorch]'"
