"""Ways around bugs of others, each with the bug's name and when it can go.

``tests/converters/test_workarounds.py`` tells when one is no longer needed.
"""

import contextlib
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def coremltools_without_tensorflow() -> Iterator[None]:
    """Hides TensorFlow while coremltools is imported.

    coremltools 9.0 imports every framework that it finds, TensorFlow and, through torchao, Triton.
    With TensorFlow 2.21 first and Triton 3.7.1 second the process ends in a segmentation fault;
    besides, TensorFlow takes seconds to import and nothing here uses it. It can go when coremltools
    imports TensorFlow only for a model of TensorFlow's.
    """
    if "tensorflow" in sys.modules:
        yield  # too late to hide it; no process of ours runs both
        return
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules["tensorflow"]
