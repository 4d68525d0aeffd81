"""Saved programs from anyone: common ones are read, and none runs code while it is."""

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from converters.values.errors import InputError
from pipeline.comparison.coreml_package.program_expressions import is_expression
from pipeline.comparison.coreml_package.reference import load_program

Entries = dict[str, bytes]


class Model(nn.Module):
    """Holds a parameter, a tied one, buffers of both kinds, a constant and a condition."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.tied = self.linear.weight
        self.register_buffer("kept", torch.randn(4))
        self.register_buffer("made", torch.randn(4), persistent=False)
        self.constant = torch.randn(4)

    def forward(self, x: Tensor, y: Tensor, *, scale: float = 2.0) -> dict[str, Any]:
        both = torch.cat([x, y])
        mixed = self.linear(both) @ self.tied + self.kept + self.made + self.constant
        chosen = torch.cond(x.sum() > 0, lambda each: each + 1, lambda each: each - 1, (x,))
        with torch.no_grad():
            rest = nn.functional.gelu(both[: x.shape[0]] * both.shape[0], approximate="tanh")
        return {"mixed": mixed, "others": [chosen, (rest * scale).to(torch.float64)]}


@pytest.fixture(scope="module")
def program() -> torch.export.ExportedProgram:
    torch.manual_seed(0)
    batch = torch.export.Dim("batch", min=2, max=50)
    return torch.export.export(
        Model().eval(),
        (torch.randn(4, 4), torch.randn(8, 4)),
        dynamic_shapes={"x": {0: batch}, "y": {0: 2 * batch}},
    )


@pytest.fixture
def saved(program: torch.export.ExportedProgram, tmp_path: Path) -> Path:
    torch.export.save(program, tmp_path / "model.pt2")
    return tmp_path / "model.pt2"


def read(path: Path) -> Entries:
    with zipfile.ZipFile(path) as archive:
        return {each.filename.partition("/")[2]: archive.read(each) for each in archive.infolist()}


def write(path: Path, entries: Entries, *, kind: int = zipfile.ZIP_STORED) -> None:
    with zipfile.ZipFile(path, "w", kind) as archive:
        for name, content in entries.items():
            archive.writestr(f"model/{name}", content)


def change_json(entries: Entries, name: str, change: Callable[[Any], None]) -> None:
    content = json.loads(entries[name])
    change(content)
    entries[name] = json.dumps(content).encode()


MODEL = "models/model.json"
WEIGHTS = "data/weights/model_weights_config.json"
CONSTANTS = "data/constants/model_constants_config.json"


@pytest.mark.parametrize("rows", [2, 4, 50])
def test_common_program_is_read_and_gives_the_same(
    program: torch.export.ExportedProgram, saved: Path, rows: int
) -> None:
    inputs = (torch.randn(rows, 4), torch.randn(2 * rows, 4))

    found = load_program(saved).module()(*inputs)

    expected = program.module()(*inputs)
    assert list(found) == ["mixed", "others"]
    assert torch.equal(found["mixed"], expected["mixed"])
    assert all(map(torch.equal, found["others"], expected["others"]))


@pytest.mark.parametrize("rows", [(1, 2), (51, 102), (4, 9)])
def test_sizes_that_the_program_does_not_take_are_still_refused(
    saved: Path, rows: tuple[int, int]
) -> None:
    module = load_program(saved).module()

    with pytest.raises((AssertionError, RuntimeError, ValueError)):
        module(torch.randn(rows[0], 4), torch.randn(rows[1], 4))


@pytest.mark.parametrize(
    ("model", "example"),
    [
        (nn.LSTM(4, 3, batch_first=True), (torch.randn(1, 5, 4),)),
        (nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), (torch.randn(1, 5, 8),)),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding="same"), nn.BatchNorm2d(4), nn.Upsample(
            scale_factor=2, mode="bilinear")), (torch.randn(1, 3, 6, 6),)),
    ],
)  # fmt: skip
@pytest.mark.parametrize("decompose", [False, True])
def test_programs_of_common_layers_are_read(
    model: nn.Module, example: Any, decompose: bool, tmp_path: Path
) -> None:
    made = torch.export.export(model.eval(), example)
    torch.export.save(made.run_decompositions() if decompose else made, tmp_path / "m.pt2")

    found = load_program(tmp_path / "m.pt2").module()(*example)

    expected = model(*example)
    first = found if isinstance(found, Tensor) else found[0]
    assert torch.allclose(first, expected if isinstance(expected, Tensor) else expected[0])


# Hostile archives -------------------------------------------------------------------------------


class Touch:
    """A pickle that makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def _torch_pickle(content: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(content, buffer)
    return buffer.getvalue()


def pickled_weight(entries: Entries, mark: Path, *, name: str = "kept") -> None:
    change_json(entries, WEIGHTS, lambda c: c["config"][name].update(use_pickle=True))
    meta = json.loads(entries[WEIGHTS])["config"][name]
    entries[f"data/weights/{meta['path_name']}"] = _torch_pickle(Touch(mark))


def _pickled_constant(entries: Entries, mark: Path) -> None:
    change_json(entries, CONSTANTS, lambda c: c["config"]["constant"].update(use_pickle=True))
    meta = json.loads(entries[CONSTANTS])["config"]["constant"]
    entries[f"data/constants/{meta['path_name']}"] = _torch_pickle(Touch(mark))


def _opaque_object(entries: Entries, mark: Path) -> None:
    change = {"path_name": "opaque_obj_0", "use_pickle": True, "tensor_meta": None}
    change_json(entries, CONSTANTS, lambda c: c["config"]["constant"].update(change))
    entries["data/constants/opaque_obj_0"] = pickle.dumps(Touch(mark))


def _sample_inputs(entries: Entries, mark: Path) -> None:
    entries["data/sample_inputs/model.pt"] = _torch_pickle(((Touch(mark),), {}))


def _old_weights(entries: Entries, mark: Path) -> None:
    entries["data/weights/model.pt"] = _torch_pickle({"kept": Touch(mark)})


def _old_constants(entries: Entries, mark: Path) -> None:
    entries["data/constants/model.pt"] = _torch_pickle({"constant": Touch(mark)})


def _code(mark: Path) -> str:
    return f"__import__('pathlib').Path({str(mark)!r}).touch()"


def _expression(entries: Entries, mark: Path) -> None:
    text = entries[MODEL].replace(
        b"Symbol('s77', positive=True, integer=True)",
        json.dumps(f"{_code(mark)} or Integer(4)").encode()[1:-1],
    )
    entries[MODEL] = text


def _guard(entries: Entries, mark: Path) -> None:
    change_json(entries, MODEL, lambda c: c.update(guards_code=[f"{_code(mark)} or True"]))


def _name_of_input(entries: Entries, mark: Path) -> None:
    hostile = json.dumps(f"x={_code(mark)}")
    entries[MODEL] = entries[MODEL].replace(b'"x"', hostile.encode())


def _with_argument(target: str, argument: str) -> Callable[[Entries, Path], None]:
    def change(entries: Entries, mark: Path) -> None:
        def first_node(content: Any) -> None:
            node = content["graph_module"]["graph"]["nodes"][1]
            node["target"] = target
            text = {"as_string": argument.format(mark=mark)}
            node["inputs"] = [{"name": "", "arg": text, "kind": 1}]

        change_json(entries, MODEL, first_node)

    return change


def _tree(entries: Entries, mark: Path) -> None:
    (mark.parent / "hostile_module.py").write_text(f"import pathlib\n{_code(mark)}\nE = {{'A': 1}}")
    context = json.dumps([{"__enum__": True, "fqn": "hostile_module:E", "name": "A"}])
    leaf: dict[str, Any] = {"type": None, "context": None, "children_spec": []}
    tree = {"type": "builtins.dict", "context": context, "children_spec": [leaf]}

    def change(content: Any) -> None:
        calls = content["graph_module"]["module_call_graph"]
        calls[0]["signature"]["out_spec"] = json.dumps([1, tree])

    change_json(entries, MODEL, change)


HOSTILE: dict[str, Callable[[Entries, Path], None]] = {
    "weight that is a pickle": pickled_weight,
    "constant that is a pickle": _pickled_constant,
    "object that is a pickle": _opaque_object,
    "sample inputs": _sample_inputs,
    "weights as they once were": _old_weights,
    "constants as they once were": _old_constants,
    "expression of a size": _expression,
    "guard": _guard,
    "name of an input": _name_of_input,
    "tree that imports": _tree,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_program_that_pytorch_would_run_is_refused(
    name: str, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    mark, entries = tmp_path / "mark", read(saved)
    HOSTILE[name](entries, mark)
    write(saved, entries)

    with pytest.raises(InputError, match="is not read"):
        load_program(saved)
    assert not mark.exists()

    try:
        torch.export.load(saved).module()(torch.randn(4, 4), torch.randn(8, 4))
    except Exception as err:
        said = str(err)  # it may fail once its code has run
    else:
        said = ""
    assert mark.exists(), said


def _more(name: str, content: bytes = b"") -> Callable[[Entries, Path], None]:
    return lambda entries, mark: entries.update({name: content})


def _meta(**changes: Any) -> Callable[[Entries, Path], None]:
    def change(entries: Entries, mark: Path) -> None:
        def update(content: Any) -> None:
            content["config"]["kept"]["tensor_meta"].update(changes)

        change_json(entries, WEIGHTS, update)

    return change


def _unknown_field(entries: Entries, mark: Path) -> None:
    change_json(entries, MODEL, lambda c: c.update(more="x"))


def _custom_object(entries: Entries, mark: Path) -> None:
    def change(content: Any) -> None:
        node = content["graph_module"]["graph"]["nodes"][1]
        node["inputs"][0]["arg"] = {"as_custom_obj": {"name": "x", "class_fqn": "y"}}

    change_json(entries, MODEL, change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_more("data/aotinductor/model/model.so"), "aotinductor"),
        (_more("data/weights/../../x"), "which no program of tensors needs"),
        (_more("extra/code.py"), "extra"),
        (_more("models/other.json", b"{}"), "other.json"),
        (_with_argument("torch.os.system", "touch {mark}"), "torch.os.system"),
        (_with_argument("torch.ops.load_library", "{mark}"), "load_library"),
        (_with_argument("torch.ops.aten.save.default", "{mark}"), "aten.save"),
        (_with_argument("torch.ops.aten.from_file.default", "{mark}"), "reads or writes files"),
        (_with_argument("_operator.methodcaller", "system"), "methodcaller"),
        (_with_argument("math.__loader__.load_module", "os"), "__loader__"),
        (_with_argument("#namespace:operator", "x"), "#namespace"),
        (_meta(sizes=[{"as_int": 10**12}]), "has the shape"),
        (_meta(sizes=[{"as_int": 1000}]), "takes more than its entry holds"),
        (_meta(sizes=[{"as_int": "4"}]), "expected int"),
        (_meta(storage_offset={"as_int": 4}), "takes more than its entry holds"),
        (_meta(dtype=99), "expected ScalarType"),
        (_unknown_field, "'more'"),
        (_custom_object, "as_custom_obj"),
    ],
)
def test_what_no_program_of_tensors_needs_is_refused(
    change: Callable[[Entries, Path], None], message: str, saved: Path, tmp_path: Path
) -> None:
    mark, entries = tmp_path / "mark", read(saved)
    change(entries, mark)
    write(saved, entries)

    with pytest.raises(InputError, match=message):
        load_program(saved)
    assert not mark.exists()


def test_compressed_archive_is_refused(saved: Path) -> None:
    write(saved, read(saved), kind=zipfile.ZIP_DEFLATED)

    with pytest.raises(InputError, match="more than the file can hold"):
        load_program(saved)


def test_archive_with_doubled_entry_is_refused(saved: Path) -> None:
    with zipfile.ZipFile(saved, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr(archive.namelist()[0], b"other")

    with pytest.raises(InputError, match="doubled"):
        load_program(saved)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Symbol('s77', positive=True, integer=True)", True),
        ("Add(Mul(Integer(-1), Symbol('s0', integer=True)), Integer(3))", True),
        ("FloorDiv(PowByNatural(Symbol('s0'), Integer(2)), Integer(2))", True),
        ("StrictLessThan(Symbol('u0', integer=True), Integer(9))", True),
        ("Mul(Float('0.5', precision=53), ToFloat(Symbol('s0')))", True),
        ("Pow(Pow(Integer(9), Integer(9)), Integer(9))", False),
        ("Pow(Integer(9), Integer(999999))", False),
        ("Pow(Integer(9), Symbol('s0'))", False),
        ("Float('0.5', precision=10000000000)", False),
        ("Integer(1).__class__", False),
        ("(lambda: 1)()", False),
        ("eval('1')", False),
        ("Symbol('__import__')", False),
        ("Integer('1')", False),
        ("Integer(" + "9" * 30 + ")", False),
        ("Add(" * 400 + "1" + ")" * 400, False),
        ("[Integer(1)]", False),
        ("x", False),
        ("", False),
    ],
)
def test_grammar_of_sizes(text: str, is_one: bool) -> None:
    assert is_expression(text) is is_one
