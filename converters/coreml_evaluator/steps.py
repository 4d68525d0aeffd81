"""Turns a MIL function into a flat list of steps, its constants expanded once and for all."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from converters.coreml_evaluator.operators.table import OPERATORS, VALUE_PRESERVING
from converters.coreml_evaluator.program import Block, Branch, Step, Steps, ValueName
from converters.coreml_evaluator.weights import CONSTANT_EXPRESSIONS

Rounding = Literal["fp32", "fp16"]

CLASSIFY = "classify"
_CONTROL = frozenset({"cond", "while_loop"})

SUPPORTED_OPERATORS = frozenset(OPERATORS) | frozenset(CONSTANT_EXPRESSIONS) | _CONTROL | {CLASSIFY}


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
            operation.op_type,
            operation.name,
            OPERATORS[operation.op_type],
            arguments,
            results,
            is_known=all(_is_known(var.shape) for var in operation.outputs),
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


def _is_known(shape: Sequence[Any]) -> bool:
    return all(isinstance(size, Integral) for size in shape)


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
