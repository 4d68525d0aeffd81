"""Finds what is installed, what can run here, and the line that installs what is missing."""

import platform
from dataclasses import dataclass
from importlib import metadata

from converters import backends
from pipeline import __version__
from pipeline.comparison.task_library import environment
from pipeline.distillation.settings import EXTRA, PACKAGES

_PINNED = ("torch", "transformers", "numpy", "tokenizers", "safetensors", "huggingface-hub")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One package, backend or runtime.

    Attributes:
        state: A version, ``ready``, or what is missing.
        hint: The line that installs it, where it is missing.
    """

    kind: str
    name: str
    ok: bool
    state: str
    hint: str = ""


def examine() -> tuple[Finding, ...]:
    """Returns what was found, without importing any backend."""
    found = [
        Finding(kind="python", name="python", ok=True, state=platform.python_version()),
        Finding(kind="package", name="pocketbert", ok=True, state=__version__),
        *(_package(name) for name in _PINNED),
    ]
    for name, packages in backends.BACKENDS.items():
        found.append(_capability("backend", name, packages, extra=name))
    found.append(_capability("training", EXTRA, PACKAGES, extra=EXTRA))
    for runtime in backends.RUNTIMES:
        reason = backends.why_unavailable(runtime)
        hint = backends.install_line(runtime.extra)
        missing = bool(backends.missing_packages(runtime.packages))
        found.append(
            Finding(
                kind="runtime",
                name=runtime.name,
                ok=reason is None,
                state=reason or (runtime.note or "ready"),
                hint=hint if missing else "",
            )
        )
    found.append(_task_library())
    return tuple(found)


def can_build(findings: tuple[Finding, ...]) -> bool:
    """Returns whether all core packages are as pinned and at least one backend converts here."""
    core = all(each.ok for each in findings if each.kind == "package")
    return core and any(each.ok for each in findings if each.kind == "backend")


def _task_library() -> Finding:
    made = environment.is_made()
    state = "ready" if made else "made when a bundle first needs it, from the package index"
    return Finding(kind="runtime", name=backends.TASK_LIBRARY.name, ok=made, state=state)


def _package(name: str) -> Finding:
    wanted = _pinned_version(name)
    try:
        installed = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(kind="package", name=name, ok=False, state="not installed",
                       hint="pip install pocketbert")  # fmt: skip
    if wanted not in (None, installed):
        return Finding(kind="package", name=name, ok=False,
                       state=f"{installed}, but {wanted} is what holds together",
                       hint=f"pip install {name}=={wanted}")  # fmt: skip
    return Finding(kind="package", name=name, ok=True, state=installed)


def _pinned_version(name: str) -> str | None:
    """Returns the version that this distribution pins exactly, if it does."""
    for requirement in metadata.requires("pocketbert") or []:
        package, exact, rest = requirement.partition("==")
        if exact and package.strip().replace("_", "-") == name:
            return rest.split(";")[0].strip()
    return None


def _capability(kind: str, name: str, packages: tuple[str, ...], *, extra: str) -> Finding:
    missing = backends.missing_packages(packages)
    if missing:
        return Finding(kind=kind, name=name, ok=False, state=f"needs {', '.join(missing)}",
                       hint=backends.install_line(extra))  # fmt: skip
    return Finding(kind=kind, name=name, ok=True, state="ready")
