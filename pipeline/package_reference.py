"""The PyTorch side of a package's parity: a saved program, and the samples that it runs on."""

import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils import _pytree as pytree

from pipeline.errors import InputError, first_line, storage_error
from pipeline.program_archive import read_program
from pipeline.program_schema import RefusalError
from pipeline.values import Arrays


def read_sample(path: Path) -> Arrays:
    """Returns the arrays of one ``.npz`` file by name.

    Raises:
        InputError: The file is missing, or is something else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files}
    except FileNotFoundError as err:
        raise InputError(f"no file {path}", hint="check --inputs") from err
    except OSError as err:
        raise storage_error(err) or _no_npz(path) from err
    except (ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile) as err:
        raise _no_npz(path) from err


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
) -> dict[str, np.ndarray]:
    """Returns the program's outputs under its own names, in order.

    Args:
        program: To run, on the CPU.
        sample: Arrays by the package's names.
        names: The package's inputs in order; they go by order where the program's differ.
        path: Of the program, for errors.

    Raises:
        InputError: The program takes other inputs.
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
        node.name: node.meta["val"].dtype for node in program.graph.find_nodes(op="placeholder")
    }
    tensors = [
        torch.from_numpy(np.array(sample[name])).to(dtypes[mine])
        for name, mine in zip(ordered, own, strict=True)
    ]
    arguments, keywords = pytree.tree_unflatten(tensors, program.call_spec.in_spec)
    try:
        with torch.inference_mode():
            outputs = program.module()(*arguments, **keywords)
    except (RuntimeError, AssertionError, IndexError, ValueError) as err:
        raise InputError(
            f"{path} cannot take these inputs: {first_line(err)}",
            hint="export it for the shapes of --inputs",
        ) from err
    flat = [np.asarray(leaf) for leaf in pytree.tree_leaves(outputs)]
    if isinstance(outputs, dict) and len(outputs) == len(flat):
        return dict(zip(outputs, flat, strict=True))
    given = [str(name) for name in program.graph_signature.user_outputs]
    return dict(zip(given, flat, strict=True))


def pair_outputs(expected: dict[str, np.ndarray], names: Sequence[str], path: Path) -> Arrays:
    """Returns the program's outputs under the package's names: by order, unless names agree.

    Raises:
        InputError: There are not as many.
    """
    if len(expected) != len(names):
        raise InputError(
            f"{path} gives {len(expected)} outputs, the package {len(names)}: {', '.join(names)}",
            hint="export the program that the package was converted from",
        )
    if set(expected) == set(names):
        return expected
    return dict(zip(names, expected.values(), strict=True))
