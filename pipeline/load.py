"""Loads a student: a folder in Hugging Face layout, a Hub id, or the one inside the package."""

import hashlib
import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from tokenizers import Tokenizer

from pipeline.errors import InputError, first_line
from pipeline.find import find_model
from pipeline.squad import Question
from pipeline.tasks import Task, task_of
from pipeline.tasks.question_answering import Encoded
from pipeline.tokenization import read_json_object, read_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

EMBEDDED = "embedded"
"""The name under which bundles record the student that ships inside the package."""

ENCODERS = ("distilbert", "bert", "mobilebert", "electra")

_CONVERT = (
    "import sys, torch, safetensors.torch as s; s.save_file({k: v.contiguous().clone() "
    "for p in sys.argv[2:] for k, v in torch.load(p, 'cpu', weights_only=True).items()}, "
    "sys.argv[1], {'format': 'pt'})"
)
"""Pours pickles into one safetensors file; torch opens them without running what they hold."""


@dataclass(frozen=True, kw_only=True)
class Student:
    """The model that is deployed, in fp32, with all that belongs to it.

    Attributes:
        name: ``embedded``, a Hub id, or the name of the folder.
        source: What ``load`` was given, a folder made absolute, so that it loads again anywhere.
        folder: Where its files lie.
        model: In evaluation mode, with plain attention that every converter can read.
        tokenizer: WordPiece, truncation and padding switched off.
        task: What it answers.
        input_names: ``input_ids``, ``attention_mask`` and, where the encoder takes them,
            ``token_type_ids``.
        max_seq_len: Its number of positions, in tokens.
        weights_sha256: Over names, shapes and values of all weights in fp32.
        licence: As its model card states it, or ``unknown``.
    """

    name: str
    source: str | None
    folder: Path
    model: "PreTrainedModel"
    tokenizer: Tokenizer
    task: Task
    input_names: tuple[str, ...]
    max_seq_len: int
    weights_sha256: str
    licence: str

    def encode(self, examples: Sequence[Question], *, seq_lens: tuple[int, ...]) -> list[Encoded]:
        """Turns examples into this student's inputs, each row at the smallest length that fits."""
        return [
            self.task.encode(
                example,
                tokenizer=self.tokenizer,
                input_names=self.input_names,
                seq_lens=seq_lens,
            )
            for example in examples
        ]


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model of any head, in fp32 and evaluation mode, with its tokenizer.

    Attributes:
        name: Its Hub id, or the name of its folder.
        network: With plain attention.
        tokenizer: WordPiece, truncation and padding switched off.
        weights_sha256: Over names, shapes and values of all weights in fp32.
        licence: As its model card states it, or ``unknown``.
    """

    name: str
    network: "PreTrainedModel"
    tokenizer: Tokenizer
    weights_sha256: str
    licence: str


def load(model: str | None = None) -> Student:
    """Loads a student and checks that it can be deployed.

    Args:
        model: A folder, a Hub id, or nothing for the student inside the package.

    Raises:
        InputError: There is no such model, or it is damaged, or of a kind not supported.
    """
    source, folder = find_model(model)
    config = _read_config(folder)
    task = task_of(_architecture(config))
    if config.num_labels != len(task.OUTPUT_NAMES):
        raise InputError(
            f"{folder / 'config.json'} describes a head of {config.num_labels} outputs a token, "
            f"and {task.NAME} has {len(task.OUTPUT_NAMES)}",
            hint="train the model with a head of its own for this task",
        )
    network, tokenizer = _read_network(folder, config)
    return Student(
        name=_name(source),
        source=source,
        folder=folder,
        model=network,
        tokenizer=tokenizer,
        task=task,
        input_names=input_names(config),
        max_seq_len=config.max_position_embeddings,
        weights_sha256=_hash_weights(network),
        licence=_read_licence(folder),
    )


def load_checkpoint(model: str, *, suffix: str) -> Checkpoint:
    """Loads a model of any head, to train from or with.

    Args:
        model: A folder or a Hub id.
        suffix: How its architecture must end, such as ``ForMaskedLM``.

    Raises:
        InputError: There is no such model, or it is damaged, or of another kind.
    """
    source, folder = find_model(model)
    config = _read_config(folder)
    if not _architecture(config).endswith(suffix):
        raise InputError(
            f"{model} is a {_architecture(config)}, where a …{suffix} is needed",
            hint="give a model that was trained with this head",
        )
    network, tokenizer = _read_network(folder, config)
    return Checkpoint(
        name=_name(source),
        network=network,
        tokenizer=tokenizer,
        weights_sha256=_hash_weights(network),
        licence=_read_licence(folder),
    )


def input_names(config: "PreTrainedConfig") -> tuple[str, ...]:
    """Returns the names of an encoder's inputs: DistilBERT alone knows no token types."""
    takes_types = config.model_type != "distilbert"
    return ("input_ids", "attention_mask") + ("token_type_ids",) * takes_types


def _read_network(folder: Path, config: "PreTrainedConfig") -> "tuple[PreTrainedModel, Tokenizer]":
    tokenizer = read_tokenizer(folder)
    _check_vocabulary(tokenizer, config)
    return _read_weights(folder, config), tokenizer


def _name(source: str | None) -> str:
    """Returns the name that bundles record: no path, which would tell where it was built."""
    if source is None:
        return EMBEDDED
    name = Path(source).name if Path(source).is_absolute() else source
    # A folder's name may hold bytes that are no UTF-8, and a manifest may not.
    return name.encode(errors="backslashreplace").decode()


def _read_config(folder: Path) -> "PreTrainedConfig":
    from huggingface_hub.errors import StrictDataclassError
    from transformers import AutoConfig

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
    try:
        config: PreTrainedConfig = AutoConfig.from_pretrained(folder, local_files_only=True)
    except (ValueError, TypeError, KeyError, StrictDataclassError) as err:
        raise InputError(
            f"{path} is not a valid configuration: {first_line(err.__cause__ or err)}",
            hint="save the model again with save_pretrained",
        ) from err
    if config.num_hidden_layers < 1:
        raise InputError(
            f"{path} describes an encoder of {config.num_hidden_layers} layers",
            hint="give the configuration that belongs to the weights",
        )
    return config


def _architecture(config: "PreTrainedConfig") -> str:
    return str((config.architectures or [""])[0])


def _check_vocabulary(tokenizer: Tokenizer, config: "PreTrainedConfig") -> None:
    largest = max(tokenizer.get_vocab().values())
    if largest >= config.vocab_size:
        raise InputError(
            f"the tokenizer has ids up to {largest}, the model an embedding of {config.vocab_size}",
            hint="give the vocabulary that the model was trained with",
        )


def _read_weights(folder: Path, config: "PreTrainedConfig") -> "PreTrainedModel":
    _check_weight_files(folder)
    model_class = _model_class(config)
    try:
        with _quiet_transformers():
            model, info = model_class.from_pretrained(
                folder,
                config=config,
                dtype=torch.float32,
                attn_implementation="eager",
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
    except Exception as err:  # the library checks little, and stumbles over the rest in any way
        raise InputError(
            f"the weights in {folder} do not fit its config.json: "
            f"{type(err).__name__}: {first_line(err)}",
            hint="give the weights and the configuration of one model",
        ) from err
    if info["missing_keys"]:
        raise InputError(
            f"the weights in {folder} lack {min(info['missing_keys'])}",
            hint=f"give a model that was trained as {_architecture(config)}",
        )
    # Other heads are left over in many checkpoints; a layer that is left over changes the answers.
    layers = [name for name in info["unexpected_keys"] if re.search(r"\.layer\.\d+\.", name)]
    if layers:
        raise InputError(
            f"the weights in {folder} hold {min(layers)}, for which its config.json has no place",
            hint="give the weights and the configuration of one model",
        )
    _check_finite(model)
    return model.eval()  # type: ignore[no-any-return]


def _model_class(config: "PreTrainedConfig") -> Any:
    import transformers

    name = _architecture(config)
    model_class = getattr(transformers, name, None)
    if model_class is None:
        raise InputError(
            f"transformers {transformers.__version__} has no {name}",
            hint="correct `architectures` in config.json",
        )
    if not isinstance(config, model_class.config_class):
        raise InputError(
            f"config.json names a {name}, and settings of the type {config.model_type}",
            hint="make `architectures` and `model_type` in config.json agree",
        )
    return model_class


def _check_weight_files(folder: Path) -> None:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        pickles = sorted(folder.glob("pytorch_model*.bin"))
        if not pickles:
            raise InputError(f"no weights in {folder}", hint="add its model.safetensors")
        paths = shlex.join(map(str, [folder / "model.safetensors", *pickles]))
        raise InputError(
            f"{pickles[0]} is a pickle, which can run code when it is opened",
            hint=f'if you trust it, convert it: python -c "{_CONVERT}" {paths}',
        )
    for path in files:
        try:
            with safe_open(path, framework="pt"):
                pass
        except SafetensorError as err:
            raise InputError(
                f"{path} is damaged: {first_line(err)}", hint="download or save it again"
            ) from err


def _check_finite(model: torch.nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"the weight {name} holds NaN or infinity",
                hint="go back to a checkpoint from before training diverged",
            )


def _hash_weights(model: torch.nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def _read_licence(folder: Path) -> str:
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    text = card.read_text(encoding="utf-8", errors="replace")
    header = text.removeprefix("---\n").partition("\n---")[0] if text.startswith("---\n") else ""
    found = re.search(r"^license:\s*(\S+)", header, re.MULTILINE)
    return found.group(1) if found else "unknown"


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Switches off the library's own progress bar, and on again."""
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.enable_progress_bar()  # type: ignore[no-untyped-call]
