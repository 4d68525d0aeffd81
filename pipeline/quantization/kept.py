"""Keeps what is learned of a student's weights, and the weights that take long to round."""

from collections.abc import Mapping, Sequence

from converters.weights.activations import LinearActivations
from converters.weights.quantized import ModelWeights, QuantizedWeight
from pipeline.conversion.recipe import Recipe
from pipeline.quantization.calibration import activation_ranges, second_moments
from pipeline.quantization.quantizer import Quantizer
from pipeline.running.cache import Contents, Kept, as_array, from_array
from pipeline.running.fingerprint import of_model, stage_key
from pipeline.running.run import Run
from pipeline.student.load import Student
from pipeline.tasks.task import Example

_ABOUT = "about"
_LEARNING_NEEDS = ("torch", "transformers", "tokenizers", "numpy")


def calibrated(
    student: Student,
    recipe: Recipe | None,
    examples: Sequence[Example],
    *,
    run: Run,
) -> Quantizer:
    """Returns a quantizer that has learned from texts what a recipe must know of them.

    Args:
        student: In fp32.
        recipe: What weights become; where there is none, a search may ask for four bits.
        examples: The texts.
        run: Its threads, cache and progress.
    """

    def key(learned: str) -> str:
        inputs = {
            "student": of_model(student.model),
            "tokenizer": student.tokenizer.to_str(),
            "texts": examples,
        }
        return stage_key(learned, inputs, packages=_LEARNING_NEEDS)

    moments, ranges = None, None
    if recipe is None or recipe.has_four_bits:
        moments = run.make(
            "calibrate",
            lambda: second_moments(student, examples),
            kept=lambda: Kept(key=key("moments"), pack=dict, unpack=dict),
        )
    elif recipe.activations == "static":
        ranges = run.make(
            "calibrate",
            lambda: activation_ranges(student, examples),
            kept=lambda: Kept(
                key=key("activations"), pack=_pack_activations, unpack=_unpack_activations
            ),
        )
    return Quantizer(student.matrices(), second_moments=moments, activations=ranges)


def quantized(quantizer: Quantizer, recipe: Recipe, *, run: Run) -> ModelWeights:
    """Returns what artifacts of a recipe store, as ``Quantizer.model_weights`` does.

    Weights of four bits may come from the cache, for to round them takes seconds; others are
    rounded as fast as they are read.
    """

    def kept() -> Kept[ModelWeights]:
        inputs = {
            "matrices": quantizer.matrices,
            "moments": quantizer.second_moments,
            "recipe": recipe.model_dump(),
        }
        return Kept(
            key=stage_key("quantize", inputs, packages=("numpy",)),
            pack=lambda weights: _pack_integers(weights.integers),
            unpack=lambda contents: ModelWeights(
                precision=recipe.precision, integers=_unpack_integers(contents)
            ),
        )

    return run.make(
        "quantize",
        lambda: quantizer.model_weights(recipe),
        kept=kept if recipe.has_four_bits else None,
    )


def _pack_integers(integers: Mapping[str, QuantizedWeight]) -> Contents:
    arrays = {_ABOUT: as_array([(name, weight.bits) for name, weight in integers.items()])}
    for name, weight in integers.items():
        arrays |= {f"values {name}": weight.values, f"scales {name}": weight.scales}
    return arrays


def _unpack_integers(contents: Contents) -> dict[str, QuantizedWeight]:
    return {
        name: QuantizedWeight(
            values=contents[f"values {name}"], scales=contents[f"scales {name}"], bits=bits
        )
        for name, bits in from_array(contents[_ABOUT])
    }


def _pack_activations(activations: Mapping[str, LinearActivations]) -> Contents:
    inputs = [(name, each.input_scale, each.input_zero_point) for name, each in activations.items()]
    outputs = {name: each.output_scales for name, each in activations.items()}
    return {_ABOUT: as_array(inputs), **outputs}


def _unpack_activations(contents: Contents) -> dict[str, LinearActivations]:
    return {
        name: LinearActivations(
            input_scale=scale, input_zero_point=zero_point, output_scales=contents[name]
        )
        for name, scale, zero_point in from_array(contents[_ABOUT])
    }
