"""Checks what a saved ``torch.export`` program says, before PyTorch reads it.

PyTorch's reader runs code that the text asks for: symbolic sizes go to ``eval``, names go into the
source of a function that is compiled, targets name any function of Python, and trees of arguments
import modules. So the text is held against PyTorch's own schema, field by field; every string must
be a name of letters and digits, an operator or an expression of the grammar below, and what only
tells of the program's origin is left out.

Source: torch 2.13, ``torch/_export/serde/schema.py`` and ``serialize.py``.
"""

import dataclasses
import functools
import json
import re
import types
import typing
from collections.abc import Callable
from enum import IntEnum
from typing import Any

import torch
from torch._export.serde import schema
from torch._export.serde.union import _Union

from pipeline.comparison.coreml_package.program_expressions import is_expression, is_guard


class RefusalError(ValueError):
    """A program holds what a program of tensors does not need."""


def checked_program(text: bytes) -> bytes:
    """Returns the text of a program, with nothing in it that is not checked.

    Raises:
        RefusalError: It says what it need not.
        ValueError: It is no JSON.
    """
    program = _checked(schema.ExportedProgram, json.loads(text), "program")
    return json.dumps(program).encode()


def checked_payload(text: bytes) -> dict[str, schema.PayloadMeta]:
    """Returns what a program says of its weights or constants, by name.

    Raises:
        RefusalError: One is stored as a pickle, or is not a plain tensor.
        ValueError: It is no JSON.
    """
    from torch._export.serde.serialize import _dict_to_dataclass

    config = _checked(schema.PayloadConfig, json.loads(text), "weights")
    read: Any = _dict_to_dataclass
    payload: dict[str, schema.PayloadMeta] = read(schema.PayloadConfig, config).config
    for name, each in payload.items():
        if each.use_pickle or each.tensor_meta is None:
            raise RefusalError(f"{name} is stored as a pickle, which may hold any code")
    return payload


def _checked(kind: Any, value: Any, where: str) -> Any:
    """Returns a value of JSON that is of a type of the schema; ``where`` names its field."""
    if typing.get_origin(kind) is typing.Annotated:
        kind = kind.__origin__
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return None if value is None else _checked(parts[0], value, where)
    if origin is list:
        return [_checked(parts[0], each, where) for each in _of(list, value, where)]
    if origin is dict:
        check_key = _KEYS.get(where, _check_name)
        for key in _of(dict, value, where):
            check_key(key, where)
        return {key: _checked(parts[1], each, where) for key, each in value.items()}
    if dataclasses.is_dataclass(kind):
        return _fields(kind, _of(dict, value, where), where)
    if kind is str:
        _STRINGS.get(where, _check_name)(_of(str, value, where), where)
        return value
    return _number(kind, value, where)


def _fields(kind: Any, value: dict[str, Any], where: str) -> dict[str, Any]:
    hints = _hints(kind)
    for name in value:
        if name not in hints or f"{kind.__name__}.{name}" in _REFUSED:
            raise RefusalError(f"{where} holds {name[:40]!r}, which no program of tensors needs")
    if issubclass(kind, _Union) and len(value) != 1:
        raise RefusalError(f"{where} is not of one kind")
    checked = {}
    for name, each in value.items():
        place = f"{kind.__name__}.{name}"
        kept = _KEPT[place](each) if place in _KEPT else each
        checked[name] = _checked(hints[name], kept, place)
    return checked


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind, globalns=vars(schema), include_extras=True)


def _of(kind: type, value: Any, where: str) -> Any:
    if type(value) is not kind:
        raise RefusalError(f"{where} is {type(value).__name__}, expected {kind.__name__}")
    return value


def _number(kind: type, value: Any, where: str) -> Any:
    if kind is float:
        if type(value) in (int, float) or value in ("Infinity", "-Infinity", "NaN"):
            return value
    elif issubclass(kind, IntEnum):
        if type(value) is int and value in set(kind):
            return value
    elif kind in (int, bool) and type(value) is kind:
        return value
    raise RefusalError(f"{where} is {str(value)[:40]!r}, expected {kind.__name__}")


# Strings ----------------------------------------------------------------------------------------

_NAME = re.compile(r"[\w.\-]{0,500}")
_TEXT = re.compile(r"[\x20-\x7e\n]{0,5000}")
_CONSTRAINED = re.compile(r"[A-Za-z0-9_ +*/(),.\-]{1,500}")


def _matches(pattern: re.Pattern[str], what: str) -> Callable[[str, str], None]:
    def check(text: str, where: str) -> None:
        if not pattern.fullmatch(text):
            raise RefusalError(f"{where} is {text[:60]!r}, which is no {what}")

    return check


_check_name = _matches(_NAME, "name")


def _check_expression(text: str, where: str) -> None:
    if not is_expression(text):
        raise RefusalError(f"{where} is {text[:60]!r}, which is no expression of sizes")


def _check_constrained(text: str, where: str) -> None:
    _matches(_CONSTRAINED, "size")(text, where)
    # PyTorch counts up to the number of a size that depends on data.
    if re.match(r"(u|zuf)\d{7}", text):
        raise RefusalError(f"{where} is {text[:60]!r}, whose number is too large")


def _check_guard(text: str, where: str) -> None:
    if not is_guard(text):
        raise RefusalError(f"{where} is {text[:60]!r}, which is no condition on sizes")


_OPERATOR = re.compile(r"torch\.ops\.(aten|prims|quantized_decomposed)\.[a-z]\w*\.\w+|"
                       r"torch\.ops\.aten\._[a-z]\w*\.\w+")  # fmt: skip
_FUNCTIONS = frozenset(
    {f"_operator.{name}" for name in (
        "eq", "ne", "le", "ge", "lt", "gt", "neg", "pos", "mul", "add", "sub", "floordiv", "mod",
        "pow", "truediv", "and_", "or_", "lshift", "rshift", "getitem",
    )}
    | {f"torch.sym_{name}" for name in ("not", "int", "float", "ite", "max", "min", "sqrt")}
    | {"torch._sym_sqrt", "math.trunc"}
    | {f"torch.ops.higher_order.{name}" for name in (
        "cond", "while_loop", "wrap_with_set_grad_enabled", "wrap_with_autocast",
    )}
)  # fmt: skip
"""What a node may call besides PyTorch's operators on tensors."""


def _check_target(text: str, where: str) -> None:
    if text in _FUNCTIONS:
        return
    if not _OPERATOR.fullmatch(text):
        raise RefusalError(f"{where} is {text[:60]!r}, which is no operator on tensors")
    namespace, name, overload = text.split(".")[2:]
    registered = f"{namespace}::{name}" + ("" if overload == "default" else f".{overload}")
    # Others of TorchScript's built-in functions are reached by the same path: one writes files.
    if registered not in _dispatched():
        raise RefusalError(f"{where} is {text[:60]!r}, which this torch {torch.__version__} lacks")
    operator = getattr(getattr(getattr(torch.ops, namespace), name), overload)
    if any(argument.name == "filename" for argument in operator._schema.arguments):
        raise RefusalError(f"{where} is {text[:60]!r}, which reads or writes files")


@functools.cache
def _dispatched() -> frozenset[str]:
    return frozenset(torch._C._dispatch_get_all_op_names())


_CONTAINERS = ("builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")


def _check_tree(text: str, where: str) -> None:
    """Checks how arguments or outputs nest: others than Python's own containers import modules."""
    try:
        _, tree = json.loads(text)
    except (ValueError, TypeError) as err:
        raise RefusalError(f"{where} is no tree of arguments") from err
    _check_branch(tree, where)


def _check_branch(tree: Any, where: str) -> None:
    kind, context, children = (_of(dict, tree, where).get(key) for key in _BRANCH)
    if len(tree) != len(_BRANCH) or (kind is not None and kind not in _CONTAINERS):
        raise RefusalError(
            f"{where} nests a {str(kind)[:60]}; let the model take and return tuples, lists and "
            "dicts"
        )
    names = json.loads(context) if isinstance(context, str) else None
    for name in _of(list, names or [], where):
        if type(name) is not int:
            _check_name(_of(str, name, where), where)
    for child in _of(list, children, where):
        _check_branch(child, where)


_BRANCH = ("type", "context", "children_spec")


# What each field holds --------------------------------------------------------------------------

_STRINGS: dict[str, Callable[[str, str], None]] = {
    "Argument.as_string": _matches(_TEXT, "text"),
    "Argument.as_strings": _matches(_TEXT, "text"),
    "ExportedProgram.guards_code": _check_guard,
    "ExportedProgram.torch_version": _matches(_TEXT, "version"),
    "ModuleCallSignature.in_spec": _check_tree,
    "ModuleCallSignature.out_spec": _check_tree,
    "Node.target": _check_target,
    "SymExpr.expr_str": _check_expression,
}
_KEYS: dict[str, Callable[[str, str], None]] = {
    "ExportedProgram.range_constraints": _check_constrained,
}
_REFUSED = frozenset({
    # Objects of other kinds than tensors are pickles, whatever holds them.
    "Argument.as_custom_obj", "Argument.as_operator", "InputSpec.custom_obj", "InputSpec.token",
    "OutputSpec.token",
})  # fmt: skip
_KEPT: dict[str, Callable[[Any], Any]] = {
    # Where a node was written, in words that PyTorch would look up; and what it would compile.
    "Node.metadata": lambda _: {},
    "GraphModule.metadata": lambda _: {},
    "GraphModule.treespec_namedtuple_fields": lambda _: {},
    "Graph.custom_obj_values": lambda _: {},
    # Of the calls of modules, only the outermost tells how the program is called.
    "GraphModule.module_call_graph": lambda calls: calls[:1] if isinstance(calls, list) else calls,
}
"""What is kept of a field, where that is not all."""
