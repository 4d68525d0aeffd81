"""Carries out a recipe: every weight as the integers and scales that all backends then store."""

from collections.abc import Mapping

import numpy as np

from converters.values.errors import InputError
from converters.weights.activations import LinearActivations
from converters.weights.quantized import ModelWeights, QuantizedWeight, quantize
from pipeline.conversion.recipe import Integers, Recipe, tensor_group
from pipeline.running.threads import one_thread


class Quantizer:
    """The weights of one student in every format; each is made once, when first asked for."""

    def __init__(
        self,
        matrices: Mapping[str, np.ndarray],
        *,
        second_moments: Mapping[str, np.ndarray] | None = None,
        activations: Mapping[str, LinearActivations] | None = None,
    ) -> None:
        """Quantizes nothing yet.

        Args:
            matrices: ``(rows, columns) float32`` by name in the state dict.
            second_moments: Of the inputs of linear layers, ``(columns, columns)`` by the name of
                the weight. Four bits are rounded by them; eight lose too little for it to matter.
            activations: Of linear layers by the name of the weight, where they are to be fixed.
        """
        self.matrices = matrices
        self.second_moments = second_moments or {}
        self._activations = activations or {}
        self._made: dict[tuple[str, Integers], QuantizedWeight] = {}

    def model_weights(self, recipe: Recipe) -> ModelWeights:
        """Returns what artifacts of a recipe store.

        Raises:
            InputError: The recipe names a tensor group that these weights do not have.
        """
        known = sorted({tensor_group(name) for name in self.matrices})
        for group in recipe.groups:
            if group not in known:
                raise InputError(
                    f"the model has no tensor group {group!r}, which the recipe names",
                    hint=f"its groups are {', '.join(known)}",
                )
        integers = {}
        for name in self.matrices:
            form = recipe.format_of(name)
            if form != "fp32" and form != "fp16":
                integers[name] = self.weight(name, form)
        return ModelWeights(
            precision=recipe.precision, integers=integers, activations=self._activations
        )

    def weight(self, name: str, form: Integers) -> QuantizedWeight:
        """Returns one weight; a row that groups do not divide evenly is one group."""
        if (name, form) not in self._made:
            self._made[name, form] = self._quantize(name, form)
        return self._made[name, form]

    @one_thread()
    def _quantize(self, name: str, form: Integers) -> QuantizedWeight:
        weight = self.matrices[name]
        if form == "int8":
            return quantize(weight, bits=8)
        group_size = int(form.removeprefix("int4/"))
        is_even = weight.shape[1] % group_size == 0
        return quantize(
            weight,
            bits=4,
            group_size=group_size if is_even else None,
            second_moment=self.second_moments.get(name),
        )
