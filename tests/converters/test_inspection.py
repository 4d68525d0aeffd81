"""What inspection tells of the same small student, in the file of each backend."""

from pathlib import Path

import pytest

from converters import backends
from converters.values.artifact import Inspection
from tests.fuzz.mutate import CORPUS

INTEGERS = {"fp32": 0, "fp16": 0, "int8": 2_592, "int4": 1_584}
"""Bytes of the matrices of one student, which lengths share; at four bits positions and head keep
eight."""
MACS = {"fp32": 12_800, "fp16": 12_800, "int4": 12_800, "int8": 33_792}
"""At the longest length. The files of int8 serve two."""


def inspect(backend: str, precision: str) -> Inspection:
    module = backends.backend(backend)
    return module.inspect(CORPUS / f"{precision}{Path(module.FILE_NAME).suffix}")


@pytest.mark.parametrize("backend", backends.BACKENDS)
@pytest.mark.parametrize("precision", INTEGERS)
def test_constants_count_once_and_products_at_the_longest_length(
    backend: str, precision: str
) -> None:
    found = inspect(backend, precision)
    of_integers = {"int8", "int4"} & found.bytes_by_dtype.keys()
    assert sum(found.bytes_by_dtype[each] for each in of_integers) == INTEGERS[precision]
    assert sum(found.bytes_by_dtype.values()) < found.size_bytes
    assert found.num_macs == MACS[precision]
    sizes = [each.size_bytes for each in found.tensors]
    assert sizes == sorted(sizes, reverse=True)
    if backend == "coreml":
        assert (found.num_delegated_ops, found.num_delegated_macs) == (None, None)
    else:
        assert 0 < found.num_delegated_ops < found.num_ops
        assert 0.75 * found.num_macs < found.num_delegated_macs <= found.num_macs
