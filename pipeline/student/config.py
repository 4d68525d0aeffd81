"""Reads a model's ``config.json``, and holds it to what a model of the BERT family can be."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from converters.values.errors import InputError, first_line
from pipeline.bundle.manifest_parts import MAX_VOCABULARY
from pipeline.files.json_files import read_json_object

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

ENCODERS = ("distilbert", "bert", "mobilebert", "electra")

MAX_LAYERS = 256
"""The deepest published model of the family has 48; to lay out a layer takes a millisecond."""
MAX_HEADS = 1_024
MAX_WIDTH = 16_384
"""Of hidden states. The widest published model of the family has 2,560."""
MAX_FEED_FORWARD_WIDTH = 4 * MAX_WIDTH
MAX_POSITIONS = 16_384
"""Models of the family for long texts have 8,192; attention grows with the square."""
MAX_TYPES = 1_024
MAX_LABELS = 10_000
"""Each of them gets a name in the configuration."""

WHOLE_NUMBERS: Mapping[str, tuple[int, int]] = {
    "num_hidden_layers": (1, MAX_LAYERS),
    "n_layers": (1, MAX_LAYERS),
    "num_attention_heads": (1, MAX_HEADS),
    "n_heads": (1, MAX_HEADS),
    "hidden_size": (1, MAX_WIDTH),
    "dim": (1, MAX_WIDTH),
    "embedding_size": (1, MAX_WIDTH),
    "true_hidden_size": (1, MAX_WIDTH),
    "intra_bottleneck_size": (1, MAX_WIDTH),
    "intermediate_size": (1, MAX_FEED_FORWARD_WIDTH),
    "hidden_dim": (1, MAX_FEED_FORWARD_WIDTH),
    "num_feedforward_networks": (1, MAX_LAYERS),
    "chunk_size_feed_forward": (0, MAX_POSITIONS),
    "max_position_embeddings": (1, MAX_POSITIONS),
    "vocab_size": (1, MAX_VOCABULARY),
    "type_vocab_size": (1, MAX_TYPES),
    "num_labels": (1, MAX_LABELS),
}
"""The least and the most that each may be."""
_SHARES = (
    "hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout", "dropout",
    "attention_dropout", "qa_dropout", "seq_classif_dropout", "summary_last_dropout",
    "layer_norm_eps",
)  # fmt: skip
"""Numbers from 0 to 1."""

_BELONGS = "give the configuration that belongs to the weights"


def read_config(folder: Path) -> "PreTrainedConfig":
    """Reads the configuration of a model.

    Raises:
        InputError: There is none, or it describes a model that is not supported, or none at all.
    """
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

    _refuse_adapter(folder)
    path = folder / "config.json"
    if not path.is_file():
        raise InputError(
            f"no config.json in {folder}", hint="give a model folder in Hugging Face layout"
        )
    raw = read_json_object(path)
    kind = raw.get("model_type")
    if kind not in ENCODERS:
        raise InputError(
            f"{path} describes an encoder of type {kind!r}, which is not supported",
            hint=f"supported: {', '.join(ENCODERS)}",
        )
    architectures = raw.get("architectures")
    if not (isinstance(architectures, list) and architectures and architectures[0]):
        raise InputError(
            f"{path} names no architecture",
            hint='add, for example, "architectures": ["DistilBertForQuestionAnswering"]',
        )
    check_config(raw, path)
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
    except (ValueError, TypeError, KeyError, AttributeError, StrictDataclassError) as err:
        raise InputError(
            f"{path} is not a valid configuration: {first_line(err.__cause__ or err)}",
            hint="save the model again with save_pretrained",
        ) from err
    return config


def _refuse_adapter(folder: Path) -> None:
    """Refuses a folder that holds what was trained beside a model, and not the model."""
    path = folder / "adapter_config.json"
    if path.is_file():
        said = read_json_object(path)
        raise InputError(
            f"{folder} holds an adapter ({said.get('peft_type')}) for the model "
            f"{said.get('base_model_name_or_path')}, and not a whole model",
            hint="merge it with peft's merge_and_unload(), save what that returns with "
            "save_pretrained(), and give that folder",
        )


def architecture(config: "PreTrainedConfig") -> str:
    """Returns the name of the model's class, such as ``DistilBertForQuestionAnswering``."""
    return str((config.architectures or [""])[0])


def check_config(raw: Mapping[str, Any], path: Path) -> None:
    """Refuses a configuration that no model has, before anything is made of it.

    Args:
        raw: As the file holds it.
        path: Of the file.

    Raises:
        InputError: It is none.
    """
    import torch

    for key, (least, most) in WHOLE_NUMBERS.items():
        value = raw.get(key, least)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise _refused(path, key, value, f"a whole number from {least} to {most:,}")
    for key in _SHARES:
        value = raw.get(key)
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            raise _refused(path, key, value, "a number from 0 to 1")
    for key, value in raw.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise _refused(path, key, value, "a finite number")
    names = raw.get("id2label") or {}
    if not isinstance(names, dict):
        raise _refused(path, "id2label", names, "an object with the name of each label")
    if len(names) > MAX_LABELS:
        raise _refused(path, "id2label", f"{len(names):,} labels", f"at most {MAX_LABELS:,}")
    for key in ("dtype", "torch_dtype"):
        name = raw.get(key)
        known = isinstance(name, str) and isinstance(getattr(torch, name, None), torch.dtype)
        if name is not None and not known:
            raise _refused(path, key, name, "the name of one of torch's, such as float32")
    if raw.get("quantization_config"):
        raise InputError(
            f"{path} describes weights that are quantized already (quantization_config)",
            hint="give the model in float32 or float16; build quantizes it",
        )


def _refused(path: Path, key: str, value: Any, expected: str) -> InputError:
    said = str(value)
    shown = said if len(said) <= 40 else f"{said[:40]}…"
    return InputError(f"{path} says that {key} is {shown}, where {expected} is read", hint=_BELONGS)
