"""Reads a file of ``torch.export.save`` so that nothing in it can run code.

``torch.export.load`` opens pickles that the file asks for and compiles text that it holds. Here the
archive is opened with Python's own reader, every entry must be one that a program of tensors has,
and what is handed to PyTorch is a new archive of what was checked. The sample inputs, a pickle
that nothing here needs, are left out; that they hold but tensors is checked all the same.
"""

import io
import math
import pickletools
import re
import zipfile
from pathlib import Path

import torch
from torch.export.pt2_archive import constants as layout

from pipeline.comparison.coreml_package.program_schema import (
    RefusalError,
    checked_payload,
    checked_program,
)

_MAX_ENTRIES = 100_000
_MAX_TEXT_BYTES = 200 * 10**6
"""Of the program itself; its weights are bounded by the file."""
_MAX_ELEMENTS = 2**33
"""Of one weight; repeated rows take no room in the file."""

_MODEL = layout.MODELS_FILENAME_FORMAT.format("model")
_SAMPLES = layout.SAMPLE_INPUTS_FILENAME_FORMAT.format("model")
_WEIGHTS = layout.WEIGHTS_CONFIG_FILENAME_FORMAT.format("model")
_CONSTANTS = layout.CONSTANTS_CONFIG_FILENAME_FORMAT.format("model")
_TEXTS = (_MODEL, _WEIGHTS, _CONSTANTS, layout.ARCHIVE_FORMAT_PATH, layout.ARCHIVE_VERSION_PATH)
_UNREAD = (_SAMPLES, ".data/version", ".data/serialization_id", "byteorder")
_TENSOR = re.compile(
    f"({re.escape(layout.WEIGHTS_DIR + layout.WEIGHT_FILENAME_PREFIX)}|"
    f"{re.escape(layout.CONSTANTS_DIR + layout.TENSOR_CONSTANT_FILENAME_PREFIX)})[0-9]+"
)


def read_program(path: Path) -> torch.export.ExportedProgram:
    """Returns a program that was saved, built from nothing but checked text and plain numbers.

    Raises:
        RefusalError: The file holds what a program of tensors does not need.
        Exception: Whatever PyTorch raises for a program that is damaged.
    """
    from torch.export.pt2_archive._package import load_pt2

    with zipfile.ZipFile(path) as archive:
        checked = io.BytesIO()
        _copy(archive, _entries(archive, path), checked)
    checked.seek(0)
    return load_pt2(checked).exported_programs["model"]


def _entries(archive: zipfile.ZipFile, path: Path) -> dict[str, zipfile.ZipInfo]:
    """Returns the archive's entries by their names in the layout, all of them known."""
    found = archive.infolist()
    if len(found) > _MAX_ENTRIES or sum(each.file_size for each in found) > path.stat().st_size:
        raise RefusalError("its entries are more than the file can hold")
    entries: dict[str, zipfile.ZipInfo] = {}
    roots = {each.filename.partition("/")[0] for each in found}
    for each in found:
        name = each.filename.partition("/")[2]
        if not (name in _TEXTS or name in _UNREAD or _TENSOR.fullmatch(name)):
            raise RefusalError(
                f"it holds {each.filename[:80]!r}, which no program of tensors needs"
            )
        if name in entries or len(roots) > 1 or each.compress_type != zipfile.ZIP_STORED:
            raise RefusalError(
                f"its entry {each.filename[:80]!r} is doubled, compressed or elsewhere"
            )
        if name in _TEXTS and each.file_size > _MAX_TEXT_BYTES:
            raise RefusalError(f"its entry {each.filename[:80]!r} is too large")
        entries[name] = each
    _check_samples(archive, entries.get(_SAMPLES))
    missing = [name for name in _TEXTS if name not in entries]
    if missing:
        raise RefusalError(f"it lacks {', '.join(missing)}")
    if "byteorder" in entries and archive.read(entries["byteorder"]) != b"little":
        raise RefusalError("its numbers are not in little-endian order")
    return entries


_OF_TENSORS = re.compile(
    r"torch \w+Storage|torch (Size|device|\w+\d+)|torch\._utils _rebuild_(tensor_v[23]|parameter)|"
    r"torch\.storage UntypedStorage|torch\.serialization _get_layout|collections OrderedDict"
)
"""What a pickle of tensors names."""


def _check_samples(archive: zipfile.ZipFile, entry: zipfile.ZipInfo | None) -> None:
    """Checks the names in the pickle of the sample inputs, without opening it as one."""
    if entry is None or not entry.file_size:
        return
    with zipfile.ZipFile(io.BytesIO(archive.read(entry))) as samples:
        pickles = [each for each in samples.infolist() if each.filename.endswith("data.pkl")]
        if len(pickles) != 1 or pickles[0].file_size > entry.file_size:
            raise RefusalError("its sample inputs are no tensors")
        opcodes = list(pickletools.genops(samples.read(pickles[0])))
    for opcode, argument, _ in opcodes:
        is_call = opcode.name in ("INST", "OBJ", "STACK_GLOBAL", "EXT1", "EXT2", "EXT4")
        if is_call or (opcode.name == "GLOBAL" and not _OF_TENSORS.fullmatch(str(argument))):
            raise RefusalError(f"its sample inputs are a pickle that calls {str(argument)[:80]!r}")


def _copy(
    archive: zipfile.ZipFile, entries: dict[str, zipfile.ZipInfo], checked: io.BytesIO
) -> None:
    """Writes an archive that holds what was checked, and empty sample inputs."""
    from torch.export.pt2_archive._package import PT2ArchiveWriter

    with PT2ArchiveWriter(checked) as writer:
        for config, folder in (
            (_WEIGHTS, layout.WEIGHTS_DIR), (_CONSTANTS, layout.CONSTANTS_DIR),
        ):  # fmt: skip
            text = archive.read(entries[config])
            used = dict.fromkeys(
                _checked_tensor(name, each, folder, entries)
                for name, each in checked_payload(text).items()
            )
            for name in used:
                writer.write_bytes(name, archive.read(entries[name]))
            writer.write_bytes(config, text)
        writer.write_bytes(_MODEL, checked_program(archive.read(entries[_MODEL])))
        writer.write_bytes(_SAMPLES, b"")
        for name in (layout.ARCHIVE_FORMAT_PATH, layout.ARCHIVE_VERSION_PATH):
            writer.write_bytes(name, archive.read(entries[name]))


def _checked_tensor(
    name: str, payload: object, folder: str, entries: dict[str, zipfile.ZipInfo]
) -> str:
    """Returns the entry that holds a tensor, which must be large enough for its shape."""
    from torch._export.serde.serialize import deserialize_scalar_type, deserialize_size

    entry, meta = f"{folder}{payload.path_name}", payload.tensor_meta  # type: ignore[attr-defined]
    if not _TENSOR.fullmatch(entry) or entry not in entries:
        raise RefusalError(f"{name} is stored in {entry[:80]!r}, which is no entry of numbers")
    sizes, strides = deserialize_size(meta.sizes), deserialize_size(meta.strides)
    (offset,) = deserialize_size([meta.storage_offset])
    if min((*sizes, *strides, offset)) < 0 or math.prod(sizes) > _MAX_ELEMENTS:
        raise RefusalError(f"{name} has the shape {list(sizes)}")
    reach = offset + sum((size - 1) * step for size, step in zip(sizes, strides, strict=True)) + 1
    width = deserialize_scalar_type(meta.dtype).itemsize
    if math.prod(sizes) and reach * width > entries[entry].file_size:
        raise RefusalError(f"{name} of shape {list(sizes)} takes more than its entry holds")
    return entry
