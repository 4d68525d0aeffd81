"""Carries out a recipe: every weight as the integers and scales that all backends then store."""

from collections.abc import Mapping

import numpy as np

from converters.activations import LinearActivations
from converters.weights import ModelWeights, QuantizedWeight, quantize
from pipeline.errors import InputError
from pipeline.recipe import Integers, Recipe, tensor_group


def model_weights(
    matrices: Mapping[str, np.ndarray],
    recipe: Recipe,
    *,
    activations: Mapping[str, LinearActivations] | None = None,
) -> ModelWeights:
    """Quantizes those weights that a recipe wants as integers.

    Args:
        matrices: ``(rows, columns) float32`` by name in the state dict.
        recipe: Says the format of each.
        activations: Of linear layers by the name of the weight, where the recipe fixes them.

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
        form = recipe.format_of(name)
        if form != "fp32" and form != "fp16":
            integers[name] = quantized(weight, form)
    return ModelWeights(
        precision=recipe.precision, integers=integers, activations=activations or {}
    )


def quantized(weight: np.ndarray, form: Integers) -> QuantizedWeight:
    """Quantizes one weight, ``(rows, columns) float32``.

    A row that groups do not divide evenly is one group.
    """
    bits, _, columns = form.removeprefix("int").partition("/")
    group_size = int(columns or 0)
    is_even = group_size and weight.shape[1] % group_size == 0
    return quantize(weight, bits=int(bits), group_size=group_size if is_even else None)
