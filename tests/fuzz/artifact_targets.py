"""The readers of finished artifacts, what they may accept, and how their files are damaged."""

from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

import numpy as np

from converters import backends
from converters.values.artifact import Inspection
from converters.weights.quantized import QuantizedWeight, StoredMatrix
from tests.fuzz.loop import Case, Target, WrongAcceptanceError
from tests.fuzz.mutate import CORPUS, SHARE_ARBITRARY, arbitrary, mutate_bytes, mutate_json

_MODEL = "Data/com.apple.CoreML/model.mlmodel"
_WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"
_MANIFEST = "Manifest.json"


def file_target(name: str, backend: str) -> Target:
    """Returns the target of a format that is one file, by its suffix."""
    valid = [path.read_bytes() for path in sorted(CORPUS.glob(f"*.{name}"))]
    file = f"model.{name}"

    def make(random: Random) -> Case:
        is_mutation = random.random() >= SHARE_ARBITRARY
        damage = mutate_bytes if is_mutation else arbitrary
        files = {file: damage(random, valid)}
        return Case(files=files, is_mutation=is_mutation, call=random.randrange(2))

    read = _reader(backend, file, valid)
    return Target(name=name, make=make, read=read, named=file)


def package_target() -> Target:
    """Returns the target of Core ML, whose packages are folders of three files."""
    packages = sorted(CORPUS.glob("*.mlpackage"))
    parts = (_MODEL, _WEIGHTS, _MANIFEST)
    valid = {part: [(package / part).read_bytes() for package in packages] for part in parts}

    def make(random: Random) -> Case:
        is_mutation = random.random() >= SHARE_ARBITRARY
        chosen = random.randrange(len(packages))
        files = {part: valid[part][chosen] for part in parts}
        # The program has more to say than the rest.
        part = random.choice((_MODEL, _MODEL, _MODEL, _WEIGHTS, _MANIFEST))
        if not is_mutation:
            files[part] = arbitrary(random, valid[part])
        elif part == _MANIFEST and random.random() < 0.7:
            files[part] = mutate_json(random, valid[part])
        else:
            files[part] = mutate_bytes(random, [files[part]])
        return Case(
            files={f"model.mlpackage/{name}": content for name, content in files.items()},
            is_mutation=is_mutation,
            call=random.randrange(2),
        )

    read = _reader("coreml", "model.mlpackage", [])
    return Target(name="mlpackage", make=make, read=read, named="model.mlpackage")


def _reader(backend: str, name: str, valid: Sequence[bytes]) -> Callable[[Path, Case], None]:
    module = backends.backend(backend)
    for artifact in sorted(CORPUS.glob(f"*{Path(name).suffix}")):
        _check_inspection(module.inspect(artifact), sum_of_sizes(artifact))
        _check_matrices(module.read_matrices(artifact))

    def read(folder: Path, case: Case) -> None:
        path = folder / name
        # Each of the two parses the file, which is most of the time: a case goes to one of them.
        if case.call == 0:
            _check_inspection(module.inspect(path), sum_of_sizes(path))
        else:
            _check_matrices(module.read_matrices(path))
        if any(_is_cut_off(content, valid) for content in case.files.values()):
            raise WrongAcceptanceError("a file whose end is missing was read")

    return read


def sum_of_sizes(path: Path) -> int:
    """Returns the bytes of a file, or of all files of a package."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(file.stat().st_size for file in files)


def _is_cut_off(content: bytes, valid: Sequence[bytes]) -> bool:
    """Returns whether it is a valid file without its end, padding aside."""
    return any(whole.startswith(content) and any(whole[len(content) :]) for whole in valid)


def _check_inspection(found: Inspection, size_bytes: int) -> None:
    """Checks that what a file is said to hold fits into it."""
    counts = (found.num_ops, found.num_macs, found.num_delegated_ops, found.num_delegated_macs)
    if any(count is not None and count < 0 for count in counts):
        raise WrongAcceptanceError(f"less than nothing: {counts}")
    if found.num_delegated_ops is not None and found.num_delegated_ops > found.num_ops:
        raise WrongAcceptanceError(f"more is delegated than there is: {counts}")
    if any(not 0 <= tensor.size_bytes <= size_bytes for tensor in found.tensors):
        raise WrongAcceptanceError("a tensor is larger than the file")


def _check_matrices(found: dict[str, list[StoredMatrix]]) -> None:
    """Checks that matrices are such as the audit can compute with."""
    for each in (each for matrices in found.values() for each in matrices):
        weight = each.weight
        values = weight.values if isinstance(weight, QuantizedWeight) else weight
        if values.ndim < 2:
            raise WrongAcceptanceError(f"{each.name} is no matrix: {values.shape}")
        if isinstance(weight, QuantizedWeight) and values.ndim == 2 and values.size:
            with np.errstate(all="ignore"):
                weight.dequantize()
