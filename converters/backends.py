"""The backends: what each of them offers, and the tables of them and of their runtimes.

To add one:

1. Make a folder ``converters/NAME`` with a module ``backend`` that has what ``Backend`` asks for.
   Importing it is to bring no framework: what a function needs is imported inside of it.
2. Let ``convert`` store the integers and scales of ``conversion.weights`` as they are, and
   ``read_matrices`` read them from the finished file: the audit compares the two.
3. Let ``load`` return a ``Runner``, whose outputs the parity check compares with PyTorch's.
4. Name the backend in ``BACKENDS`` and its runtimes in ``RUNTIMES``, here.
5. Name the extra that installs its packages in ``pyproject.toml``, and the phones that it is for in
   the table of ``pipeline.bundle.platforms``.

``tests/converters/test_fourth_backend.py`` does the first four of these.
"""

import importlib
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from converters.conversion import Conversion
from converters.values.artifact import Artifact, Inspection, Runner
from converters.values.errors import InputError, MissingPackageError
from converters.weights.quantized import StoredMatrix


class Backend(Protocol):
    """What the module ``backend`` of every backend offers."""

    FILE_NAME: str
    """Name of the artifact in a bundle, inside the backend's own folder."""

    def convert(self, conversion: Conversion) -> Artifact:
        """Writes one artifact that serves every length of the traced model, and describes it."""
        ...

    def load(self, artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
        """Opens an artifact in one of the backend's runtimes.

        Raises:
            InputError: The file cannot be loaded, or it lacks one of its entry points.
        """
        ...

    def inspect(self, path: Path) -> Inspection:
        """Returns what a finished artifact holds, from the file alone.

        Raises:
            InputError: The file is missing or damaged.
        """
        ...

    def read_matrices(self, path: Path) -> dict[str, list[StoredMatrix]]:
        """Returns every matrix that a finished artifact stores, for each function that uses it.

        Raises:
            InputError: The file is missing or damaged.
        """
        ...

    def tap(self, artifact: Artifact, *, path: Path) -> Artifact:
        """Writes a copy of a finished artifact that gives the results of its layer norms, too.

        All else in it is as it was, the weights above all. The norms' results are further outputs,
        after the artifact's own, in program order: ``norm_0``, ``norm_1``, and so on.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """What executes the artifacts of one backend.

    Attributes:
        packages: Import names that it needs.
        extra: The extra of this distribution that installs them.
        module: What is imported to execute; empty where it is another program.
        platform: The only ``sys.platform`` that has it, if there is one.
        note: What a reader of its results must know.
    """

    name: str
    backend: str
    packages: tuple[str, ...]
    extra: str
    module: str = ""
    platform: str | None = None
    note: str = ""


BACKENDS: dict[str, tuple[str, ...]] = {
    "executorch": ("executorch", "torchao"),
    "tflite": ("litert_torch", "ai_edge_litert"),
    "coreml": ("coremltools",),
}
"""Each backend with the packages that it converts with, in the extra of the same name."""

INTEGER_BACKENDS = ("executorch", "tflite")
"""Those whose runtimes multiply integers by integers; Core ML computes in floats."""

RUNTIMES = (
    Runtime(
        name="executorch", backend="executorch", packages=("executorch",), extra="executorch",
        module="converters.executorch.runtime",
    ),
    Runtime(
        name="litert", backend="tflite", packages=("ai_edge_litert",), extra="tflite",
        module="converters.tflite.runtime",
    ),
    Runtime(
        name="tensorflow", backend="tflite", packages=("tensorflow",), extra="tensorflow",
        module="converters.tflite.tensorflow_runtime",
    ),
    Runtime(
        name="coreml-reference", backend="coreml", packages=("coremltools",), extra="coreml",
        module="converters.coreml.runtime",
        note="emulation: our evaluator of Core ML programs, not Apple's",
    ),
    Runtime(
        name="coreml", backend="coreml", packages=("coremltools",), extra="coreml",
        module="converters.coreml.runtime", platform="darwin",
    ),
)  # fmt: skip


TASK_LIBRARY = Runtime(
    name="task-library",
    backend="tflite",
    packages=(),
    extra="tflite",
    note="independent client: Google's Task Library, with a tokenizer of its own",
)
"""It takes texts and gives answers, so it stands apart from those that give logits."""


def backend(name: str) -> Backend:
    """Returns the module of a backend; its packages are imported where its functions are called."""
    module: Backend = importlib.import_module(f"converters.{name}.backend")
    return module


def check_installed(name: str) -> None:
    """Checks that a backend can convert here.

    Raises:
        InputError: There is no such backend.
        MissingPackageError: Its packages are not installed.
    """
    if name not in BACKENDS:
        raise InputError(f"no backend {name!r}", hint=f"choose from {', '.join(BACKENDS)}")
    missing = missing_packages(BACKENDS[name])
    if missing:
        raise MissingPackageError(
            f"the {name} backend needs {', '.join(missing)}", hint=install_line(name)
        )


def runtime(name: str) -> Runtime:
    """Returns a runtime by name.

    Raises:
        InputError: There is no such runtime.
    """
    known = (*RUNTIMES, TASK_LIBRARY)
    for candidate in known:
        if candidate.name == name:
            return candidate
    names = ", ".join(["pytorch", *(candidate.name for candidate in known)])
    raise InputError(f"no runtime {name!r}", hint=f"choose from {names}")


def runtimes_of(backend: str) -> list[Runtime]:
    """Returns the runtimes that execute the artifacts of a backend."""
    return [candidate for candidate in RUNTIMES if candidate.backend == backend]


def why_unavailable(candidate: Runtime) -> str | None:
    """Returns why a runtime cannot run here; None where it can."""
    if candidate.platform not in (None, sys.platform):
        return f"it exists on {candidate.platform} only"
    missing = missing_packages(candidate.packages)
    if missing:
        return f"{', '.join(missing)} is not installed: {install_line(candidate.extra)}"
    return None


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Returns those of the packages that are not installed, without importing any."""
    return [package for package in packages if importlib.util.find_spec(package) is None]


def install_line(extra: str) -> str:
    """Returns the command that installs an extra."""
    return f"pip install 'pocketbert[{extra}]'"
