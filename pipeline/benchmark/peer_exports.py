"""How peers export a model, each by the recipe of its own documentation.

All of them get the module that PyTorch runs here: the attention that Transformers takes by itself,
and a mask that is ready. ExecuTorch's quantizer stops at the mask that Transformers makes
(«tensors used as indices must be long»), and no peer is slower for having it ready.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from converters.values.artifact import entry_point_for
from converters.values.precision import FixedPrecision
from converters.values.program import dynamic_shapes, sample_inputs
from pipeline.student.load import Student
from pipeline.student.trace import ExportableEncoder

if TYPE_CHECKING:
    from torch.export import ExportedProgram


def export_onnx(
    student: Student, *, precision: FixedPrecision, seq_lens: tuple[int, ...], path: Path
) -> None:
    """Exports through ``torch.onnx``; int8 by ONNX Runtime's ``quantize_dynamic``.

    Source: pytorch.org, "Export a PyTorch model to ONNX"; onnxruntime.ai, "Quantize ONNX models".
    """
    exact = path.with_suffix(".fp32") if precision == "int8" else path
    torch.onnx.export(
        encoder(student),
        (),
        str(exact),
        kwargs=_inputs(student, seq_lens),
        dynamic_shapes=dynamic_shapes(student.input_names, seq_lens),
        input_names=list(student.input_names),
        output_names=list(student.output_names),
        external_data=False,
        dynamo=True,
        verbose=False,
    )
    if precision == "int8":
        from onnxruntime.quantization import quantize_dynamic

        quantize_dynamic(exact, path)
        exact.unlink()


def export_tflite(
    student: Student, *, precision: FixedPrecision, seq_lens: tuple[int, ...], path: Path
) -> None:
    """Converts through litert-torch, a signature a length; int8 by AI Edge Quantizer.

    Source: the README of litert-torch; that of ai-edge-quantizer, recipe ``dynamic_wi8_afp32``.
    """
    from litert_torch import Converter

    converter = Converter()
    for seq_len in seq_lens:
        inputs = sample_inputs(student.input_names, seq_len=seq_len)
        converter.signature(entry_point_for(seq_len), encoder(student), sample_kwargs=inputs)
    exact = path.with_name(f"fp32-{path.name}") if precision == "int8" else path
    converter.convert().export(str(exact))
    if precision == "int8":
        quantize_litert(exact, path)
        exact.unlink()


def quantize_litert(exact: Path, path: Path) -> None:
    """Writes a ``.tflite`` file again, with weights of int8 and activations rounded on the fly."""
    from ai_edge_quantizer import quantizer, recipe

    made = quantizer.Quantizer(str(exact))
    made.load_quantization_recipe(recipe.dynamic_wi8_afp32())
    made.quantize().export_model(str(path))


def export_executorch(
    student: Student, *, precision: FixedPrecision, seq_lens: tuple[int, ...], path: Path
) -> None:
    """Lowers through the XNNPACK partitioner; int8 by ``XNNPACKQuantizer``, dynamic per channel.

    Source: docs.pytorch.org/executorch, "XNNPACK Backend" and "Quantization" there.
    """
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import to_edge_transform_and_lower

    program = _export(encoder(student), student, seq_lens)
    if precision == "int8":
        program = _quantize_pt2e(program, student, seq_lens)
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    with path.open("wb") as file:
        lowered.to_executorch().write_to_file(file)


def _quantize_pt2e(
    program: "ExportedProgram", student: Student, seq_lens: tuple[int, ...]
) -> "ExportedProgram":
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    config = get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True)
    prepared = prepare_pt2e(program.module(), XNNPACKQuantizer().set_global(config))
    prepared(**_inputs(student, seq_lens))
    return _export(convert_pt2e(prepared), student, seq_lens)


def _export(
    module: torch.nn.Module, student: Student, seq_lens: tuple[int, ...]
) -> "ExportedProgram":
    shapes = dynamic_shapes(student.input_names, seq_lens)
    return torch.export.export(
        module, (), _inputs(student, seq_lens), dynamic_shapes=shapes, strict=False
    )


def encoder(student: Student) -> ExportableEncoder:
    """Returns what every peer exports."""
    return ExportableEncoder(student.model, output_names=student.output_names).eval()


def _inputs(student: Student, seq_lens: tuple[int, ...]) -> dict[str, torch.Tensor]:
    return sample_inputs(student.input_names, seq_len=seq_lens[-1])


EXPORTERS = {
    "onnx": export_onnx,
    "tflite": export_tflite,
    "executorch": export_executorch,
}
"""By backend."""
