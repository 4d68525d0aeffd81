"""What flows import before they know what they are to run."""

import pytest

from tests.converters.test_imports import CONVERTERS, TORCH, imported_with


@pytest.mark.parametrize("flow", ["ask", "evaluate", "verify", "inspection", "doctor"])
def test_flow_brings_no_framework_that_nobody_asked_for(flow: str) -> None:
    assert not imported_with(f"pipeline.{flow}") & (TORCH | CONVERTERS)
