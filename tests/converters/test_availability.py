"""Which runtimes can run here, and why the others cannot."""

import sys

import pytest

from converters.backends import BACKENDS, RUNTIMES, Runtime, runtimes_of, why_unavailable


@pytest.mark.parametrize(("platform", "packages", "told"), [
    (None, ("json",), None),
    (sys.platform, ("json",), None),
    ("another", ("json",), "it exists on another only"),
    ("another", ("no_such_package",), "it exists on another only"),
    (None, ("json", "no_such_package"),
     "no_such_package is not installed: pip install 'pocketbert[some]'"),
])  # fmt: skip
def test_runtime_is_unavailable_elsewhere_and_without_its_packages(
    platform: str | None, packages: tuple[str, ...], told: str | None
) -> None:
    runtime = Runtime(
        name="some", backend="tflite", packages=packages, extra="some", platform=platform
    )
    assert why_unavailable(runtime) == told


@pytest.mark.parametrize("backend", BACKENDS)
def test_runtimes_of_a_backend_are_those_that_run_its_artifacts(backend: str) -> None:
    found = runtimes_of(backend)
    assert found
    assert {each.backend for each in found} == {backend}
    assert sum(len(runtimes_of(each)) for each in BACKENDS) == len(RUNTIMES)
