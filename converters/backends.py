"""The backends: what each of them offers, and the tables of them and of their runtimes.

To add one, make its folder with a module ``backend`` that has the functions of ``Backend``, and
name it and its runtimes in the two tables here.
"""

import importlib
import importlib.util
import sys
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from converters.values.artifact import Artifact, ComputeUnits, Inspection, Runner
from converters.values.errors import InputError, MissingPackageError
from converters.weights.quantized import ModelWeights, StoredMatrix

if TYPE_CHECKING:
    from converters.values.program import TracedModel


class Backend(Protocol):
    """What every backend module offers."""

    FILE_NAME: str
    """Name of the artifact in a bundle, inside the backend's own folder."""

    def convert(
        self,
        traced: "TracedModel",
        *,
        weights: ModelWeights,
        path: Path,
        compute_units: ComputeUnits = "all",
    ) -> Artifact:
        """Writes one artifact at ``path`` that serves every length of the traced model.

        Args:
            traced: The model, in fp32.
            weights: What its weights are stored as.
            path: Where to write.
            compute_units: What Core ML may run it on; other backends have no such choice.
        """
        ...

    def load(self, artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
        """Opens an artifact in one of the backend's runtimes."""
        ...

    def inspect(self, path: Path) -> Inspection:
        """Tells what a finished artifact holds, from the file alone."""
        ...

    def read_matrices(self, path: Path) -> dict[str, list[StoredMatrix]]:
        """Reads every matrix that a finished artifact stores, for each function that uses it."""
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
        module: What is imported to execute; nothing where it is another program.
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
        module="executorch.runtime",
    ),
    Runtime(
        name="litert", backend="tflite", packages=("ai_edge_litert",), extra="tflite",
        module="ai_edge_litert.compiled_model",
    ),
    Runtime(
        name="tensorflow", backend="tflite", packages=("tensorflow",), extra="tensorflow",
        module="tensorflow",
    ),
    Runtime(
        name="coreml-reference", backend="coreml", packages=("coremltools",), extra="coreml",
        module="converters.coreml_evaluator.evaluator",
        note="emulation: our evaluator of Core ML programs, not Apple's",
    ),
    Runtime(
        name="coreml", backend="coreml", packages=("coremltools",), extra="coreml",
        module="converters.coreml.backend", platform="darwin",
    ),
)  # fmt: skip


TASK_LIBRARY = Runtime(
    name="task-library",
    backend="tflite",
    packages=(),
    extra="tflite",
    note="independent client: Google's Task Library, which answers in whole words",
)
"""It takes texts and gives answers, so it stands apart from those that give logits."""


def backend(name: str) -> Backend:
    """Returns the module of a backend, whose packages are imported only now."""
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
    """Returns why a runtime cannot run here, or nothing where it can."""
    if candidate.platform not in (None, sys.platform):
        return f"it exists on {candidate.platform} only"
    missing = missing_packages(candidate.packages)
    if missing:
        return f"{', '.join(missing)} is not installed: {install_line(candidate.extra)}"
    return None


def check_entry_points(artifact: Artifact, known: Collection[str], *, kind: str) -> None:
    """Checks that a file has all that an app is to call in it.

    Args:
        artifact: Which names what to call.
        known: What can be called.
        kind: What that is, for people.

    Raises:
        InputError: Something is not there.
    """
    for name in artifact.entry_points:
        if name not in known:
            raise InputError(
                f"{artifact.path} has no {kind} {name!r}, it has {', '.join(sorted(known))}",
                hint="build the bundle again",
            )


def missing_packages(packages: tuple[str, ...]) -> list[str]:
    """Returns those of the packages that are not installed, without importing any."""
    return [package for package in packages if importlib.util.find_spec(package) is None]


def install_line(extra: str) -> str:
    """Returns the command that installs an extra."""
    return f"pip install 'pocketbert[{extra}]'"
