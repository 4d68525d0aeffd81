"""Writes the metadata that tells a TFLite client what a model takes, gives and reads text with.

It is a flatbuffer of its own inside the model's, and the files that it names are a zip behind the
model. The writer that Google offers, in tflite-support, cannot be installed beside the rest.

Source: ``metadata_schema.fbs`` of tflite-support.
"""

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import flatbuffers

NAME = "TFLITE_METADATA"
"""Of the model's own entry that holds all this."""

_IDENTIFIER = b"M001"
_LEAST_PARSER = "1.1.0"
"""The first version that knows tokenizers."""
_LABELS = b"\2"
"""``AssociatedFileType.TENSOR_AXIS_LABELS``."""
_VOCABULARY = b"\5"
"""``AssociatedFileType.VOCABULARY``."""
_BERT_TOKENIZER = b"\4"
"""``ProcessUnitOptions.BertTokenizerOptions``."""


def describe(
    *,
    inputs: Iterable[str],
    outputs: Iterable[str],
    vocabulary_file: str,
    label_files: Mapping[str, str],
) -> bytes:
    """Returns the metadata of a model of one graph that reads text by WordPiece.

    Args:
        inputs: Names for the inputs, in their order.
        outputs: Names for the outputs, in their order.
        vocabulary_file: By this name the vocabulary is attached.
        label_files: By these names the labels of some outputs are, one a line.
    """
    builder = flatbuffers.Builder()
    file = _table(builder, builder.CreateString(vocabulary_file), None, _VOCABULARY)
    tokenizer = _table(builder, _vector(builder, [file]))
    unit = _table(builder, _BERT_TOKENIZER, tokenizer)
    tensors = [
        _vector(builder, [_tensor(builder, name, label_files.get(name)) for name in names])
        for names in (inputs, outputs)
    ]
    graph = _table(builder, None, None, *tensors, None, _vector(builder, [unit]))
    graphs = _vector(builder, [graph])
    parser = builder.CreateString(_LEAST_PARSER)
    model = _table(builder, None, None, None, graphs, None, None, None, parser)
    builder.Finish(model, _IDENTIFIER)
    return bytes(builder.Output())


def _tensor(builder: flatbuffers.Builder, name: str, label_file: str | None) -> int:
    """Writes what is said of an input or an output: its name, and the file of its labels."""
    if label_file is None:
        return _table(builder, builder.CreateString(name))
    file = _table(builder, builder.CreateString(label_file), None, _LABELS)
    files = _vector(builder, [file])
    return _table(builder, builder.CreateString(name), None, None, None, None, None, files)


def attach(path: Path, *, name: str, content: str) -> None:
    """Attaches a file to a finished model, uncompressed, for readers map it into memory."""
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name), content)  # its date is fixed


def _table(builder: flatbuffers.Builder, *fields: int | bytes | None) -> int:
    """Writes a table; its fields are places of other objects, single bytes, or absent."""
    builder.StartObject(len(fields))
    for slot, field in enumerate(fields):
        if isinstance(field, bytes):
            builder.PrependUint8Slot(slot, field[0], 0)
        elif field is not None:
            builder.PrependUOffsetTRelativeSlot(slot, field, 0)
    return int(builder.EndObject())


def _vector(builder: flatbuffers.Builder, places: list[int]) -> int:
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())
