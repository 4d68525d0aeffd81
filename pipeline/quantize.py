"""Carries out a recipe: every weight as the integers and scales that all backends then store."""

from collections.abc import Mapping

import numpy as np

from converters.weights import ModelWeights, quantize
from pipeline.errors import InputError
from pipeline.recipe import Recipe, tensor_group

_BITS = {"int8": 8, "int4": 4}


def model_weights(matrices: Mapping[str, np.ndarray], recipe: Recipe) -> ModelWeights:
    """Quantizes those weights that a recipe wants as integers.

    Args:
        matrices: ``(rows, columns) float32`` by name in the state dict.
        recipe: Says the format of each; a row that groups do not divide evenly is one group.

    Raises:
        InputError: The recipe names a tensor group that these weights do not have.
    """
    known = sorted({tensor_group(name) for name in matrices})
    for group in recipe.groups:
        if group not in known:
            raise InputError(
                f"the model has no tensor group {group!r}, which the recipe names",
                hint=f"its groups are {', '.join(known)}",
            )
    integers = {}
    for name, weight in matrices.items():
        bits = _BITS.get(recipe.format_of(name))
        if bits is None:
            continue
        is_even = weight.shape[1] % recipe.group_size == 0
        group_size = recipe.group_size if bits == 4 and is_even else None
        integers[name] = quantize(weight, bits=bits, group_size=group_size)
    return ModelWeights(precision=recipe.precision, integers=integers)
