"""Loads a student: a folder in Hugging Face layout, a Hub id, or the one inside the package."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.student.config import architecture, read_config
from pipeline.student.locate import EMBEDDED, find_model
from pipeline.student.tokenizer_folder import read_tokenizer
from pipeline.tasks import QUESTIONS, check_task_name, task_of_model
from pipeline.tasks.task import NO_OPTIONS, Encoded, Task, TaskOptions
from pipeline.tokenizer.tokenization import second_type

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_CARD_BYTES = 100_000
"""Of a model card, as far as its header is looked for."""


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

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of what the model gives for a row."""
        return tuple(spec.name for spec in self.task.outputs)

    def encode(self, examples: Sequence[Any], *, seq_lens: tuple[int, ...]) -> list[Encoded]:
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

    def matrices(self) -> dict[str, np.ndarray]:
        """Returns the weights of all linear layers and embeddings that it computes with, by name.

        Names and order are those of the traced student. Each is ``(rows, columns) float32``: a row
        is an output channel, or a token.
        """
        from pipeline.student.matrices import used_matrices

        return used_matrices(self.model, self.input_names)


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


def embedded_name(task: str | None) -> str:
    """Returns the name of the student inside the package for a task; that of questions if None.

    It is the name of its folder, and the one that bundles record.
    """
    return EMBEDDED if task in (None, QUESTIONS) else f"{EMBEDDED}-{task}"


def read_task(folder: Path) -> tuple["PreTrainedConfig", Task]:
    """Returns a model's configuration, and the task that it says.

    Raises:
        InputError: There is none, or it describes a model or a head that is not supported.
    """
    config = read_config(folder)
    try:
        return config, task_of_model(architecture(config), config)
    except InputError as err:
        raise InputError(f"{folder / 'config.json'}: {err.message}", hint=err.hint) from err


def load(
    model: str | None = None, *, task_name: str | None = None, options: TaskOptions = NO_OPTIONS
) -> Student:
    """Loads a student and checks that it can be deployed.

    Args:
        model: A folder, a Hub id, or None for the student inside the package.
        task_name: Which task it must have; None for any, and for questions where there is no model.
        options: What of its task the checkpoint does not say.

    Raises:
        InputError: There is no such model, or it is damaged, of a kind not supported, or of another
            task.
    """
    check_task_name(task_name)
    source, folder = find_model(model, embedded=embedded_name(task_name))
    config, task = read_task(folder)
    if task_name not in (None, task.NAME):
        raise InputError(
            f"{model} is a {architecture(config)}, whose task is {task.NAME}, and --task says "
            f"{task_name}",
            hint="leave out --task, or give a model of that task",
        )
    network, tokenizer, weights_sha256 = _read_network(folder, config)
    return Student(
        name=embedded_name(task.NAME) if source is None else _name(source),
        source=source,
        folder=folder,
        model=network,
        tokenizer=tokenizer,
        task=task.with_options(options),
        input_names=input_names(config),
        max_seq_len=config.max_position_embeddings,
        weights_sha256=weights_sha256,
        licence=_read_licence(folder),
    )


def load_checkpoint(model: str, *, suffixes: tuple[str, ...]) -> Checkpoint:
    """Loads a model of any head, to train from or with.

    Args:
        model: A folder or a Hub id.
        suffixes: How its architecture may end, such as ``ForMaskedLM``.

    Raises:
        InputError: There is no such model, or it is damaged, or of another kind.
    """
    source, folder = find_model(model)
    config = read_config(folder)
    if not architecture(config).endswith(suffixes):
        needed = " or a ".join(f"…{suffix}" for suffix in suffixes)
        raise InputError(
            f"{model} is a {architecture(config)}, where a {needed} is needed",
            hint="give a model that was trained with this head",
        )
    network, tokenizer, weights_sha256 = _read_network(folder, config)
    return Checkpoint(
        name=_name(source or model),
        network=network,
        tokenizer=tokenizer,
        weights_sha256=weights_sha256,
        licence=_read_licence(folder),
    )


def input_names(config: "PreTrainedConfig") -> tuple[str, ...]:
    """Returns the names of an encoder's inputs: DistilBERT alone knows no token types."""
    takes_types = config.model_type != "distilbert"
    return ("input_ids", "attention_mask") + ("token_type_ids",) * takes_types


def _read_network(
    folder: Path, config: "PreTrainedConfig"
) -> "tuple[PreTrainedModel, Tokenizer, str]":
    """Returns the model, its tokenizer, and the hash of its weights."""
    from pipeline.student.weights import hash_weights, read_weights  # PyTorch comes with them

    tokenizer = read_tokenizer(folder)
    _check_vocabulary(tokenizer, config)
    _check_types(tokenizer, config)
    network = read_weights(folder, config)
    return network, tokenizer, hash_weights(network)


def _name(source: str) -> str:
    """Returns the name that bundles record: no path, which would tell where it was built."""
    name = Path(source).name if Path(source).is_absolute() else source
    # A folder's name may hold bytes that are no UTF-8, and a manifest may not.
    return name.encode(errors="backslashreplace").decode()


def _check_vocabulary(tokenizer: Tokenizer, config: "PreTrainedConfig") -> None:
    largest = max(tokenizer.get_vocab().values())
    if largest >= config.vocab_size:
        raise InputError(
            f"the tokenizer has ids up to {largest}, the model an embedding of {config.vocab_size}",
            hint="give the vocabulary that the model was trained with",
        )


def _check_types(tokenizer: Tokenizer, config: "PreTrainedConfig") -> None:
    types = getattr(config, "type_vocab_size", None)
    if types is not None and second_type(tokenizer) >= types:
        raise InputError(
            "the tokenizer gives the second of two texts the token type "
            f"{second_type(tokenizer)}, and the model knows {types} (type_vocab_size)",
            hint="if it was trained without types, say so in tokenizer_config.json: "
            '"model_input_names": ["input_ids", "attention_mask"]',
        )


def _read_licence(folder: Path) -> str:
    card = folder / "README.md"
    if not card.is_file():
        return "unknown"
    with card.open(encoding="utf-8", errors="replace") as file:
        text = file.read(_CARD_BYTES)
    header = text.removeprefix("---\n").partition("\n---")[0] if text.startswith("---\n") else ""
    found = re.search(r"^license:\s*(\S+)", header, re.MULTILINE)
    return found.group(1) if found else "unknown"
