"""What each weight of an artifact is stored as: one recipe, carried out once for all backends.

Weights are named by tensor group, the same in all architectures: ``embeddings.words``,
``embeddings.positions``, ``layer.0.attention``, ``layer.0.ffn``, ..., ``head``.
"""

import re
from pathlib import Path
from typing import Literal, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from converters.values.errors import InputError
from converters.values.precision import (
    ACTIVATIONS,
    PRECISIONS,
    Activations,
    FixedPrecision,
    Precision,
)
from pipeline.bundle.manifest import RECIPE

Float = Literal["fp32", "fp16"]
Integers = Literal["int8", "int4/32", "int4/64", "int4/128"]
"""Bits, and at four bits the columns that share a scale; at eight bits these are all of a row."""

GROUP_SIZES = (32, 64, 128)

FILE_NAME = RECIPE

_Name = TypeVar("_Name", bound=str)
_LAYER = re.compile(r"\.layer\.(\d+)\.(.+)\.weight$")
_EMBEDDINGS = {
    "word_embeddings": "embeddings.words",
    "position_embeddings": "embeddings.positions",
    "token_type_embeddings": "embeddings.types",
}


class Recipe(BaseModel):
    """The format of every weight matrix, and of activations; norms and biases are always floats.

    Attributes:
        precision: The name that artifacts of this recipe go by.
        default: The format of what ``groups`` does not name.
        groups: Formats by tensor group.
        activations: Of linear layers. Static ones go with int8 throughout: no runtime has kernels
            of static activations and other weights.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    precision: Precision
    default: Float | Integers
    groups: dict[str, Integers] = {}
    activations: Activations = "dynamic"

    @model_validator(mode="after")
    def _check_groups(self) -> "Recipe":
        if self.groups and self.default in get_args(Float):
            raise ValueError(
                f"groups of integers go with a default of integers, not {self.default}"
            )
        if self.activations == "static" and {self.default, *self.groups.values()} != {"int8"}:
            raise ValueError("static activations go with int8 throughout")
        return self

    @property
    def has_four_bits(self) -> bool:
        """Whether any weight may have four."""
        return any(form.startswith("int4") for form in (self.default, *self.groups.values()))

    def format_of(self, weight: str) -> Float | Integers:
        """Returns the format of a weight by its name in the state dict."""
        return self.groups.get(tensor_group(weight), self.default)


def recipe_of(
    precision: FixedPrecision, *, group_size: int = 32, activations: Activations = "dynamic"
) -> Recipe:
    """Returns the recipe that a precision stands for.

    At ``int4`` the head and the positions keep eight bits: they are small, and hurt most.

    Raises:
        InputError: There are no groups of this size, or no such activations at this precision.
    """
    if activations == "static" and precision != "int8":
        raise InputError(
            f"static activations go with int8, not {precision}",
            hint="leave out --activations, or --precision",
        )
    if precision != "int4":
        return Recipe(precision=precision, default=precision, activations=activations)
    if group_size not in GROUP_SIZES:
        sizes = ", ".join(map(str, GROUP_SIZES))
        raise InputError(f"no group size {group_size}", hint=f"choose from {sizes}")
    return Recipe.model_validate(
        {
            "precision": "int4",
            "default": f"int4/{group_size}",
            "groups": {"head": "int8", "embeddings.positions": "int8"},
        }
    )


def asked_recipe(
    path: Path | None = None,
    *,
    precision: str | None = None,
    group_size: int | None = None,
    activations: str | None = None,
) -> Recipe | None:
    """Returns the recipe that options ask for; ``None`` where a search is to find it.

    Args:
        path: A file with the recipe; ``None`` where the other options say it.
        precision: A name, ``auto`` for a search; int8 where it is ``None``.
        group_size: Columns that share a scale at four bits; 32 where it is ``None``.
        activations: A name; dynamic where it is ``None``.

    Raises:
        InputError: One of them is unknown, or has no effect beside the others.
    """
    if path is not None:
        if precision is not None or group_size is not None or activations is not None:
            raise InputError(
                "--recipe says the precision, the group size and the activations itself",
                hint="leave out --precision, --group-size and --activations",
            )
        return read_recipe(path)
    chosen = _known("int8" if precision is None else precision, PRECISIONS, "precision")
    rounding = _known("dynamic" if activations is None else activations, ACTIVATIONS, "activations")
    if activations == "dynamic" and chosen in get_args(Float):
        raise InputError(
            f"--activations is for integers, and {chosen} has none", hint="leave it out"
        )
    if group_size is not None and chosen != "int4":
        raise InputError(
            f"--group-size goes with --precision int4, not {chosen}", hint="leave it out"
        )
    if chosen != "auto":
        return recipe_of(
            chosen, group_size=32 if group_size is None else group_size, activations=rounding
        )
    if rounding == "static":
        raise InputError("static activations go with int8, not auto", hint="leave them out")
    return None


def _known(name: str, names: tuple[_Name, ...], what: str) -> _Name:
    """Returns a name that is one of several."""
    for each in names:
        if each == name:
            return each
    raise InputError(f"no {what} {name!r}", hint=f"choose from {', '.join(names)}")


def tensor_group(weight: str) -> str:
    """Returns the group of a weight by its name in the state dict."""
    layer = _LAYER.search(weight)
    if layer:
        part = "attention" if "attention" in layer[2] else "ffn"
        return f"layer.{layer[1]}.{part}"
    for name, group in _EMBEDDINGS.items():
        if f".{name}." in weight:
            return group
    return "embeddings.other" if ".embeddings" in weight else "head"


def write_recipe(recipe: Recipe, path: Path) -> None:
    """Writes a recipe, for people to read and for ``read_recipe``."""
    path.write_text(recipe.model_dump_json(indent=2) + "\n", encoding="utf-8")


def read_recipe(path: Path) -> Recipe:
    """Reads a recipe that ``write_recipe`` wrote.

    Raises:
        InputError: There is none, or it is malformed.
    """
    try:
        return Recipe.model_validate_json(path.read_bytes())
    except (FileNotFoundError, IsADirectoryError) as err:
        raise InputError(f"no recipe {path}", hint="check --recipe") from err
    except ValidationError as err:
        fault = err.errors()[0]
        place = ".".join(map(str, fault["loc"])) or "the whole file"
        raise InputError(
            f"{path} is no recipe: {place}: {fault['msg']}",
            hint=f"give the {FILE_NAME} of a bundle",
        ) from err
