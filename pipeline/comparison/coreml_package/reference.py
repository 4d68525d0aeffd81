"""The PyTorch side of a package's parity: a saved program, and the samples that it runs on."""

import math
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from converters.coreml_evaluator.interface import Interface
from converters.values.artifact import Arrays
from converters.values.errors import InputError, first_line, storage_error
from pipeline.comparison.coreml_package.choice_recorder import ChoiceRecorder
from pipeline.comparison.coreml_package.choices import Choice, Expected
from pipeline.comparison.coreml_package.program_archive import read_program
from pipeline.comparison.coreml_package.program_schema import RefusalError

MAX_SAMPLE_BYTES = 2**31
"""Of the arrays of one sample, unpacked."""
_PLENTY_BYTES = 2**26
_MOST_TIMES_THE_FILE = 100
"""Zeros pack a thousandfold: beyond plenty, arrays may unpack to as many times their file."""


def read_sample(path: Path) -> Arrays:
    """Returns the arrays of one ``.npz`` file by name.

    Raises:
        InputError: The file is missing, is something else, or unpacks to far more than it holds.
    """
    try:
        _check_sizes(path)
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except InputError:
        raise
    except FileNotFoundError as err:
        raise InputError(f"no file {path}", hint="check --inputs") from err
    except OSError as err:
        raise storage_error(err) or _no_npz(path) from err
    except (ValueError, EOFError, AttributeError, TypeError, *_ZIP_ERRORS) as err:
        raise _no_npz(path) from err


_ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, KeyError)


def _check_sizes(path: Path) -> None:
    """Checks how much the arrays take, before any of it is read."""
    total = 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as member:
                declared = _array_bytes(member)
            if declared > entry.file_size:
                raise InputError(
                    f"{path}: {entry.filename} declares {declared:,} bytes and has "
                    f"{entry.file_size:,}",
                    hint="write it anew with numpy.savez",
                )
            total += entry.file_size
    most = max(_PLENTY_BYTES, min(MAX_SAMPLE_BYTES, _MOST_TIMES_THE_FILE * path.stat().st_size))
    if total > most:
        raise InputError(
            f"{path} unpacks to {total:,} bytes, the bound for it is {most:,}",
            hint="write large arrays with numpy.savez, which does not pack them",
        )


def _array_bytes(member: IO[bytes]) -> int:
    """Returns how many bytes the header of an array says that it takes.

    Raises:
        ValueError: It is no array, or one of Python's objects.
    """
    version = np.lib.format.read_magic(member)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of an array")
    shape, _, dtype = read(member)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError("an array of objects")
    return math.prod(shape) * dtype.itemsize


def _no_npz(path: Path) -> InputError:
    return InputError(
        f"{path} is no .npz of arrays", hint="write it with numpy.savez(path, name=array, …)"
    )


def load_program(path: Path) -> torch.export.ExportedProgram:
    """Returns what ``torch.export.save`` wrote; the file may come from anyone.

    Raises:
        InputError: The file is missing, is something else, or holds more than a program of tensors.
    """
    if not path.is_file():
        raise InputError(f"no file {path}", hint="check --reference")
    try:
        return read_program(path)
    except RefusalError as err:
        raise InputError(
            f"{path} is not read: {err}",
            hint="a program of tensors, saved with this version of torch.export.save, is",
        ) from err
    except Exception as err:  # the reader raises whatever its parts raise
        raise storage_error(err) or InputError(
            f"{path} is no saved torch.export program: {first_line(err)}",
            hint="write it with torch.export.save, and load it with the same version of torch",
        ) from err


def run_program(
    program: torch.export.ExportedProgram, sample: Arrays, names: Sequence[str], path: Path
) -> dict[str, Expected]:
    """Returns the program's outputs under its own names, in order.

    Args:
        program: To run, on the CPU.
        sample: Arrays by the package's names.
        names: The package's inputs in order; they go by order where the program's differ.
        path: Of the program, for errors.

    Raises:
        InputError: The program takes other inputs, or fails on these.
    """
    own = [str(name) for name in program.graph_signature.user_inputs]
    if len(own) != len(names):
        raise InputError(
            f"{path} takes {len(own)} inputs ({', '.join(own)}), "
            f"the package {len(names)} ({', '.join(names)})",
            hint="export the program that the package was converted from",
        )
    ordered = own if set(own) == set(names) else names
    dtypes = {
        node.name: getattr(node.meta.get("val"), "dtype", None)
        for node in program.graph.find_nodes(op="placeholder")
    }
    recorder = ChoiceRecorder()
    try:
        tensors = [
            torch.from_numpy(np.array(sample[name])).to(dtypes[mine])
            for name, mine in zip(ordered, own, strict=True)
        ]
        arguments, keywords = pytree.tree_unflatten(tensors, program.call_spec.in_spec)
        # Not inference_mode: there the recorder would see compositions in place of operators.
        with torch.no_grad(), recorder:
            outputs = program.module()(*arguments, **keywords)
    except Exception as err:  # a program of others raises whatever its parts raise
        raise storage_error(err) or InputError(
            f"{path} cannot take these inputs: {first_line(err)}",
            hint="export it for the shapes of --inputs",
        ) from err
    flat = [
        Expected(array=np.asarray(_plain(leaf)), choice=recorder.of(leaf))
        for leaf in pytree.tree_leaves(outputs)
    ]
    if isinstance(outputs, dict) and len(outputs) == len(flat):
        return dict(zip(outputs, flat, strict=True))
    given = [str(name) for name in program.graph_signature.user_outputs]
    return dict(zip(given, flat, strict=True))


def _plain(leaf: Any) -> Any:
    return leaf.detach() if isinstance(leaf, torch.Tensor) else leaf


def pair_outputs(
    expected: dict[str, Expected], interface: Interface, path: Path
) -> dict[str, Expected]:
    """Returns the program's outputs under the package's names: by order, unless names agree.

    Of a classifier the program gives the scores; the label is the best of them.

    Raises:
        InputError: There are not as many.
    """
    label, scores = interface.label_name, interface.probabilities_name
    names = [name for name in interface.output_names if name != label]
    if len(expected) != len(names):
        raise InputError(
            f"{path} gives {len(expected)} outputs, the package {len(names)}: {', '.join(names)}",
            hint="export the program that the package was converted from",
        )
    by_name = set(expected) == set(names)
    paired = expected if by_name else dict(zip(names, expected.values(), strict=True))
    if label is None:
        return paired
    if scores is None:
        raise InputError(
            f"the package gives a label ({label}) and no probabilities to judge it by",
            hint="convert it with a ClassifierConfig, which gives both",
        )
    flat = paired[scores].array.reshape(-1)
    best = Expected(array=np.asarray(flat.argmax()), choice=Choice.among_all(flat))
    return {**paired, scores: Expected(array=flat), label: best}
