"""Small real students and a small real bundle, made once and shared; nobody writes to them."""

import contextlib
import fcntl
import functools
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs
import pytest
from tokenizers import Tokenizer

from converters import backends
from converters.values.artifact import Artifact
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from pipeline.build import BuildResult
from pipeline.comparison.task_library import environment
from pipeline.student.load import Student, load
from tests import classifier_bundles, warm
from tests.android_demo.artifact_logits import Asked
from tests.classifiers import build_classifier
from tests.command import Finished, pocketbert
from tests.converters.conversion import SEQ_LENS, convert_all
from tests.mutations.table import lines as mutation_table
from tests.platform_bundles import (
    AppBundle,
    build_for_platforms,
    save_small_student,
    write_questions,
)
from tests.students import ARCHITECTURES, read_tokenizer, save_student
from tests.vectors.write import write as write_vectors

TINY_SEQ_LENS = (32, 64)
MakeOnce = Callable[[str, Callable[[Path], Any]], Any]
USER_CACHE = platformdirs.user_cache_path("pocketbert")
"""The user's own, as it is before tests get another."""


@dataclass(frozen=True, kw_only=True)
class BuiltBundle:
    """A bundle that the command line built, and what it said."""

    folder: Path
    finished: Finished


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Prints what the mutations were caught by; xdist's controller loads no conftest but this."""
    passed = terminalreporter.stats.get("passed", [])
    for line in mutation_table(
        recorded for report in passed for recorded in report.user_properties
    ):
        terminalreporter.write_line(line)


LONGEST = (
    "android_demo/test_maven.py", "pipeline/test_build.py", "ios_demo/test_swift.py",
    "test_embedded_student.py", "test_embedded_sentiment.py", "mutations/test_mutations.py",
    "pipeline/comparison/test_localize.py", "test_benchmarks.py", "pipeline/test_build_gates.py",
    "pipeline/commands/test_build.py", "converters/test_backends.py", "fuzz/test_fuzz.py",
    "converters/tflite/test_task_library.py",
    "converters/test_audit.py", "converters/coreml/test_layout.py",
    "converters/test_workarounds.py", "converters/test_static_activations.py",
    "pipeline/test_distill.py", "pipeline/comparison/task_library/test_variant.py",
    "converters/test_block_outputs.py", "mutations/test_clean_builds.py",
    "pipeline/comparison/task_library/test_classifier.py",
)  # fmt: skip
"""Files that take more than half a minute, the longest first."""
CONVERTING_FILES = (
    *LONGEST, "test_wheel.py", "android_demo/test_runtimes.py",
    "ios_demo/test_xcode.py", "converters/coreml/test_weights.py",
    "converters/coreml_evaluator/test_evaluator.py", "converters/test_fourth_backend.py",
    "converters/coreml_evaluator/test_inventory.py", "converters/test_imports.py",
    "converters/executorch/test_file.py", "converters/executorch/test_precision.py",
    "converters/coreml_evaluator/test_foreign_packages.py", "converters/tflite/test_weights.py",
    "fuzz/test_damaged_bundles.py", "pipeline/test_bench.py", "pipeline/benchmark/test_peers.py",
    "pipeline/commands/test_reference.py", "pipeline/comparison/coreml_package/test_kinds.py",
    "pipeline/comparison/coreml_package/test_parity.py", "pipeline/packing/test_self_test.py",
    "pipeline/running/test_user_cache.py", "pipeline/running/test_jobs.py",
    "pipeline/running/test_interruption.py", "test_namesakes.py",
    "pipeline/comparison/test_parity.py", "converters/test_runtimes.py",
    "converters/executorch/test_taps.py", "converters/coreml/test_convert.py",
    "pipeline/commands/test_tokenize.py", "pipeline/running/test_terminal.py",
    "pipeline/commands/test_demo.py", "pipeline/page/test_engine.py",
)  # fmt: skip
"""Files that convert, train, install, start frameworks anew, or wait for real processes."""
CONVERTING_FIXTURES = {
    "artifacts", "long_artifacts", "built", "built_classifier", "built_trimmed", "bundle_copy",
    "bundles", "vectors", "small_models", "task_library_python", "hub_lines", "app_bundle",
    "app_classifiers",
}  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest files first, and marks what ``make check`` leaves out."""
    here = Path(__file__).parent
    places = {name: place for place, name in enumerate(LONGEST)}

    def name_of(item: pytest.Item) -> str:
        return item.path.relative_to(here).as_posix()

    items.sort(key=lambda item: places.get(name_of(item), len(places)))
    for item in items:
        fixtures = CONVERTING_FIXTURES.intersection(getattr(item, "fixturenames", ()))
        if fixtures or name_of(item) in CONVERTING_FILES:
            item.add_marker("conversion")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Says how processes start, before any fixture of the test starts one."""
    warm.is_wanted = not any(item.get_closest_marker(name) for name in ("cold", "soak"))


@pytest.fixture(scope="session")
def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the workers of one run share."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(scope="session", autouse=True)
def _warm_processes(shared_folder: Path) -> None:
    """Lets processes be forks of servers, which the workers of one run share."""
    if sys.platform == "linux":
        warm.open_folder(shared_folder / "warm")
        warm.install()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(shared_folder: Path) -> Iterator[None]:
    """Keeps what the product remembers of these students out of the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(shared_folder / "cache")
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def make_once(shared_folder: Path) -> MakeOnce:
    """Returns what a function makes in a folder; the workers of one run make it once together."""

    def once(name: str, make: Callable[[Path], Any]) -> Any:
        folder = shared_folder / name
        made = folder / "made.pickle"
        with folder.with_suffix(".lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a worker that failed half-way
                folder.mkdir()
                made.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(made.read_bytes())

    return once


@pytest.fixture(scope="session")
def vectors(make_once: MakeOnce) -> Path:
    """What ports are tested with."""

    def make(folder: Path) -> Path:
        write_vectors(folder / "vectors")
        return folder / "vectors"

    return make_once("vectors", make)


@pytest.fixture(scope="session")
def asked(vectors: Path) -> list[Asked]:
    """The questions of the vectors."""
    answers = json.loads((vectors / "uncased" / "answers.json").read_bytes())["answers"]
    return [
        Asked(question=each["question"], context=each["context"], seq_lens=tuple(each["seq_lens"]))
        for each in answers
    ]


@pytest.fixture(scope="session")
def app_bundle(asked: list[Asked], make_once: MakeOnce) -> AppBundle:
    """What the apps of both platforms carry, of a student that knows all ids of the vectors."""

    def make(folder: Path) -> AppBundle:
        return build_for_platforms(
            ("android", "ios"), ("coreml", "executorch", "tflite"),
            save_small_student(folder / "student"), folder,
            seq_lens=sorted({length for each in asked for length in each.seq_lens}),
            data=write_questions(folder / "squad.json", num_passages=8, num_each=1),
            options=("--precision", "fp32"),
        )  # fmt: skip

    return make_once("app-bundle", make)


@pytest.fixture(scope="session")
def app_classifiers(make_once: MakeOnce) -> dict[str, AppBundle]:
    """A small text classifier of each kind, by name."""
    return make_once("app-classifiers", classifier_bundles.build)


@pytest.fixture(scope="session")
def task_library_python(_own_cache: None) -> Path:
    """The Python of the Task Library's environment, which stays in the user's own cache."""
    kept = USER_CACHE / "task-library"
    kept.mkdir(parents=True, exist_ok=True)
    shown = platformdirs.user_cache_path("pocketbert") / "task-library"
    shown.parent.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(FileExistsError):  # another worker has been here
        shown.symlink_to(kept, target_is_directory=True)
    try:
        return environment.ensure()
    except environment.UnavailableError as err:
        pytest.skip(f"{err.message}; {err.hint}")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return read_tokenizer()


@pytest.fixture(scope="session")
def student_folders(make_once: MakeOnce, tokenizer: Tokenizer) -> dict[str, Path]:
    return make_once(
        "students",
        lambda root: {
            name: save_student(name, root / name, tokenizer=tokenizer) for name in ARCHITECTURES
        },
    )


@pytest.fixture(scope="session")
def student_folder(student_folders: dict[str, Path]) -> Path:
    """A DistilBERT."""
    return student_folders["distilbert"]


@pytest.fixture(scope="session")
def students(student_folders: dict[str, Path]) -> dict[str, Student]:
    return {name: load(str(folder)) for name, folder in student_folders.items()}


@pytest.fixture(scope="session")
def artifacts(
    students: dict[str, Student], make_once: MakeOnce
) -> dict[str, dict[FixedPrecision, Artifact]]:
    """A two-layer DistilBERT for every backend at every precision, at two lengths."""
    student = students["distilbert"]
    return {
        backend: make_once(
            f"artifacts-{backend}",
            functools.partial(convert_all, student, backend, FIXED_PRECISIONS, seq_lens=SEQ_LENS),
        )
        for backend in backends.BACKENDS
    }


@pytest.fixture
def student_copy(student_folder: Path, tmp_path: Path) -> Path:
    """The DistilBERT again, to be damaged."""
    return Path(shutil.copytree(student_folder, tmp_path / "student"))


@pytest.fixture(scope="session")
def long_artifacts(
    students: dict[str, Student], make_once: MakeOnce
) -> dict[FixedPrecision, Artifact]:
    """The DistilBERT for TFLite, at the length that the Task Library opens."""
    convert = functools.partial(
        convert_all, students["distilbert"], "tflite", FIXED_PRECISIONS, seq_lens=(384,)
    )
    return make_once("artifacts-long", convert)


@pytest.fixture(scope="session")
def squad_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six labelled questions over two passages."""
    passages = {
        "The tower is 41 metres tall. It was designed by the engineer Rennie and lit in 1871.": {
            "How tall is the tower?": ("41 metres", 13),
            "Who designed the tower?": ("the engineer Rennie", 48),
            "When was the tower lit?": ("1871", 79),
        },
        "Rain fell on the island for nine days, and the road to the harbour was closed.": {
            "What fell on the island?": ("Rain", 0),
            "How long did it rain?": ("nine days", 28),
            "What was closed?": ("the road to the harbour", 43),
        },
    }
    paragraphs = []
    for context, questions in passages.items():
        qas = []
        for question, (text, start) in questions.items():
            assert context[start:].startswith(text)
            answers = [{"text": text, "answer_start": start}]
            qas.append({"id": question, "question": question, "answers": answers})
        paragraphs.append({"context": context, "qas": qas})
    path = tmp_path_factory.mktemp("data") / "squad.json"
    path.write_text(json.dumps({"data": [{"title": "two", "paragraphs": paragraphs}]}))
    return path


@pytest.fixture(scope="session")
def built(make_once: MakeOnce, student_folder: Path, squad_file: Path) -> BuiltBundle:
    """A TFLite bundle at two lengths; fp32 converts fastest."""
    arguments = (
        student_folder, "--backend", "tflite", "--seq-len", ",".join(map(str, TINY_SEQ_LENS)),
        "--data", squad_file,
    )  # fmt: skip
    return make_once("built", functools.partial(_build, arguments))


@pytest.fixture(scope="session")
def built_trimmed(make_once: MakeOnce, student_folder: Path, squad_file: Path) -> BuiltBundle:
    """An ExecuTorch bundle whose vocabulary is that of its own questions."""
    arguments = (
        student_folder, "--backend", "executorch", "--seq-len", "64", "--data", squad_file,
        "--trim-vocab", squad_file,
    )  # fmt: skip
    return make_once("trimmed", functools.partial(_build, arguments))


def _build(arguments: Sequence[str | Path], root: Path) -> BuiltBundle:
    folder = root / "bundle"
    finished = pocketbert("build", *arguments, "-o", folder, "--precision", "fp32", "--json")
    assert finished.code == 0, finished.stdout + finished.stderr
    return BuiltBundle(folder=folder, finished=finished)


@pytest.fixture(scope="session")
def built_classifier(make_once: MakeOnce) -> BuildResult:
    """A classifier of three labels in int8, for every backend."""
    return make_once("classifier", lambda folder: build_classifier(folder, "distilbert", "int8"))


@pytest.fixture
def bundle_copy(built: BuiltBundle, tmp_path: Path) -> Path:
    """The bundle again, to be damaged."""
    return Path(shutil.copytree(built.folder, tmp_path / "bundle"))
