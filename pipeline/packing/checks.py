"""What a build checks before it begins: backends, options and free space."""

import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from converters.backends import (
    BACKENDS,
    INTEGER_BACKENDS,
    check_installed,
    install_line,
    runtimes_of,
)
from converters.values.artifact import COMPUTE_UNITS, ComputeUnits
from converters.values.errors import InputError, MissingPackageError, StorageError
from pipeline.comparison.runtimes import Skipped
from pipeline.conversion.recipe import Recipe
from pipeline.student.load import Student


def choose_backends(names: Sequence[str]) -> tuple[list[str], list[Skipped]]:
    """Returns the backends to build, and the runtimes of those that are not installed.

    Raises:
        InputError: One that was asked for is none.
        MissingPackageError: One that was asked for by name is not installed, or none is.
    """
    for name in names:
        check_installed(name)
    if names:
        return list(dict.fromkeys(names)), []
    chosen, skipped = [], []
    for name in BACKENDS:
        try:
            check_installed(name)
            chosen.append(name)
        except MissingPackageError as err:
            skipped += [
                Skipped(runtime=each.name, reason=f"{err.message}: {err.hint}")
                for each in runtimes_of(name)
            ]
    if not chosen:
        raise MissingPackageError("no backend is installed", hint=install_line("all"))
    return chosen, skipped


def choose_compute_units(name: str | None, backends: Sequence[str]) -> ComputeUnits:
    """Returns what Core ML may use: all where no name says otherwise.

    Raises:
        InputError: There is no such choice, or Core ML is not among the backends.
    """
    if name is None:
        return "all"
    chosen = next((each for each in COMPUTE_UNITS if each == name), None)
    if chosen is None:
        raise InputError(
            f"no compute units {name!r}", hint=f"choose from {', '.join(COMPUTE_UNITS)}"
        )
    if "coreml" not in backends:
        raise InputError(
            f"--compute-units {name} is for coreml, not for {', '.join(backends)}",
            hint="add --backend coreml, or leave out --compute-units",
        )
    return chosen


def check_activations(recipe: Recipe | None, backends: Sequence[str]) -> tuple[str, ...]:
    """Returns in words which backends have no static activations, where a recipe has them.

    Raises:
        InputError: None of the backends has them.
    """
    if recipe is None or recipe.activations != "static":
        return ()
    floats = [name for name in backends if name not in INTEGER_BACKENDS]
    if len(floats) == len(backends):
        raise InputError(
            f"{', '.join(floats)} computes in floats, so it has no static activations",
            hint=f"add a backend: {', '.join(INTEGER_BACKENDS)}",
        )
    others = ", ".join(INTEGER_BACKENDS)
    return tuple(
        f"{name} computes in floats: --activations static is for {others}" for name in floats
    )


def check_free_space(destination: Path, student: Student, *, num_artifacts: int) -> None:
    """Checks at the start what would fail after minutes: most converters die badly there.

    Raises:
        StorageError: The bundle's disk, or that of temporary files, has too little free space.
    """
    weights_bytes = sum(weight.nbytes for weight in student.model.parameters())
    # One fp32 copy per artifact bounds what its converter writes, and one more the trace.
    for folder, copies in ((destination, num_artifacts), (Path(tempfile.gettempdir()), 2)):
        existing = next(place for place in (folder, *folder.resolve().parents) if place.exists())
        free = shutil.disk_usage(existing).free
        if free < copies * weights_bytes:
            raise StorageError(
                f"{existing} has {free / 1e6:.0f} MB free, and the build may need "
                f"{copies * weights_bytes / 1e6:.0f} MB there",
                hint="free some space, or choose another folder with -o (temporary files: TMPDIR)",
            )
