"""Lowers a program to ExecuTorch, with as much of it in as few XNNPACK calls as can be."""

from typing import Any

import torch
from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
from executorch.exir import EdgeCompileConfig, EdgeProgramManager, to_edge_transform_and_lower
from executorch.exir.dialects._ops import ops
from torch.fx.passes.infra.pass_base import PassResult

from converters.workarounds import torchao_traced_by_shapes, xnnpack_without_passes_for_images

_EDGE = ops.edge.aten
_RESHAPES = (
    _EDGE.view_copy.default,
    _EDGE.unsqueeze_copy.default,
    _EDGE.squeeze_copy.dims,
)


def lower(program: torch.export.ExportedProgram) -> EdgeProgramManager:
    """Returns the program with all that XNNPACK can compute handed to it.

    Layer norms stay outside: as XNNPACK has no such operator, inside they would be eight passes
    over the hidden states, and outside they are 4 % of the time.

    The edge dialect's verifier runs the program again after each pass, to see whether the library
    kept to its own rules; here the audit and the parity check look at what came out.
    """
    with xnnpack_without_passes_for_images(), torchao_traced_by_shapes():
        return to_edge_transform_and_lower(
            program,
            transform_passes=[_as_plain_reshapes],
            partitioner=[_Partitioner()],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )


def _as_plain_reshapes(module: torch.fx.GraphModule) -> PassResult:
    """Writes each reshape with numbers and at most one -1, the only form that XNNPACK takes.

    A dynamic length stands in shapes as a symbol, and symbols keep a reshape outside of XNNPACK.
    DistilBERT-base with a dynamic length: 15 calls of XNNPACK instead of 39, 0.95 of the time.
    """
    for node in module.graph.nodes:
        if node.target in _RESHAPES:
            sizes = [size if isinstance(size, int) else -1 for size in node.meta["val"].shape]
            if sizes.count(-1) <= 1:
                node.target = _EDGE.view_copy.default
                node.args = (node.args[0], sizes)
    module.graph.eliminate_dead_code()
    module.recompile()
    return PassResult(module, True)


class _Partitioner(XnnpackPartitioner):  # type: ignore[misc]  # the library has no types
    """Names the operators to keep whole, and no test of each: so the program is traced twice less.

    The test is for operators that XNNPACK takes in some forms only; an encoder's have these forms.
    """

    def ops_to_not_decompose(self, ep: torch.export.ExportedProgram) -> tuple[list[Any], None]:
        whole, _ = super().ops_to_not_decompose(ep)
        return whole, None
