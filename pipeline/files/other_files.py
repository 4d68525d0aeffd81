"""Names what a file is that was given in place of a model's folder or a bundle."""

import os
from pathlib import Path

from converters.values.errors import InputError

_WEIGHTS = (".safetensors", ".bin", ".pt", ".pth", ".pt2", ".ckpt", ".h5", ".msgpack", ".onnx")
_PARTS = (".pte", ".tflite", ".mlpackage")


def refuse_other_file(path: Path) -> None:
    """Refuses what its name shows to be neither a model's folder nor a bundle.

    Raises:
        InputError: It is a file of weights, a single artifact, or a Core ML model of another form.
    """
    suffix = path.suffix.lower()
    # Asked in the old way, which takes a name that is too long for one that is not there.
    if not os.path.exists(path) or (os.path.isdir(path) and suffix in _WEIGHTS):  # noqa: PTH110, PTH112
        return
    if suffix in _WEIGHTS:
        raise InputError(
            f"{path} is a file of weights alone",
            hint="give the folder of the model, which holds its config.json and tokenizer as well",
        )
    if suffix == ".mlmodel":
        raise InputError(
            f"{path} is a Core ML model of the older form, and no package of an ML program",
            hint="convert the model again, with a minimum_deployment_target of iOS 15 or later, to "
            "an .mlpackage",
        )
    if suffix == ".mlmodelc":
        raise InputError(
            f"{path} is a Core ML model that was compiled for a device",
            hint="give the .mlpackage that it was compiled from",
        )
    if suffix in _PARTS:
        raise InputError(
            f"{path} is a single artifact", hint="give the bundle, or the model that it comes from"
        )
