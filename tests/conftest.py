"""Small real students and a small real bundle, made once and shared; nobody writes to them."""

import fcntl
import json
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import platformdirs
import pytest
from tokenizers import Tokenizer

from converters import backends
from converters.values.artifact import Artifact
from converters.values.precision import FIXED_PRECISIONS, FixedPrecision
from pipeline.comparison.task_library import environment
from pipeline.student.load import Student, load
from tests import warm
from tests.command import Finished, pocketbert
from tests.converters.conversion import SEQ_LENS, convert_all
from tests.mutations.table import lines as mutation_table
from tests.students import ARCHITECTURES, read_tokenizer, save_student
from tests.vectors.write import write as write_vectors

TINY_SEQ_LENS = (32, 64)
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
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps what the product remembers of these students out of the user's cache."""
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["XDG_CACHE_HOME"]
    else:
        os.environ["XDG_CACHE_HOME"] = before


@pytest.fixture(scope="session")
def vectors(shared_folder: Path) -> Path:
    """What ports are tested with: it takes minutes, so the workers of one run share it."""
    folder = shared_folder / "vectors"
    with folder.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            unfinished = folder.with_suffix(".unfinished")
            write_vectors(unfinished)
            unfinished.rename(folder)
    return folder


@pytest.fixture(scope="session")
def task_library_python(_own_cache: None) -> Path:
    """The Python of the Task Library's environment, which stays in the user's own cache."""
    kept = USER_CACHE / "task-library"
    kept.mkdir(parents=True, exist_ok=True)
    shown = platformdirs.user_cache_path("pocketbert") / "task-library"
    shown.parent.mkdir(parents=True, exist_ok=True)
    shown.symlink_to(kept, target_is_directory=True)
    try:
        return environment.ensure()
    except environment.UnavailableError as err:
        pytest.skip(f"{err.message}; {err.hint}")


@pytest.fixture(scope="session")
def tokenizer() -> Tokenizer:
    return read_tokenizer()


@pytest.fixture(scope="session")
def student_folders(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: Tokenizer
) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("students")
    return {name: save_student(name, root / name, tokenizer=tokenizer) for name in ARCHITECTURES}


@pytest.fixture(scope="session")
def student_folder(student_folders: dict[str, Path]) -> Path:
    """A DistilBERT."""
    return student_folders["distilbert"]


@pytest.fixture(scope="session")
def students(student_folders: dict[str, Path]) -> dict[str, Student]:
    return {name: load(str(folder)) for name, folder in student_folders.items()}


@pytest.fixture(scope="session")
def artifacts(
    students: dict[str, Student], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, dict[FixedPrecision, Artifact]]:
    """A two-layer DistilBERT for every backend at every precision, at two lengths."""
    student = students["distilbert"]
    return {
        backend: convert_all(
            student, backend, FIXED_PRECISIONS, tmp_path_factory.mktemp(backend), seq_lens=SEQ_LENS
        )
        for backend in backends.BACKENDS
    }


@pytest.fixture
def student_copy(student_folder: Path, tmp_path: Path) -> Path:
    """The DistilBERT again, to be damaged."""
    return Path(shutil.copytree(student_folder, tmp_path / "student"))


@pytest.fixture(scope="session")
def long_artifacts(
    students: dict[str, Student], tmp_path_factory: pytest.TempPathFactory
) -> dict[FixedPrecision, Artifact]:
    """The DistilBERT for TFLite, at the length that the Task Library opens."""
    return convert_all(
        students["distilbert"], "tflite", FIXED_PRECISIONS, tmp_path_factory.mktemp("long"),
        seq_lens=(384,),
    )  # fmt: skip


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
def built(
    tmp_path_factory: pytest.TempPathFactory, student_folder: Path, squad_file: Path
) -> BuiltBundle:
    """A TFLite bundle at two lengths; fp32 converts fastest."""
    folder = tmp_path_factory.mktemp("built") / "bundle"
    finished = pocketbert(
        "build", student_folder, "-o", folder, "--backend", "tflite", "--precision", "fp32",
        "--seq-len", ",".join(map(str, TINY_SEQ_LENS)), "--data", squad_file, "--json",
    )  # fmt: skip
    assert finished.code == 0, finished.stdout + finished.stderr
    return BuiltBundle(folder=folder, finished=finished)


@pytest.fixture(scope="session")
def built_trimmed(
    tmp_path_factory: pytest.TempPathFactory, student_folder: Path, squad_file: Path
) -> BuiltBundle:
    """An ExecuTorch bundle whose vocabulary is that of its own questions."""
    folder = tmp_path_factory.mktemp("built") / "trimmed"
    finished = pocketbert(
        "build", student_folder, "-o", folder, "--backend", "executorch", "--precision", "fp32",
        "--seq-len", "64", "--data", squad_file, "--trim-vocab", squad_file, "--json",
    )  # fmt: skip
    assert finished.code == 0, finished.stdout + finished.stderr
    return BuiltBundle(folder=folder, finished=finished)


@pytest.fixture
def bundle_copy(built: BuiltBundle, tmp_path: Path) -> Path:
    """The bundle again, to be damaged."""
    return Path(shutil.copytree(built.folder, tmp_path / "bundle"))
