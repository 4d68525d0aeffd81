"""The steps of a Core ML program, ready to be computed in order."""

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from converters.coreml_evaluator.limits import TooLargeError, check_size
from converters.coreml_evaluator.package import HINT_UNSUPPORTED
from converters.values.errors import InputError

Values = dict[str, Tensor]
MAX_ROUNDS = 2**20
"""Of a loop. A recurrent layer takes as many as its sequence is long."""


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
        is_known: Whether the program tells the sizes of the results.
        unused_after: Values that no later step reads.
    """

    op_type: str
    name: str
    compute: Callable[..., Tensor | tuple[Tensor, ...]]
    arguments: Mapping[str, Any]
    results: tuple[tuple[str, Callable[[Tensor], Tensor]], ...]
    is_known: bool = False
    unused_after: tuple[str, ...] = ()

    def run(self, values: Values) -> None:
        """Reads its arguments from ``values`` and adds its results to them."""
        arguments = {key: _resolve(value, values) for key, value in self.arguments.items()}
        try:
            check_size(self.op_type, arguments, is_known=self.is_known)
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
                hint="check the inputs for values out of range, as token ids beyond the vocabulary",
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
