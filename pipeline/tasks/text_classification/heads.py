"""What a checkpoint's configuration says of its head: the kind of problem, the labels, a pair."""

from typing import TYPE_CHECKING, Any, get_args

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import MAX_LABEL_CHARACTERS
from pipeline.on_device.text_classification.rules import ProblemType

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

_CORRECT = "correct config.json, or save the model again with save_pretrained"


def problem_of(config: "PreTrainedConfig") -> ProblemType:
    """Returns what the numbers of a head mean; where it is not said, as Transformers takes it.

    Raises:
        InputError: It is said in a way that is not known, or does not go with their number.
    """
    stated, num_labels = config.problem_type, config.num_labels
    if stated is None:
        return "regression" if num_labels == 1 else "single_label_classification"
    if stated not in get_args(ProblemType):
        raise InputError(
            f"the model's problem_type is {stated!r}, which is not known",
            hint=f"it is one of {', '.join(get_args(ProblemType))}",
        )
    problem: ProblemType = stated
    if problem == "regression" and num_labels != 1:
        raise InputError(
            f"the model's problem_type is regression, and its head has {num_labels} outputs, where "
            "one number is given",
            hint=_CORRECT,
        )
    return problem


def labels_of(config: "PreTrainedConfig") -> tuple[str, ...]:
    """Returns the names of the labels by their place in the output.

    Raises:
        InputError: Names are missing, empty, too long, or there twice.
    """
    names: dict[Any, Any] = dict(config.id2label or {})
    if not names:
        raise InputError("the model has no labels: its id2label is empty", hint=_CORRECT)
    places = range(len(names))
    if set(names) != set(places):
        raise InputError(
            f"the keys of the model's id2label are {_shown(names)}, where 0 to {len(names) - 1} "
            "are needed",
            hint=_CORRECT,
        )
    labels = tuple(names[place] for place in places)
    for place, label in enumerate(labels):
        if not isinstance(label, str) or not label.strip():
            raise InputError(
                f"the model's label {place} has no name: id2label says {label!r}", hint=_CORRECT
            )
        if label in labels[:place]:
            raise InputError(
                f"the model's labels {labels.index(label)} and {place} have one name: {label!r}",
                hint=_CORRECT,
            )
        if len(label) > MAX_LABEL_CHARACTERS:
            raise InputError(
                f"the name of the model's label {place} has {len(label):,} characters; at most "
                f"{MAX_LABEL_CHARACTERS:,} are read",
                hint=_CORRECT,
            )
    return labels


def takes_pair(config: "PreTrainedConfig") -> bool:
    """Returns whether the model takes two texts, as ``finetune`` and ``distill`` write it.

    Raises:
        InputError: It is said in another way than with true or false.
    """
    stated = getattr(config, "text_pair", False)
    if not isinstance(stated, bool):
        raise InputError(
            f"the model's text_pair is {stated!r}, where true or false is read", hint=_CORRECT
        )
    return stated


def _shown(names: dict[Any, Any]) -> str:
    shown = ", ".join(map(str, list(names)[:5]))
    return f"{shown}, …" if len(names) > 5 else shown
