"""Equal builds give equal bytes, whether their stages run or come from the cache."""

import functools
import os
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from converters import backends
from converters.values.errors import GateError
from pipeline.build import BuildResult, build
from pipeline.comparison import runtimes
from pipeline.conversion.recipe import recipe_of
from pipeline.files.permissions import umask
from pipeline.quantization.budget import Budget
from pipeline.running.cache import StageCache
from pipeline.tasks.question_answering.squad import Question, Unreadable, read_squad
from tests.command import COMMAND, ROOT, Finished, pocketbert
from tests.mutations.runtime_faults import abort, faulty_job
from tests.pipeline.bundle.test_signature import write_keys
from tests.runs import quiet_run
from tests.warm import ELSEWHERE, FRESH

STAGES = {
    "calibrate", "quantize", "convert executorch", "convert tflite", "convert coreml",
    "run pytorch", "run executorch", "run litert", "run tensorflow", "run coreml-reference",
    "vectors", "test executorch", "test litert", "test coreml-reference",
}  # fmt: skip
"""All that a build at four bits keeps."""

FOUND = {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
"""Lets a fresh interpreter find this source tree from another folder."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """A bundle, what the command said, and the user's cache folder."""

    folder: Path
    finished: Finished
    cache: Path

    @property
    def contents(self) -> dict[str, bytes]:
        """The bytes of every file, by its name in the bundle."""
        return read(self.folder)

    @property
    def modes(self) -> dict[str, str]:
        """The permissions of every file and folder, by its name in the bundle."""
        return {
            path.relative_to(self.folder).as_posix(): oct(path.stat().st_mode & 0o777)
            for path in (self.folder, *self.folder.rglob("*"))
        }


def read(folder: Path) -> dict[str, bytes]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A private and a public key."""
    return write_keys(tmp_path_factory.mktemp("keys"))


def build_all(
    student: Path,
    data: Path,
    place: Path,
    *options: str | Path,
    cache: Path,
    env: Mapping[str, str],
    umask: int = -1,
) -> Built:
    """Builds for all backends in a process that works in another folder."""
    for name in ("tmp", "work"):
        (place / name).mkdir(parents=True)
    finished = pocketbert(
        "build", student, "-o", place / "bundle", "--precision", "int4", "--seq-len", "32,64",
        "--data", data, "--json", *options,
        cwd=place / "work",
        env={"TMPDIR": str(place / "tmp"), "XDG_CACHE_HOME": str(cache), **env},
        umask=umask,
    )  # fmt: skip
    # A student of random weights need not keep to the gates of trained ones.
    assert finished.code in (0, 1), finished.stdout + finished.stderr
    assert len(finished.json["artifacts"]) == len(backends.BACKENDS)
    return Built(folder=place / "bundle", finished=finished, cache=cache)


@pytest.fixture(scope="module")
def first(
    student_folder: Path,
    squad_file: Path,
    keys: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    place = tmp_path_factory.mktemp("first")
    return build_all(
        student_folder, squad_file, place, "--sign", keys[0], cache=place / "cache", env={}
    )


@pytest.fixture(scope="module")
def apart(
    student_folder: Path,
    squad_file: Path,
    keys: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """The same again, from and to folders of longer names, elsewhere, with nothing reused."""
    place = tmp_path_factory.mktemp("built-elsewhere") / "deeper"
    student = shutil.copytree(student_folder, place / "models" / student_folder.name)
    data = shutil.copy(squad_file, place / "other-name.json")
    return build_all(
        Path(student), Path(data), place, "--no-cache", "--sign", keys[0],
        cache=place / "cache", env={**FOUND, **ELSEWHERE}, umask=0o077,
    )  # fmt: skip


@pytest.fixture(scope="module")
def again(
    first: Built,
    student_folder: Path,
    squad_file: Path,
    keys: tuple[Path, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Built:
    """The same again, by a user who has built the first."""
    place = tmp_path_factory.mktemp("again")
    return build_all(
        student_folder, squad_file, place, "--sign", keys[0], cache=first.cache,
        env={**FOUND, **ELSEWHERE},
    )  # fmt: skip


def test_build_that_is_signed_is_valid_for_its_key(first: Built, keys: tuple[Path, Path]) -> None:
    finished = pocketbert("verify", first.folder, "--public-key", keys[1], "--json")
    assert finished.json["ok"]
    assert finished.json["signature"] == "valid"


def test_build_elsewhere_gives_the_same_bytes(first: Built, apart: Built) -> None:
    assert apart.finished.json["reused"] == []
    assert_same_files(apart.contents, first.contents)


def test_build_again_reuses_every_stage_and_gives_the_same_bytes(
    again: Built, first: Built
) -> None:
    assert first.finished.json["reused"] == []
    assert set(again.finished.json["reused"]) == STAGES
    assert_same_files(again.contents, first.contents)
    assert again.finished.json["parity"] == first.finished.json["parity"]


def test_build_says_of_each_stage_whether_it_was_reused(again: Built, first: Built) -> None:
    for built, mark in ((first, "done"), (again, "reused")):
        lines = [line for line in built.finished.stderr.splitlines() if line.endswith(" GB peak")]
        marks = {line[:26].strip(): line[26:].split()[0] for line in lines}
        assert {name for name in STAGES if marks[name] == mark} == STAGES
        assert {marks[name] for name in ("load", "trace", "bundle")} == {"done"}


def test_build_with_no_cache_keeps_nothing(apart: Built) -> None:
    assert not (apart.cache / "pocketbert" / "stages").exists()


def test_build_gives_files_the_permissions_that_the_umask_leaves(
    first: Built, again: Built, apart: Built
) -> None:
    assert first.modes == again.modes
    for built, hidden in ((first, umask()), (apart, 0o077)):
        for name, mode in built.modes.items():
            full = 0o777 if (built.folder / name).is_dir() else 0o666
            assert mode == oct(full & ~hidden), name


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--precision", "fp32", "--backend", "tflite"), id="fp32"),
        pytest.param(("--precision", "fp16", "--backend", "executorch"), id="fp16"),
        pytest.param(("--precision", "int8", "--backend", "tflite"), id="int8"),
        pytest.param(
            ("--activations", "static", "--trim-vocab", "DATA", "--backend", "executorch",
             "--backend", "coreml", "--compute-units", "cpu-and-ne"),
            id="static, trimmed, Neural Engine",
        ),
        pytest.param(
            ("--precision", "auto", "--max-size-mb", "1", "--backend", "tflite", "--task-library",
             "--seq-len", "384"),
            id="auto, Task Library",
        ),
    ],
)  # fmt: skip
def test_build_gives_the_same_bytes_whatever_is_around_it(
    options: tuple[str, ...],
    student_folder: Path,
    squad_file: Path,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    if "--task-library" in options:
        request.getfixturevalue("task_library_python")
    arguments = [squad_file if each == "DATA" else each for each in options]
    if "--seq-len" not in options:
        arguments += ["--seq-len", "32"]
    fresh = FRESH if "int8" in options else {}  # where the first build's processes are forks
    contents = build_around(student_folder, arguments, squad_file, tmp_path, **fresh)
    assert_same_files(contents[1], contents[0])


@pytest.mark.soak
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8", "int4", "auto"])
def test_build_of_the_embedded_student_gives_the_same_bytes_whatever_is_around_it(
    precision: str, tmp_path: Path
) -> None:
    options = ["--precision", precision, *(["--max-size-mb", "14"] if precision == "auto" else [])]
    contents = build_around(None, options, None, tmp_path)
    assert_same_files(contents[1], contents[0])


def build_around(
    student: Path | None,
    options: Sequence[str | Path],
    data: Path | None,
    place: Path,
    **others: str,
) -> list[dict[str, bytes]]:
    """Returns the contents of two bundles, built in surroundings that differ in all they can.

    ``others`` are variables that are added to those of the second.
    """
    contents = []
    for name, env, hidden in (("here", {}, 0o022), ("elsewhere", ELSEWHERE | others, 0o077)):
        (place / name).mkdir()
        finished = pocketbert(
            "build", *([student] if student else []), "-o", place / f"bundle-{name}", *options,
            *(["--data", data] if data else []), "--no-cache", "--json",
            env={"TMPDIR": str(place / name), **env}, umask=hidden, timeout=3600,
        )  # fmt: skip
        assert finished.code in (0, 1), finished.stdout + finished.stderr
        contents.append(read(place / f"bundle-{name}"))
        assert "parity.json" in contents[-1], finished.stdout
    return contents


def assert_same_files(actual: dict[str, bytes], expected: dict[str, bytes]) -> None:
    assert set(actual) == set(expected)
    assert [name for name in expected if actual[name] != expected[name]] == []


# One backend, in this process

Build = Callable[..., BuildResult]
TFLITE_STAGES = [
    "convert tflite", "run litert", "run pytorch", "run tensorflow", "test litert", "vectors",
]  # fmt: skip


@pytest.fixture(scope="module")
def stages_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stages")


@pytest.fixture(scope="module")
def build_one(student_folder: Path, squad_file: Path, stages_folder: Path) -> Build:
    def build_one(destination: Path, student: Path = student_folder, **changes: Any) -> BuildResult:
        arguments = {
            "backends": ("tflite",),
            "recipe": recipe_of("fp32"),
            "seq_lens": (32,),
            "examples": read_squad(squad_file),
            "run": quiet_run(cache=StageCache(stages_folder)),
            **changes,
        }
        return build(str(student), destination=destination, **arguments)

    return build_one


@pytest.fixture(scope="module")
def one(build_one: Build, tmp_path_factory: pytest.TempPathFactory) -> BuildResult:
    """A TFLite bundle whose stages are in the cache."""
    result = build_one(tmp_path_factory.mktemp("one") / "bundle")
    assert result.reused == ()
    assert result.passed
    return result


def test_build_with_one_weight_changed_reuses_nothing(
    one: BuildResult, build_one: Build, student_copy: Path, tmp_path: Path
) -> None:
    path = student_copy / "model.safetensors"
    weights = load_file(path)
    weights["qa_outputs.bias"][0] += torch.tensor(2.0**-10)
    save_file(weights, path, {"format": "pt"})
    assert build_one(tmp_path / "bundle", student_copy).reused == ()


def test_build_with_other_questions_reuses_the_conversion_alone(
    one: BuildResult, build_one: Build, squad_file: Path, tmp_path: Path
) -> None:
    result = build_one(tmp_path / "bundle", examples=read_squad(squad_file)[1:])
    assert "convert tflite" in result.reused
    assert not {"run pytorch", "run litert", "run tensorflow"} & set(result.reused)


def test_build_with_damaged_entries_makes_them_anew(
    one: BuildResult, build_one: Build, stages_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(stages_folder, tmp_path / "stages"))
    names = {path.name for path in folder.iterdir()}
    for path in folder.iterdir():
        raw = bytearray(path.read_bytes())
        raw[-1] ^= 1
        path.write_bytes(raw)
    cache = StageCache(folder)
    result = build_one(tmp_path / "bundle", run=quiet_run(cache=cache))
    assert result.reused == ()
    assert_same_files(read(result.folder), read(one.folder))
    result = build_one(tmp_path / "again", run=quiet_run(cache=cache))
    assert sorted(set(result.reused)) == TFLITE_STAGES
    assert {path.name for path in folder.iterdir()} == names


def test_build_where_no_cache_can_be_is_as_any_other(
    one: BuildResult, build_one: Build, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("in the way")
    result = build_one(
        tmp_path / "bundle", run=quiet_run(cache=StageCache(tmp_path / "file" / "stages"))
    )
    assert result.reused == ()
    assert_same_files(read(result.folder), read(one.folder))


def test_build_under_a_limit_of_f1_says_why_a_runtime_gave_none(
    build_one: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = functools.partial(faulty_job, misdeeds={"tflite": abort})
    monkeypatch.setattr(runtimes, "job", job)
    with pytest.raises(
        GateError, match=r"--max-score-drop 50 cannot be judged: litert: run litert cr"
    ):
        build_one(tmp_path / "bundle", budget=Budget(max_score_drop=50), run=quiet_run())
    assert not (tmp_path / "bundle").exists()


def test_build_names_what_cannot_be_asked_and_goes_on_without(
    one: BuildResult, build_one: Build, squad_file: Path, tmp_path: Path
) -> None:
    bad = Unreadable(id="bad", reason="line 7: it is not JSON")
    script = Question(id="script", question="дорога", context="The road.", answers=("x",))
    result = build_one(tmp_path / "bundle", examples=(bad, *read_squad(squad_file), script))
    assert [each.id for each in result.unreadable] == ["bad", "script"]
    assert sorted(set(result.reused)) == TFLITE_STAGES
    assert_same_files(read(result.folder), read(one.folder))


def test_parity_is_seen_now_whatever_builds_have_kept(
    one: BuildResult,
    build_one: Build,
    stages_folder: Path,
    student_folder: Path,
    squad_file: Path,
    tmp_path: Path,
) -> None:
    folder = Path(shutil.copytree(stages_folder, tmp_path / "pocketbert" / "stages"))
    falsify_logits(folder)
    believed = build_one(tmp_path / "bundle", run=quiet_run(cache=StageCache(folder)))
    assert sorted(set(believed.reused)) == TFLITE_STAGES
    assert not believed.passed
    found = pocketbert(
        "parity", one.folder, "--data", squad_file, "--reference", student_folder, "--json",
        env={"XDG_CACHE_HOME": str(tmp_path)},
    )  # fmt: skip
    assert found.code == 0, found.stdout
    assert "reused" not in found.stderr


def falsify_logits(folder: Path) -> None:
    """Makes each run in a cache another, with hashes that agree."""
    cache = StageCache(folder)
    for number, path in enumerate(sorted(folder.iterdir())):
        contents = cache.take(path.name)
        assert contents is not None
        random = np.random.default_rng(number)
        logits = {
            name: value + random.standard_normal(value.shape).astype(np.float32)
            for name, value in contents.items()
            if name.endswith("_logits")
        }
        cache.keep(path.name, {**contents, **logits})


@pytest.mark.soak
def test_build_killed_at_random_moments_leaves_the_old_bundle_or_the_new(
    student_folder: Path, squad_file: Path, tmp_path: Path
) -> None:
    destination = tmp_path / "bundle"
    options = ["--backend", "tflite", "--precision", "fp32", "--data", squad_file]
    bundles = {}
    for seq_len in ("32", "48"):
        arguments = ["build", student_folder, "-o", destination, "--seq-len", seq_len, *options]
        assert pocketbert(*arguments).code == 0
        bundles[seq_len] = read(destination)
    begin = time.perf_counter()
    assert pocketbert(*arguments).code == 0  # the stages of both are kept now
    longest = time.perf_counter() - begin
    moments = random.Random(0)
    for kill in range(20):
        seq_len = ("32", "48")[kill % 2]
        arguments = ["build", student_folder, "-o", destination, "--seq-len", seq_len, *options]
        process = subprocess.Popen(
            [*COMMAND, *map(str, arguments)], cwd=ROOT, stderr=subprocess.DEVNULL
        )
        time.sleep(moments.uniform(0, longest))
        process.kill()
        process.wait()
        assert read(destination) in bundles.values()
