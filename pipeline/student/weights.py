"""Reads a model's weights from safetensors files, and checks that they are the model's."""

import hashlib
import math
import re
import shlex
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file

from converters.values.errors import InputError, first_line
from pipeline.files.json_files import read_json_object
from pipeline.running.quiet import quiet_transformers
from pipeline.student.config import architecture

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_MAX_INDEX_BYTES = 20_000_000
"""A line for each weight: the deepest model that is read has some ten thousand."""

_WRAPPERS = re.compile(r"(?<![^.])(?:_orig_mod|module)\.")
"""What ``torch.compile`` and ``DataParallel`` set before the names of what they wrap."""

_CONVERT = (
    "import sys, torch, safetensors.torch as s; s.save_file({k: v.contiguous().clone() "
    "for p in sys.argv[2:] for k, v in torch.load(p, 'cpu', weights_only=True).items()}, "
    "sys.argv[1], {'format': 'pt'})"
)
"""Pours pickles into one safetensors file; torch opens them without running what they hold."""

_MOST_TIMES, _FEW_WEIGHTS = 2, 10_000_000
"""A model may be so much larger than its files, and is then told of the weights that it lacks."""

_ONE_MODEL = "give the weights and the configuration of one model"


def read_weights(folder: Path, config: "PreTrainedConfig") -> "PreTrainedModel":
    """Returns the model of a folder in fp32 and evaluation mode, with plain attention.

    Raises:
        InputError: Its weights are absent, damaged, or another model's.
    """
    model_class = _model_class(config)
    files = _files(folder)
    stored = _stored(files)
    try:
        _check_amount(folder, model_class, config, stored=sum(stored.values()))
        with quiet_transformers():
            model, info = model_class.from_pretrained(
                **_source(folder, files, names=stored),
                config=config,
                dtype=torch.float32,
                attn_implementation="eager",
                local_files_only=True,
                output_loading_info=True,
            )
    except InputError:
        raise
    except Exception as err:  # the library checks little, and stumbles over the rest in any way
        raise InputError(
            f"the weights in {folder} do not fit its config.json: "
            f"{type(err).__name__}: {first_line(err)}",
            hint=_ONE_MODEL,
        ) from err
    if info["missing_keys"] and all(name.startswith("pooler.") for name in info["missing_keys"]):
        model.pooler = None  # an encoder without a head, saved without what only some heads need
    elif info["missing_keys"]:
        raise InputError(
            f"the weights in {folder} lack {min(info['missing_keys'])}",
            hint=f"give a model that was trained as {architecture(config)}",
        )
    # Other heads are left over in many checkpoints; a layer that is left over changes the answers.
    layers = [name for name in info["unexpected_keys"] if re.search(r"\.layer\.\d+\.", name)]
    if layers:
        raise InputError(
            f"the weights in {folder} hold {min(layers)}, for which its config.json has no place",
            hint=_ONE_MODEL,
        )
    _check_finite(model)
    return model.eval()  # type: ignore[no-any-return]


def hash_weights(model: torch.nn.Module) -> str:
    """Returns the sha256 over names, shapes and values of all weights, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        digest.update(tensor.contiguous().numpy().data)
    return digest.hexdigest()


def _model_class(config: "PreTrainedConfig") -> Any:
    import transformers
    from transformers import PreTrainedModel

    name = architecture(config)
    model_class = getattr(transformers, name, None)
    if model_class is None:
        raise InputError(
            f"transformers {transformers.__version__} has no {name}",
            hint="correct `architectures` in config.json",
        )
    if not (isinstance(model_class, type) and issubclass(model_class, PreTrainedModel)):
        raise InputError(
            f"config.json names {name} as its architecture, which is none: it stands for many",
            hint="write the class that the model was trained as into `architectures`, such as "
            "BertForQuestionAnswering",
        )
    if not isinstance(config, model_class.config_class or ()):
        raise InputError(
            f"config.json names a {name}, and settings of the type {config.model_type}",
            hint="make `architectures` and `model_type` in config.json agree",
        )
    return model_class


def _stored(files: Sequence[Path]) -> dict[str, int]:
    """Returns how many values each weight has, by its name in the files.

    Raises:
        InputError: A file is damaged, or two weights would have one name.
    """
    stored: dict[str, int] = {}
    bare: dict[str, str] = {}
    for path in files:
        try:
            with safe_open(path, framework="pt") as file:
                for name in file.keys():  # noqa: SIM118  it is no dictionary
                    stored[name] = math.prod(file.get_slice(name).get_shape())
                    other = bare.setdefault(_WRAPPERS.sub("", name), name)
                    if other != name:
                        raise InputError(
                            f"{path} holds {name} beside {other}, and both are the same weight",
                            hint="keep the one that was trained last",
                        )
        except SafetensorError as err:
            raise InputError(
                f"{path} is damaged: {first_line(err)}", hint="download or save it again"
            ) from err
    return stored


def _source(folder: Path, files: Sequence[Path], *, names: Iterable[str]) -> dict[str, Any]:
    """Returns where transformers takes the weights from: the folder, if names are the model's."""
    if not any(map(_WRAPPERS.search, names)):
        return {"pretrained_model_name_or_path": folder, "use_safetensors": True}
    weights = {
        _WRAPPERS.sub("", name): value for path in files for name, value in load_file(path).items()
    }
    return {"pretrained_model_name_or_path": None, "state_dict": weights}


def _check_amount(folder: Path, model_class: Any, config: Any, *, stored: int) -> None:
    """Refuses a model that is far larger than its files, before it is made."""
    with torch.device("meta"):  # shapes alone
        wanted = sum(weight.numel() for weight in model_class(config).parameters())
    if wanted > _MOST_TIMES * stored + _FEW_WEIGHTS:
        raise InputError(
            f"{folder / 'config.json'} describes a model of {wanted:,} weights, and its files hold "
            f"{stored:,}",
            hint=_ONE_MODEL,
        )


def _files(folder: Path) -> list[Path]:
    whole, index = folder / _WHOLE, folder / _INDEX
    if whole.is_file():
        return [whole]
    if index.is_file():
        return _shards(index)
    others = sorted(folder.glob("*.safetensors"))
    if others:
        raise InputError(
            f"{folder} holds {others[0].name}, and neither {_WHOLE} nor {_INDEX}",
            hint=f"rename the file to {_WHOLE}, or add the index of its parts",
        )
    pickles = sorted(folder.glob("pytorch_model*.bin"))
    if not pickles:
        raise InputError(f"no weights in {folder}", hint=f"add its {_WHOLE}")
    paths = shlex.join(map(str, [whole, *pickles]))
    raise InputError(
        f"{pickles[0]} is a pickle, which can run code when it is opened",
        hint=f'if you trust it, convert it: python -c "{_CONVERT}" {paths}',
    )


def _shards(index: Path) -> list[Path]:
    places = read_json_object(index, max_bytes=_MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(places, dict) or not places:
        raise InputError(f"{index} names no file of weights", hint="download or save it again")
    names = sorted({str(name) for name in places.values()})
    for name in names:
        if Path(name).name != name or not (index.parent / name).is_file():
            raise InputError(
                f"{index} names {name}, which is not in its folder",
                hint="download all the files of the model",
            )
    return [index.parent / name for name in names]


def _check_finite(model: torch.nn.Module) -> None:
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise InputError(
                f"the weight {name} holds NaN or infinity",
                hint="go back to a checkpoint from before training diverged",
            )
