"""The grammar of symbolic sizes in a saved ``torch.export`` program.

PyTorch gives their text to SymPy, which evaluates it as Python.
"""

import ast
import re

_MAX_LETTERS = 2_000
_MAX_DIGITS = 20
_MAX_POWER = 16
_DOUBLE_BITS = 53
_ALPHABET = re.compile(r"[A-Za-z0-9_(), '=.\-]+")
_SYMBOL = re.compile(r"[A-Za-z][A-Za-z0-9]*(_[A-Za-z0-9]+)*")
_NUMBER = re.compile(r"-?\d{1,20}(\.\d{0,20})?(e[+-]?\d{1,3})?")
_CONSTANTS = frozenset({"true", "false", "oo", "int_oo"})
_POWERS = frozenset({"Pow", "PowByNatural", "FloatPow", "LShift", "RShift"})
_CALLS = _POWERS | frozenset({
    "Symbol", "Integer", "Float", "Rational", "Add", "Mul", "Max", "Min", "Mod", "PythonMod",
    "FloorDiv", "CleanDiv", "CeilDiv", "ModularIndexing", "Where", "CeilToInt", "FloorToInt",
    "FloatTrueDiv", "IntTrueDiv", "TruncToFloat", "TruncToInt", "RoundToInt", "ToFloat", "Identity",
    "Equality", "Unequality", "StrictLessThan", "LessThan", "StrictGreaterThan", "GreaterThan",
    "And", "Or", "Not", "Abs", "ceiling", "floor", "Piecewise", "ExprCondPair",
})  # fmt: skip


def is_expression(text: str) -> bool:
    """Returns whether a text is what ``sympy.srepr`` writes of a size.

    That is calls of known names on numbers, symbols and each other; powers are small.
    """
    if len(text) > _MAX_LETTERS or not _ALPHABET.fullmatch(text):
        return False
    try:
        tree = ast.parse(text, mode="eval").body
    except (SyntaxError, RecursionError, MemoryError):
        return False
    return _is_size(tree, may_be_power=True)


def is_guard(text: str) -> bool:
    """Returns whether a text is a condition on the sizes of inputs, as PyTorch writes one."""
    try:
        tree = ast.parse(text[:_MAX_LETTERS], mode="eval")
    except (SyntaxError, RecursionError, MemoryError, ValueError):
        return False
    return all(_is_part_of_guard(part) for part in ast.walk(tree))


def _is_part_of_guard(part: ast.AST) -> bool:
    if isinstance(part, ast.Call):
        name = part.func.attr if isinstance(part.func, ast.Attribute) else ast.unparse(part.func)
        return name in _CALLS | _ASKED
    if isinstance(part, ast.Attribute):
        return part.attr in _ASKED
    return isinstance(part, _GUARD_PARTS)


_ASKED = frozenset({"size", "stride", "storage_offset", "dim", "isnan", "inf", "floor", "ceil"})
_GUARD_PARTS = (
    ast.Expression, ast.Compare, ast.BoolOp, ast.BinOp, ast.UnaryOp, ast.Constant, ast.Subscript,
    ast.Name, ast.expr_context, ast.boolop, ast.operator, ast.unaryop, ast.cmpop,
)  # fmt: skip


def _is_size(tree: ast.expr, *, may_be_power: bool) -> bool:
    if isinstance(tree, ast.UnaryOp):
        return isinstance(tree.op, ast.USub) and _is_whole(tree.operand)
    if isinstance(tree, ast.Name):
        return tree.id in _CONSTANTS
    if not isinstance(tree, ast.Call):
        return _is_whole(tree)
    if not isinstance(tree.func, ast.Name) or tree.func.id not in _CALLS:
        return False
    if tree.func.id in ("Symbol", "Float"):
        return _is_leaf(tree)
    if tree.keywords:
        return False
    if tree.func.id in _POWERS:
        # A power of a power is a number that no machine holds.
        return (
            may_be_power
            and len(tree.args) == 2
            and _is_size(tree.args[0], may_be_power=False)
            and _is_small(tree.args[1])
        )
    return all(_is_size(part, may_be_power=may_be_power) for part in tree.args)


def _is_leaf(call: ast.Call) -> bool:
    """Returns whether a symbol or a float has a plain name or number, and plain settings."""
    if len(call.args) != 1 or not isinstance(call.args[0], ast.Constant):
        return False
    pattern = _SYMBOL if isinstance(call.func, ast.Name) and call.func.id == "Symbol" else _NUMBER
    return bool(pattern.fullmatch(str(call.args[0].value))) and all(
        isinstance(setting.value, ast.Constant)
        and (type(setting.value.value) is bool or setting.value.value == _DOUBLE_BITS)
        for setting in call.keywords
    )


def _is_whole(tree: ast.expr) -> bool:
    return isinstance(tree, ast.Constant) and (
        type(tree.value) is int and len(str(tree.value)) <= _MAX_DIGITS
    )


def _is_small(tree: ast.expr) -> bool:
    if isinstance(tree, ast.Call) and isinstance(tree.func, ast.Name):
        known = tree.func.id in ("Integer", "Rational") and not tree.keywords
        return known and all(_is_small(part) for part in tree.args)
    if isinstance(tree, ast.UnaryOp):
        return isinstance(tree.op, ast.USub) and _is_small(tree.operand)
    return isinstance(tree, ast.Constant) and type(tree.value) is int and tree.value <= _MAX_POWER
