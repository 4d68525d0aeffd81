"""Turns a MIL function into a flat list of steps, its constants expanded once and for all."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from converters.mil_limits import TooLargeError, check_size
from converters.mil_operators import OPERATORS, VALUE_PRESERVING
from converters.mil_package import HINT_UNSUPPORTED
from converters.mil_weights import CONSTANT_EXPRESSIONS
from pipeline.errors import InputError

Rounding = Literal["fp32", "fp16"]
Values = dict[str, Tensor]

CLASSIFY = "classify"
_CONTROL = frozenset({"cond", "while_loop"})
MAX_ROUNDS = 2**20
"""Of a loop. A recurrent layer takes as many as its sequence is long."""

SUPPORTED_OPERATORS = frozenset(OPERATORS) | frozenset(CONSTANT_EXPRESSIONS) | _CONTROL | {CLASSIFY}


@dataclass(frozen=True, slots=True)
class ValueName:
    """Stands in an argument for a value that a run computes."""

    name: str


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of the program, ready to be computed.

    Attributes:
        arguments: Constants as they are; a ``ValueName``, or a list with some, for the rest.
        results: The name of each result, and what brings it to its declared type.
        unused_after: Values that no later step reads.
    """

    op_type: str
    name: str
    compute: Callable[..., Tensor | tuple[Tensor, ...]]
    arguments: Mapping[str, Any]
    results: tuple[tuple[str, Callable[[Tensor], Tensor]], ...]
    unused_after: tuple[str, ...] = ()

    def run(self, values: Values) -> None:
        """Reads its arguments from ``values`` and adds its results to them."""
        arguments = {key: _resolve(value, values) for key, value in self.arguments.items()}
        try:
            check_size(self.op_type, arguments)
            computed = self.compute(**arguments)
        except TooLargeError as err:
            raise InputError(
                f"Core ML operator {self.op_type!r} ({self.name!r}) is not run: {err}",
                hint="give a smaller input, or run the package on a device",
            ) from err
        except NotImplementedError as err:
            raise InputError(
                f"Core ML operator {self.op_type!r} ({self.name!r}) is not supported in this form: "
                f"{err}",
                hint=HINT_UNSUPPORTED,
            ) from err
        except (RuntimeError, IndexError, ValueError) as err:
            raise InputError(
                f"Core ML operator {self.op_type!r} ({self.name!r}) failed: {err}",
                hint="An input value may be out of range, as a token id beyond the vocabulary is.",
            ) from err
        if isinstance(computed, Tensor):
            computed = (computed,)
        for (name, settle), value in zip(self.results, computed, strict=True):
            values[name] = settle(value)

    def reads(self) -> Iterable[str]:
        """Yields the names of the values that it needs."""
        yield from _names(self.arguments.values())


@dataclass(frozen=True, kw_only=True)
class Block:
    """Steps inside of a step.

    Attributes:
        inputs: Names of the values that the step around it gives.
        outputs: What the block gives back, as arguments are given.
    """

    inputs: tuple[str, ...]
    steps: tuple["Step | Branch", ...]
    outputs: list[Any]

    def run(self, given: list[Tensor], values: Values) -> list[Tensor]:
        """Returns its outputs, from what is given and what the steps before it computed."""
        scope = {**values, **dict(zip(self.inputs, given, strict=True))}
        for step in self.steps:
            step.run(scope)
        outputs: list[Tensor] = _resolve(self.outputs, scope)
        return outputs

    def reads(self) -> Iterable[str]:
        """Yields the names of the values that it needs from outside."""
        own = {*self.inputs, *(name for step in self.steps for name, _ in step.results)}
        for name in (*(n for step in self.steps for n in step.reads()), *_names(self.outputs)):
            if name not in own:
                yield name


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A loop that runs while its first block gives true, or a choice between two blocks.

    Attributes:
        given: What a loop starts with, or what chooses the block; as arguments are given.
        results: As those of a ``Step``.
        unused_after: As that of a ``Step``.
    """

    op_type: str
    name: str
    blocks: tuple[Block, ...]
    given: list[Any]
    results: tuple[tuple[str, Callable[[Tensor], Tensor]], ...]
    unused_after: tuple[str, ...] = ()

    def run(self, values: Values) -> None:
        """Runs its blocks and adds its results to ``values``."""
        state: list[Tensor] = _resolve(self.given, values)
        first, second = self.blocks
        if self.op_type == "cond":
            state = (first if state[0].all() else second).run([], values)
        else:
            for num_rounds in itertools.count():
                if not first.run(state, values)[0].all():
                    break
                if num_rounds >= MAX_ROUNDS:
                    raise InputError(
                        f"Core ML operator 'while_loop' ({self.name!r}) runs more than "
                        f"{MAX_ROUNDS} rounds",
                        hint="check the condition of the loop",
                    )
                state = second.run(state, values)
        for (name, settle_result), value in zip(self.results, state, strict=True):
            values[name] = settle_result(value)

    def reads(self) -> Iterable[str]:
        """Yields the names of the values that it needs."""
        yield from _names(self.given)
        for block in self.blocks:
            yield from block.reads()


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A whole function: its constant values that are results, and its steps in order."""

    steps: tuple[Step | Branch, ...]
    constant_results: Mapping[str, Tensor]


def bind(function: Any, *, rounding: Rounding) -> Steps:
    """Returns the steps of a coremltools ``Function``.

    Args:
        function: Its operations in order, as the package's reader gives it.
        rounding: ``fp16`` rounds every value that the program declares as fp16; ``fp32`` rounds
            nothing, the expanded weights included.
    """
    binder = _Binder(rounding)
    for operation in function.operations:
        binder.bind(operation)
    constant_results = {
        var.name: binder.operand(var) for var in function.outputs if binder.is_constant(var)
    }
    outputs = {var.name for var in function.outputs}
    return Steps(steps=_free_early(binder.steps, outputs), constant_results=constant_results)


class _Binder:
    """Collects constants and steps, operation by operation."""

    def __init__(self, rounding: Rounding, stored: dict[Any, Tensor | str] | None = None) -> None:
        self.steps: list[Step | Branch] = []
        self._rounding = rounding
        self._stored = {} if stored is None else stored
        self._operands: dict[Any, Tensor | str] = {}

    def bind(self, operation: Any) -> None:
        if operation.op_type == "const":
            # A classifier's labels are a list; their order is all that counts here.
            if not isinstance(operation.outputs[0].val, list):
                self._stored[operation.outputs[0]] = self._as_stored(operation.outputs[0].val)
        elif operation.op_type in CONSTANT_EXPRESSIONS:
            self._expand(operation)
        elif operation.op_type in _CONTROL:
            self._branch(operation)
        elif operation.op_type == CLASSIFY:
            self._classify(operation)
        else:
            self._append(operation)

    def is_constant(self, var: Any) -> bool:
        return var in self._stored

    def operand(self, var: Any) -> Any:
        """Returns a constant as the operators take it: float32, int32, bool or a string."""
        if var not in self._operands:
            self._operands[var] = _as_operand(self._stored[var])
        return self._operands[var]

    def _expand(self, operation: Any) -> None:
        expand = CONSTANT_EXPRESSIONS[operation.op_type]
        expanded = expand(**{name: self._stored[var] for name, var in operation.inputs.items()})
        values = (expanded,) if isinstance(expanded, Tensor) else expanded
        self._stored.update(zip(operation.outputs, values, strict=True))

    def _branch(self, operation: Any) -> None:
        given = operation.loop_vars if operation.op_type == "while_loop" else [operation.pred]
        results = tuple((var.name, self._settle(operation, var)) for var in operation.outputs)
        blocks = tuple(self._block(block) for block in operation.blocks)
        self.steps.append(
            Branch(
                op_type=operation.op_type,
                name=operation.name,
                blocks=blocks,
                given=self._argument(list(given)),
                results=results,
            )
        )

    def _block(self, block: Any) -> Block:
        inner = _Binder(self._rounding, self._stored)
        for operation in block.operations:
            inner.bind(operation)
        return Block(
            inputs=tuple(var.name for var in block.inputs),
            steps=tuple(inner.steps),
            outputs=self._argument(list(block.outputs)),
        )

    def _classify(self, operation: Any) -> None:
        arguments = {"probabilities": self._argument(operation.probabilities)}
        label, probabilities = operation.outputs
        results = ((label.name, Tensor.int), (probabilities.name, Tensor.float))
        self.steps.append(Step(CLASSIFY, operation.name, _best, arguments, results))

    def _append(self, operation: Any) -> None:
        arguments = {name: self._argument(var) for name, var in operation.inputs.items()}
        for name, default in operation.internal_inputs.items():
            if default.val is not None:
                arguments[name] = _as_operand(self._as_stored(default.val))
        results = tuple((var.name, self._settle(operation, var)) for var in operation.outputs)
        step = Step(
            operation.op_type, operation.name, OPERATORS[operation.op_type], arguments, results
        )
        self.steps.append(step)

    def _argument(self, var: Any) -> Any:
        if isinstance(var, list | tuple):
            return [self._argument(part) for part in var]
        return self.operand(var) if self.is_constant(var) else ValueName(var.name)

    def _as_stored(self, value: Any) -> Tensor | str:
        if isinstance(value, str):
            return value
        array = np.asarray(value)
        if array.dtype.kind in "iu" and array.dtype.itemsize > 1:
            array = array.astype(np.int32)
        elif array.dtype == np.float64 or (array.dtype == np.float16 and self._rounding == "fp32"):
            array = array.astype(np.float32)
        return torch.from_numpy(array if array.flags.writeable else array.copy())

    def _settle(self, operation: Any, var: Any) -> Callable[[Tensor], Tensor]:
        preserves = operation.op_type in VALUE_PRESERVING
        return settle(var, rounding="fp32" if preserves else self._rounding)


def _best(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the position of the best label, and the probabilities of all, ``(labels,)``."""
    flat = probabilities.flatten()
    return flat.argmax(), flat


def settle(var: Any, *, rounding: Rounding) -> Callable[[Tensor], Tensor]:
    """Returns what brings a value to the type that the program declares for it.

    fp16 values stay in float32 tensors that hold only fp16 numbers. On a CPU without fp16
    arithmetic PyTorch's own float16 products were measured several times slower; they too add up
    in float32 and round at the end, and a float16 GELU rounds more than once.
    """
    from coremltools.converters.mil.mil import types

    if types.is_bool(var.dtype):
        return torch.Tensor.bool
    if types.is_int(var.dtype):
        return torch.Tensor.int
    if var.dtype == types.fp16 and rounding == "fp16":
        return _round_to_fp16
    return torch.Tensor.float


def _round_to_fp16(value: Tensor) -> Tensor:
    return value.half().float()


def _as_operand(stored: Tensor | str) -> Tensor | str:
    if isinstance(stored, str) or stored.dtype == torch.bool:
        return stored
    return stored.float() if stored.is_floating_point() else stored.int()


def _names(arguments: Iterable[Any]) -> Iterable[str]:
    """Yields the names of the values among arguments."""
    for argument in arguments:
        for part in argument if isinstance(argument, list) else [argument]:
            if isinstance(part, ValueName):
                yield part.name


def _resolve(argument: Any, values: Values) -> Any:
    if isinstance(argument, ValueName):
        return values[argument.name]
    if isinstance(argument, list):
        return [_resolve(part, values) for part in argument]
    return argument


def _free_early(steps: list[Step | Branch], outputs: set[str]) -> tuple[Step | Branch, ...]:
    """Notes on each step which values are read or written there for the last time."""
    needed = set(outputs)
    noted = []
    for step in reversed(steps):
        names = {*step.reads(), *(name for name, _ in step.results)}
        unused = tuple(names - needed)
        needed |= names
        noted.append(replace(step, unused_after=unused))
    return tuple(reversed(noted))
