"""Finds the folder that holds a model's files: the user's, the package's own, or a download."""

import re
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

from converters.values.errors import InputError, first_line
from pipeline.files.other_files import refuse_other_file

EMBEDDED = "embedded"
"""The student inside the package that answers questions, and the name that bundles record."""

_HUB_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")
_TOKENIZER_FILES = (
    "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
    "added_tokens.json", "config.json",
)  # fmt: skip
_MODEL_FILES = (
    "*.safetensors", "*.safetensors.index.json", "adapter_config.json", "README.md",
)  # fmt: skip


def find_model(
    model: str | None, *, embedded: str = EMBEDDED, only_tokenizer: bool = False
) -> tuple[str | None, Path]:
    """Returns what a model is to be loaded from again, and the folder of its files.

    Args:
        model: A folder, a Hub id, or None for a student inside the package.
        embedded: Which of those.
        only_tokenizer: Whether a download may leave out all but the tokenizer.

    Raises:
        InputError: There is no such folder, and the Hub gives none.
    """
    if model is None:
        folder = Path(str(resources.files(__package__) / embedded))
        if not folder.is_dir():
            raise InputError(
                f"this version of the package holds no student named {embedded}",
                hint="give a MODEL: a folder in Hugging Face layout, or a Hub id",
            )
        return None, folder
    folder = Path(model)
    try:
        refuse_other_file(folder)
        if folder.is_dir():
            return str(folder.resolve()), folder.resolve()
        if folder.exists():
            raise InputError(
                f"{model} is a file, not a model", hint="give the folder that holds config.json"
            )
    except OSError as err:
        raise InputError(
            f"no folder {model}: {err.strerror}", hint="give a folder that holds config.json"
        ) from err
    if not _HUB_ID.fullmatch(model) or model.startswith("."):
        raise InputError(f"no folder {model}", hint="give a folder that holds config.json")
    files = _TOKENIZER_FILES if only_tokenizer else _TOKENIZER_FILES + _MODEL_FILES
    return model, _download(model, files)


def _download(model: str, files: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(model, allow_patterns=list(files)))
    except LocalEntryNotFoundError as err:
        raise InputError(
            f"{model} is no folder here, and the Hub cannot be reached",
            hint="give a folder that holds config.json, or connect to the network",
        ) from err
    except (HfHubHTTPError, HFValidationError) as err:
        raise InputError(
            f"{model} is no folder here, and the Hub does not serve it to you: "
            f"{str(err).splitlines()[0]}",
            hint="check the name; for a private or gated model log in with `hf auth login`",
        ) from err
    except OSError:  # of the disk that the cache is on
        raise
    except Exception as err:  # the client lets the errors of its transport through
        raise InputError(
            f"{model} is no folder here, and the Hub broke off: {first_line(err)}",
            hint="try again, or give a folder that holds config.json",
        ) from err
