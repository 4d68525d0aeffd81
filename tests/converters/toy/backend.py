"""A fourth backend: weights in an ``.npz`` file, and NumPy to compute with them.

It knows DistilBERT with four heads alone.
"""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np

from converters.conversion import Conversion
from converters.reading.damage import refused
from converters.reading.layer_norms import taps
from converters.values.artifact import Arrays, Artifact, Inspection, Runner, StoredTensor
from converters.weights.quantized import QuantizedWeight, StoredMatrix

FILE_NAME = "model.npz"
TAPPED = "tapped"
SCALES = ".scales"


def convert(conversion: Conversion) -> Artifact:
    arrays = {
        name.removeprefix("model."): each.detach().numpy()
        for name, each in conversion.traced.program.state_dict.items()
    }
    for name, weight in conversion.weights.integers.items():
        arrays[name.removeprefix("model.")] = weight.values
        arrays[name.removeprefix("model.") + SCALES] = weight.scales
    np.savez(conversion.path, **arrays)
    entry_points = ["run"] * len(conversion.traced.seq_lens)
    return conversion.artifact("toy", requires={"numpy": "2.0"}, entry_points=entry_points)


def load(artifact: Artifact, *, runtime: str, num_threads: int) -> Runner:
    artifact.check_entry_points(["run"], kind="function")
    return Network(read(artifact.path))


def inspect(path: Path) -> Inspection:
    stored = [
        StoredTensor(name=name, dtype=str(each.dtype), size_bytes=each.nbytes,
                     is_scale=name.endswith(SCALES))
        for name, each in read(path).items()
    ]  # fmt: skip
    return Inspection(
        tensors=tuple(sorted(stored, key=lambda each: -each.size_bytes)), num_ops=1, num_macs=1,
        num_delegated_ops=None, num_delegated_macs=None, size_bytes=path.stat().st_size,
    )  # fmt: skip


def read_matrices(path: Path) -> dict[str, list[StoredMatrix]]:
    arrays = read(path)
    matrices = {n: each for n, each in arrays.items() if each.ndim == 2 and SCALES not in n}
    stored = {
        name: QuantizedWeight(values=each, scales=arrays[name + SCALES], bits=8)
        if name + SCALES in arrays
        else each
        for name, each in matrices.items()
    }
    return {"run": [StoredMatrix(name=name, weight=each) for name, each in stored.items()]}


def tap(artifact: Artifact, *, path: Path) -> Artifact:
    arrays = read(artifact.path)
    np.savez(path, **arrays, **{TAPPED: np.ones(1)})
    norms = sum("norm" in name.lower() and name.endswith(".weight") for name in arrays)
    return replace(artifact, path=path, outputs=(*artifact.outputs, *taps(norms)))


def read(path: Path) -> dict[str, np.ndarray]:
    with refused(path, "a file of NumPy arrays"), np.load(path) as file:
        return dict(file)


class Network:
    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.is_tapped = arrays.pop(TAPPED, None) is not None
        self.weights = {
            name.removeprefix("distilbert."): each * arrays.get(name + SCALES, 1.0)
            for name, each in arrays.items()
        }

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        self.norms: list[np.ndarray] = []
        ids, weights = inputs["input_ids"][0], self.weights
        words = weights["embeddings.word_embeddings.weight"][ids]
        x = words + weights["embeddings.position_embeddings.weight"][: len(ids)]
        x = self.norm("embeddings.LayerNorm", x)  # (seq_len, width)
        layer = 0
        while f"transformer.layer.{layer}.ffn.lin1.weight" in weights:
            x = self.layer(f"transformer.layer.{layer}", x, inputs["attention_mask"][0])
            layer += 1
        logits = self.linear("qa_outputs", x).T
        outputs = {"start_logits": logits[:1], "end_logits": logits[1:]}
        if self.is_tapped:
            outputs |= {f"norm_{number}": each[None] for number, each in enumerate(self.norms)}
        return {name: each.astype(np.float32) for name, each in outputs.items()}

    def layer(self, name: str, x: np.ndarray, mask: np.ndarray) -> np.ndarray:
        q, k, v = (
            self.linear(f"{name}.attention.{each}_lin", x).reshape(len(x), 4, -1).swapaxes(0, 1)
            for each in "qkv"
        )  # (heads, seq_len, head_width)
        scores = q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1]) + np.where(mask, 0, -1e9)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        mixed = (shares / shares.sum(-1, keepdims=True) @ v).swapaxes(0, 1).reshape(x.shape)
        x = self.norm(f"{name}.sa_layer_norm", self.linear(f"{name}.attention.out_lin", mixed) + x)
        inner = self.linear(f"{name}.ffn.lin1", x)
        inner = inner * (1 + np.vectorize(math.erf)(inner / math.sqrt(2))) / 2
        return self.norm(f"{name}.output_layer_norm", self.linear(f"{name}.ffn.lin2", inner) + x)

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        return (
            x.astype(np.float64) @ self.weights[f"{name}.weight"].T + self.weights[f"{name}.bias"]
        )

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
        self.norms.append(x * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"])
        return self.norms[-1]
