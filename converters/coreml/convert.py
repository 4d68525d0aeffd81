"""Makes an ``.mlpackage`` that holds an ML program, through coremltools."""

import json
import tempfile
import uuid
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from converters.conversion import Conversion
from converters.coreml.layout import channels_first
from converters.coreml.weights import deployment_target, store
from converters.coreml_evaluator.package import MAIN
from converters.values.artifact import Artifact, entry_point_for
from converters.workarounds import coremltools_without_frameworks

with coremltools_without_frameworks():
    import coremltools as ct
    from coremltools.proto import Model_pb2

_DATE = "com.github.apple.coremltools.conversion_date"
"""Of the day, in this machine's time zone, on which a package was converted."""

_SYSTEMS = {
    ct.target.iOS17: {"ios": "17.0", "macos": "14.0"},
    ct.target.iOS18: {"ios": "18.0", "macos": "15.0"},
}
_PASSES_INTO_KERNELS = ("common::fuse_conv_scale", "common::fuse_conv_batchnorm")
"""They multiply what follows a convolution into its kernels, which are to be the student's own."""


def convert(conversion: Conversion) -> Artifact:
    """Writes a package whose program stores the given weights.

    One length makes a package for iOS 17, or with weights of four bits for iOS 18. Several make one
    function a length over shared weights, for iOS 18: a flexible shape would lose the Neural
    Engine. Where that engine is asked for by name, the program has its layout.
    """
    seq_lens = conversion.traced.seq_lens
    if len(seq_lens) == 1:
        target = deployment_target(conversion.weights.integers)
        _convert_length(conversion, seq_lens[0], target).save(str(conversion.path))
    else:
        target = ct.target.iOS18
        _convert_lengths(conversion, target)
    _settle_bytes(conversion.path)
    artifact = conversion.artifact(
        "coreml",
        requires=_SYSTEMS[target],
        entry_points=[MAIN]
        if len(seq_lens) == 1
        else [entry_point_for(seq_len) for seq_len in seq_lens],
    )
    # Core ML computes in floats, whatever rounds the activations of others.
    units = conversion.options.compute_units
    return replace(artifact, activations="dynamic", compute_units=units)


def _convert_lengths(conversion: Conversion, target: ct.target) -> None:
    """Writes a package with a function for each length."""
    functions = ct.utils.MultiFunctionDescriptor()
    with tempfile.TemporaryDirectory() as folder:
        for seq_len in conversion.traced.seq_lens:
            part = str(Path(folder, f"{seq_len}.mlpackage"))
            _convert_length(conversion, seq_len, target).save(part)
            functions.add_function(
                part,
                src_function_name=MAIN,
                target_function_name=entry_point_for(seq_len),
            )
        functions.default_function_name = entry_point_for(conversion.traced.seq_lens[-1])
        ct.utils.save_multifunction(functions, str(conversion.path))


def _convert_length(conversion: Conversion, seq_len: int, target: ct.target) -> ct.models.MLModel:
    """Returns a model of one length."""
    traced, weights = conversion.traced, conversion.weights
    half = weights.precision != "fp32"
    passes = ct.PassPipeline()
    passes.remove_passes(_PASSES_INTO_KERNELS)
    return ct.convert(
        store(_program(conversion, seq_len), weights.integers),
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
        inputs=[
            ct.TensorType(name=name, shape=(1, seq_len), dtype=np.int32)
            for name in traced.input_names
        ],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in traced.output_names],
        skip_model_load=True,
        pass_pipeline=passes,
    )


def _program(conversion: Conversion, seq_len: int) -> torch.export.ExportedProgram:
    """Returns the program at one length, in the layout of the units that it is for."""
    program = conversion.traced.at_length(seq_len)
    if conversion.options.compute_units != "cpu-and-ne":
        return program
    return channels_first(program, conversion.traced.sample_inputs(seq_len))


def _settle_bytes(path: Path) -> None:
    """Replaces random identifiers and map order and drops the date: equal builds are equal."""
    manifest = path / "Manifest.json"
    text = manifest.read_text(encoding="utf-8")
    for identifier, item in json.loads(text)["itemInfoEntries"].items():
        text = text.replace(identifier, str(uuid.uuid5(uuid.NAMESPACE_URL, item["path"])))
    content = json.loads(text)
    manifest.write_text(json.dumps(content, indent=4, sort_keys=True), encoding="utf-8")
    program = path / "Data" / content["itemInfoEntries"][content["rootModelIdentifier"]]["path"]
    spec = Model_pb2.Model.FromString(program.read_bytes())
    spec.description.metadata.userDefined.pop(_DATE, None)
    program.write_bytes(spec.SerializeToString(deterministic=True))
