"""Faults in what a file stores: constants of any format, found by their own bytes."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from converters import backends
from converters.weights.quantized import QuantizedWeight, StoredWeight, quantize
from pipeline.conversion.metrics import cosine
from tests.mutations.target import Plant, Target

Change = Callable[[np.ndarray], np.ndarray]
"""Of integers, scales or floats: another array of the same shape and dtype."""


def values(name: str, change: Change) -> Plant:
    """Changes a matrix: its integers where it has them, else its floats."""

    def plant(target: Target) -> None:
        stored = _find(target, target.originals[name])
        old = stored.values if isinstance(stored, QuantizedWeight) else stored
        new = change(old.copy()).astype(old.dtype)
        changed = replace(stored, values=new) if isinstance(stored, QuantizedWeight) else new
        _replace(target, _values(stored, target.backend), _values(changed, target.backend))

    return plant


def scales(name: str, change: Change) -> Plant:
    """Changes the scales of a matrix of integers, ``(rows, groups)``."""

    def plant(target: Target) -> None:
        stored = _quantized(target, name)
        changed = change(stored.scales.copy())
        old, new = (_scales(stored, each, target.backend) for each in (stored.scales, changed))
        _replace(target, old, new)

    return plant


def swapped_nibbles(name: str) -> Plant:
    """Exchanges the two integers in each byte of a matrix of four bits."""

    def plant(target: Target) -> None:
        old = np.frombuffer(_values(_quantized(target, name), target.backend), np.uint8)
        _replace(target, old.tobytes(), (old << 4 | old >> 4).tobytes())

    return plant


def vector(name: str, change: Change) -> Plant:
    """Changes a gain or a bias, which every precision keeps in floats."""

    def plant(target: Target) -> None:
        original = target.originals[name]
        forms = [original.astype(dtype) for dtype in (np.float32, np.float16)]
        content = b"".join(file.read_bytes() for file in target.files)
        (old,) = (form for form in forms if form.tobytes() in content)
        _replace(target, old.tobytes(), change(old.copy()).astype(old.dtype).tobytes())

    return plant


def stale(name: str) -> Plant:
    """Stores a matrix of the student of another seed, rounded in the same way."""

    def plant(target: Target) -> None:
        stored = _find(target, target.originals[name])
        other = target.others[name]
        if not isinstance(stored, QuantizedWeight):
            _replace(target, stored.tobytes(), other.astype(stored.dtype).tobytes())
            return
        rounded = quantize(other, bits=stored.bits, group_size=stored.group_size)
        _replace(target, _values(stored, target.backend), _values(rounded, target.backend))
        old, new = (
            _scales(stored, each, target.backend)
            for each in (stored.scales, rounded.scales.astype(stored.scales.dtype))
        )
        _replace(target, old, new)

    return plant


def cut(share: float) -> Plant:
    """Leaves only the first part of the largest file."""

    def plant(target: Target) -> None:
        largest = max(target.files, key=lambda file: file.stat().st_size)
        content = largest.read_bytes()
        largest.write_bytes(content[: int(share * len(content))])

    return plant


def _find(target: Target, original: np.ndarray) -> StoredWeight:
    """Returns what the file holds of a matrix, by its likeness to the original."""
    stored = backends.backend(target.backend).read_matrices(target.path)
    (matrices, *_) = stored.values()
    weights = [each.weight for each in matrices]
    candidates = [each for each in weights if _floats(each).shape == original.shape]
    likeness = [cosine(actual=_floats(each), reference=original) for each in candidates]
    assert max(likeness) > 0.9
    return candidates[int(np.argmax(likeness))]


def _quantized(target: Target, name: str) -> QuantizedWeight:
    stored = _find(target, target.originals[name])
    assert isinstance(stored, QuantizedWeight)
    return stored


def _floats(stored: StoredWeight) -> np.ndarray:
    is_quantized = isinstance(stored, QuantizedWeight)
    floats = stored.dequantize() if is_quantized else stored
    return np.asarray(floats, np.float32)


def _values(stored: StoredWeight, backend: str) -> bytes:
    """Returns the bytes of a matrix as a format has them; four-bit ones of linear layers only."""
    if not isinstance(stored, QuantizedWeight):
        return stored.tobytes()
    if stored.bits == 8:
        return stored.values.astype(np.int8).tobytes()
    shifted = stored.values + (8 if backend == "executorch" else 0)
    nibbles = shifted.astype(np.int8).reshape(-1).view(np.uint8) & 0xF
    return (nibbles[0::2] | nibbles[1::2] << 4).tobytes()


def _scales(stored: QuantizedWeight, scales: np.ndarray, backend: str) -> bytes:
    if backend == "executorch" and stored.bits == 4:
        # A bfloat16 is the upper half of a float32.
        return (scales.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes()
    return scales.astype(stored.scales.dtype).tobytes()


def _replace(target: Target, old: bytes, new: bytes) -> None:
    """Puts other bytes everywhere where a file has some, which functions may share or not."""
    assert len(old) == len(new) and old != new
    found = 0
    for file in target.files:
        content = file.read_bytes()
        found += content.count(old)
        file.write_bytes(content.replace(old, new))
    assert found
