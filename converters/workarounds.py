"""Ways around bugs of others, each with the bug's name and when it can go.

``tests/converters/test_workarounds.py`` tells when one is no longer needed.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any


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


XNNPACK_PASSES_OF_NO_ENCODER = (
    "ConvertToUpsampleBilinear2d", "ConvertToSDPAPass", "FuseBatchNormPass", "DecomposeBatchNorm",
    "Conv1dUnsqueezePass", "PReLUReshapePass", "ChannelsLastTaggedReshapePass",
    "RemoveRedundantCopyPass",
)  # fmt: skip


@contextlib.contextmanager
def xnnpack_without_passes_for_images() -> Iterator[None]:
    """Leaves out the passes of ExecuTorch's XNNPACK backend that find nothing in an encoder.

    ExecuTorch 1.4.1 traces every delegated part again for each of 17 passes, whether they find
    something or not; these eight are for convolutions, batch norms, images, and an attention that
    is one operator. The file is the same to the byte, after 0.73 of the time (embedded student,
    two lengths). It can go when a pass that finds nothing costs nothing.
    """
    from executorch.backends.xnnpack import xnnpack_preprocess

    manager_class = xnnpack_preprocess.XNNPACKPassManager

    def manager(program: Any, passes: list[type] | None = None) -> Any:
        made = manager_class(program, passes)
        made.passes = [
            each for each in made.passes if each.__name__ not in XNNPACK_PASSES_OF_NO_ENCODER
        ]
        return made

    xnnpack_preprocess.XNNPACKPassManager = manager
    try:
        yield
    finally:
        xnnpack_preprocess.XNNPACKPassManager = manager_class
