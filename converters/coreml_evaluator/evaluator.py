"""The ``coreml-reference`` runtime: runs a saved Core ML program on any system, by emulation.

Apple's framework runs on Apple's systems only. This evaluator reads the program and the weight file
that are on disk, not what the converter held in memory, and computes every operator with PyTorch on
the CPU. It says what the file means; it does not say which unit of a phone would run it, nor how
fast.

Emulated: each operator computes in float32, sums included, and its result is rounded once to what
the program declares for it. For fp16 that is to the nearest fp16 number, and beyond 65504 to
infinity; so are inputs, constants and expanded weights. A single sum, product or quotient of fp16
numbers comes out as exact arithmetic rounded once.

Not knowable from the file, and not emulated: operators that a device fuses round less often; sums
that it keeps in fp16 lose more, and can overflow inside an operator whose result does not; tables
in place of functions; numbers below the normal ones taken for zero. ``rounding="fp32"`` shows the
end at which nothing is rounded.
"""

import contextlib
from collections.abc import Iterator
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from converters.coreml_evaluator.interface import BRIGHTEST, InputShapes
from converters.coreml_evaluator.limits import MAX_LIVE_ELEMENTS, TooLargeError, check_elements
from converters.coreml_evaluator.package import open_package
from converters.coreml_evaluator.program import Values
from converters.coreml_evaluator.reader import read_functions, read_program, stored_tensors
from converters.coreml_evaluator.steps import SUPPORTED_OPERATORS, Rounding, bind, settle
from converters.values.artifact import Arrays
from converters.values.errors import InputError

__all__ = ["CoreMLReference", "read_program", "stored_tensors"]


class CoreMLReference:
    """A saved Core ML package, loaded and ready to run.

    Of a pipeline the ML programs that it begins with run, each on what those before it gave.

    Attributes:
        input_names: In the order of the package's description.
        output_names: In the order of the package's description.
    """

    input_names: tuple[str, ...]
    output_names: tuple[str, ...]

    def __init__(
        self,
        path: Path,
        *,
        rounding: Rounding = "fp16",
        num_threads: int | None = None,
        function: str | None = None,
    ) -> None:
        """Reads the package and expands its weights.

        Args:
            path: An ``.mlpackage`` folder.
            rounding: With ``fp16``, what the program declares as fp16 is rounded to it after each
                operator, as hardware that computes in fp16 would at least do. With ``fp32``,
                nothing is. A program that declares fp32 throughout gives the same with both.
            num_threads: Threads for the duration of each run; None leaves PyTorch's setting.
            function: One function of a multifunction package; None is the package's default.

        Raises:
            InputError: The package is missing, broken, or uses what this runtime cannot run.
            MissingPackageError: coremltools is not installed.
        """
        package = open_package(Path(path), function=function)
        functions = read_functions(package, supported=SUPPORTED_OPERATORS)
        self._inputs = package.interface.inputs
        self._programs = [_Program(each, rounding=rounding) for each in functions]
        self._num_threads = num_threads
        self.input_names = package.interface.input_names
        self.output_names = package.interface.output_names

    def run(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Returns every output by name, as float32 or int32.

        A classifier's label comes as the position of its class, and the scores as an array in the
        order of the classes.

        Args:
            inputs: Every input by name, in a shape that the package accepts; of an image its
                pixels, from 0 to 255.

        Raises:
            InputError: An input is missing, unknown, or of the wrong shape or kind.
        """
        return self._outputs(self._execute(inputs, keep_all=False))

    def run_with_taps(self, inputs: Arrays) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Returns the outputs, and every value that led to them under its name in the program.

        Args:
            inputs: As in ``run``.
        """
        values = self._execute(inputs, keep_all=True)
        return self._outputs(values), {name: _as_array(value) for name, value in values.items()}

    def preprocessed(self, inputs: Arrays) -> dict[str, np.ndarray]:
        """Returns the inputs as the package's own scale and bias leave those that are images."""
        made = dict(inputs)
        for spec in self._inputs:
            if spec.is_image:
                value = torch.from_numpy(np.asarray(inputs[spec.name], np.float32))
                for program in self._programs:
                    value = program.preprocessed(spec.name, value)
                made[spec.name] = value.numpy()
        return made

    def _execute(self, inputs: Arrays, *, keep_all: bool) -> Values:
        with torch.inference_mode(), _num_threads(self._num_threads):
            given = self._take(inputs)
            for program in self._programs:
                given |= program.run(given, keep_all=keep_all)
        return given

    def _take(self, inputs: Arrays) -> Values:
        missing = sorted(set(self.input_names) - set(inputs))
        unexpected = sorted(set(inputs) - set(self.input_names))
        if missing or unexpected:
            raise InputError(
                f"expected inputs {', '.join(self.input_names)}, got {', '.join(inputs) or 'none'}"
                + (f"; missing {', '.join(missing)}" if missing else "")
                + (f"; unexpected {', '.join(unexpected)}" if unexpected else ""),
                hint="name the inputs as the package does",
            )
        return {spec.name: _as_tensor(spec, inputs[spec.name]) for spec in self._inputs}

    def _outputs(self, values: Values) -> dict[str, np.ndarray]:
        return {name: _as_array(values[name]) for name in self.output_names}


class _Program:
    """One ML program of a package, its weights expanded."""

    def __init__(self, function: Any, *, rounding: Rounding) -> None:
        inputs = function.inputs.items()
        self._settle_inputs = {name: settle(var, rounding=rounding) for name, var in inputs}
        self._sizes = {name: tuple(var.shape) for name, var in inputs}
        self._steps = bind(function, rounding=rounding)

    def run(self, given: Values, *, keep_all: bool) -> Values:
        """Returns its results by name; others than its outputs only where all are kept."""
        values = {
            name: settle_input(_fitting(name, given, self._sizes[name]))
            for name, settle_input in self._settle_inputs.items()
        }
        values.update(self._steps.constant_results)
        live = sum(value.numel() for value in values.values())
        for step in self._steps.steps:
            step.run(values)
            live += sum(values[name].numel() for name, _ in step.results)
            _check_live(live, step.name)
            if not keep_all:
                for name in step.unused_after:
                    live -= values.pop(name).numel()
        return values

    def preprocessed(self, name: str, value: Tensor) -> Tensor:
        """Returns what the converter's own scale and bias make of an image."""
        values = {name: value}
        made = (f"{name}__scaled__", f"{name}__biased__")
        for step in self._steps.steps:
            results = [result for result, _ in step.results]
            if len(results) == 1 and results[0] in made:
                step.run(values)
                value = values[results[0]]
        return value


def _fitting(name: str, given: Values, sizes: tuple[Any, ...]) -> Tensor:
    """Returns an input of a program, whose own sizes it must have: results follow from them."""
    if name not in given:
        raise InputError(
            f"a program of the package takes {name!r}, which nothing before it gives",
            hint="check the inputs and outputs of the pipeline's parts",
        )
    shape = given[name].shape
    fits = len(shape) == len(sizes) and all(
        size == known or not isinstance(known, Integral)
        for size, known in zip(shape, sizes, strict=True)
    )
    if not fits:
        raise InputError(
            f"the program takes {name!r} in the shape {sizes}, not {tuple(shape)}",
            hint="the package's description and its program differ: convert it anew",
        )
    return given[name]


def _check_live(count: int, name: str) -> None:
    try:
        check_elements(count, most=MAX_LIVE_ELEMENTS)
    except TooLargeError as err:
        raise InputError(
            f"the values that are needed at {name!r} take too much memory: {err}",
            hint="give a smaller input, or run the package on a device",
        ) from err


def _as_tensor(spec: InputShapes, given: np.ndarray) -> Tensor:
    array = np.asarray(given)
    if not spec.accepts(array.shape):
        raise InputError(
            f"input {spec.name!r} has shape {array.shape}, expected {spec}",
            hint="give the pixels of an image as (1, channels, height, width)"
            if spec.is_image
            else "pad or cut the input to a length that the package was built for",
        )
    if array.dtype.kind not in ("biu" if spec.is_integer else "biuf"):
        raise InputError(
            f"input {spec.name!r} has dtype {array.dtype}, "
            f"expected {'int32' if spec.is_integer else 'float32'}",
            hint="convert the array first",
        )
    if spec.is_image and not (array.min() >= 0 and array.max() <= BRIGHTEST):
        raise InputError(
            f"input {spec.name!r} is an image, whose pixels go from 0 to {BRIGHTEST}; these go "
            f"from {array.min():.4g} to {array.max():.4g}",
            hint="give the pixels as they are: the package scales them itself",
        )
    # A copy: NumPy's narrower kinds are not all PyTorch's, and the caller keeps what it gave.
    return torch.from_numpy(array.astype(np.int32 if spec.is_integer else np.float32))


def _as_array(value: Tensor) -> np.ndarray:
    kind = np.float32 if value.is_floating_point() else np.int32
    return np.array(value.numpy(), dtype=kind)


@contextlib.contextmanager
def _num_threads(count: int | None) -> Iterator[None]:
    """Sets PyTorch's threads, which are one setting of the whole process, and restores them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
