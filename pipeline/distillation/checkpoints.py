"""What a run leaves on the disk: the best student so far, and a checkpoint to go on from.

DIR/                      the best student, a model folder in Hugging Face layout
DIR/training/log.jsonl    a line for each update that was logged, and for each evaluation
DIR/training/losses.png   the same as a picture
DIR/training/run.json     what the run is: settings, teacher, data
DIR/training/result.json  how it ended
DIR/training/checkpoint-000500/
"""

import json
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from converters.values.errors import InputError
from pipeline.distillation.objective import Position
from pipeline.files.json_files import read_json_object
from pipeline.student.load import input_names
from pipeline.tokenizer.tokenization import SPECIAL_TOKENS, tokenizer_part, write_vocabulary

if TYPE_CHECKING:
    from accelerate import Accelerator
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig, PreTrainedModel

    from pipeline.distillation.resumable import Resumable

_STATE = "state.json"
_FORMAT = 2
"""Of a checkpoint. The first was made of pickles."""
_USUAL_WORD_CHARACTERS = 100
"""Of a word that transformers' BERT tokenizer cuts into pieces."""
_CLASSES = {
    "distilbert": "DistilBertTokenizer",
    "bert": "BertTokenizer",
    "electra": "ElectraTokenizer",
    "mobilebert": "MobileBertTokenizer",
}
_ANY_CLASS = "PreTrainedTokenizerFast"
"""Transformers' classes of tokenizers, by the encoder, and the one of any other."""
_INPUTS = ["input_ids", "token_type_ids", "attention_mask"]
_CHECKPOINTS = f"checkpoint-{8 * '[0-9]'}"
"""Of a run, by the update; whatever else lies beside them is not its own."""


@dataclass(kw_only=True)
class State:
    """How far a run has come.

    Attributes:
        step: Updates made.
        position: Where its data goes on; None at the beginning.
        best: The figures of the best evaluation so far.
        best_step: When they were reached.
    """

    step: int = 0
    position: Position | None = None
    best: dict[str, float] = field(default_factory=dict)
    best_step: int = 0

    def note(self, scores: dict[str, float], *, metric: str) -> bool:
        """Notes an evaluation if it is the best so far, and tells whether it is."""
        if self.best and not scores[metric] > self.best[metric]:
            return False
        self.best, self.best_step = scores, self.step
        return True


class RunFolder:
    """The folder of one run. Everything in it is written whole or not at all."""

    def __init__(self, folder: Path, *, half: bool) -> None:
        """Args give the folder, and whether the student's weights are stored in fp16."""
        self.folder = folder
        self._training = folder / "training"
        self._run = self._training / "run.json"
        self._result = self._training / "result.json"
        self._half = half

    @property
    def log(self) -> Path:
        """The log, as JSON lines."""
        return self._training / "log.jsonl"

    @property
    def card(self) -> Path:
        """The student's model card."""
        return self.folder / "README.md"

    @property
    def picture(self) -> Path:
        """The picture of the losses."""
        return self._training / "losses.png"

    def checkpoint(self) -> Path | None:
        """Returns the newest checkpoint, if there is one."""
        return max(self._training.glob(_CHECKPOINTS), default=None)

    def check(self, *, resume: bool) -> None:
        """Checks that the run can begin in the folder, or go on in it.

        Args:
            resume: Whether the user wants to go on.

        Raises:
            InputError: The folder holds something else, or a run that the user did not mean.
        """
        if self._result.is_file():
            raise InputError(f"the run in {self.folder} has ended", hint="choose another folder")
        if self._run.is_file():
            if not resume:
                raise InputError(
                    f"{self.folder} holds a training run that has not ended",
                    hint="go on with it by --resume, or choose another folder",
                )
            checkpoint = self.checkpoint()
            if checkpoint is not None:
                _read_state(checkpoint)
        elif self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir())):
            raise InputError(
                f"{self.folder} exists and holds no training run", hint="choose a new folder"
            )

    def open(self, run: Mapping[str, Any]) -> None:
        """Makes the folder, or checks that the run in it is the same.

        Args:
            run: Everything that decides the weights, as JSON.

        Raises:
            InputError: The folder holds a run of another kind.
            OSError: It cannot be written.
        """
        if not self._run.is_file():
            self._training.mkdir(parents=True, exist_ok=True)
            _write_text(self._run, json.dumps(run, indent=2))
            return
        before = read_json_object(self._run)
        # Both sides went through JSON, which knows no tuples.
        for name, value in json.loads(json.dumps(run)).items():
            if before.get(name) != value:
                raise InputError(
                    f"the run in {self.folder} was begun with the {name} "
                    f"{json.dumps(before.get(name))}, and goes on with {json.dumps(value)}",
                    hint="give the options and data that it was begun with, or another folder",
                )

    def resume(self, resumable: "Resumable", *, process: int) -> State | None:
        """Takes over the newest checkpoint, and returns how far it had come; None without one.

        Raises:
            InputError: It is damaged, or of an older version.
        """
        checkpoint = self.checkpoint()
        if checkpoint is None:
            return None
        from pipeline.distillation.resumable import load_random

        state = _read_state(checkpoint)
        resumable.load(checkpoint)
        load_random(checkpoint, process=process)
        return state

    def save_checkpoint(
        self, state: State, resumable: "Resumable", accelerator: "Accelerator"
    ) -> None:
        """Saves weights, optimizer, schedule, random state and place in the data."""
        from pipeline.distillation.resumable import save_random

        partial = self._training / ".checkpoint.partial"
        if accelerator.is_main_process:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            resumable.save(partial)
        accelerator.wait_for_everyone()
        save_random(partial, process=accelerator.process_index)
        accelerator.wait_for_everyone()
        if accelerator.is_main_process:
            text = json.dumps({"format": _FORMAT, "state": asdict(state)})
            _write_text(partial / _STATE, text)
            earlier = list(self._training.glob(_CHECKPOINTS))
            partial.rename(self._training / f"checkpoint-{state.step:08d}")
            for path in earlier:
                shutil.rmtree(path)
        accelerator.wait_for_everyone()

    def save_student(self, student: "PreTrainedModel", accelerator: "Accelerator") -> None:
        """Saves the student's weights and configuration in place of an earlier one's."""
        if not accelerator.is_main_process:
            return
        import torch
        from safetensors.torch import save_file

        dtype = torch.float16 if self._half else torch.float32
        tied = set(getattr(student, "all_tied_weights_keys", {}) or {})
        weights = {
            name: value.detach().cpu().to(dtype).contiguous()
            for name, value in student.state_dict().items()
            if name not in tied
        }
        partial = self.folder / ".model.safetensors.partial"
        save_file(weights, partial, metadata={"format": "pt"})
        config = student.config.to_diff_dict()
        config |= {"architectures": [type(student).__name__], "dtype": str(dtype)[6:]}
        _write_text(self.folder / "config.json", json.dumps(config, indent=2, sort_keys=True))
        partial.replace(self.folder / "model.safetensors")

    def save_tokenizer(self, tokenizer: "Tokenizer", *, config: "PreTrainedConfig") -> None:
        """Saves the tokenizer beside the student, for Transformers to open, too.

        Args:
            tokenizer: WordPiece.
            config: The student's.
        """
        write_vocabulary(tokenizer, self.folder)
        part = tokenizer_part(tokenizer)
        # Transformers' own class knows one way alone of cleaning and of cutting words.
        is_usual = (
            part.clean_text
            and part.continuing_subword_prefix == "##"
            and part.max_input_chars_per_word == _USUAL_WORD_CHARACTERS
        )
        takes_types = "token_type_ids" in input_names(config) and part.second_token_type > 0
        settings = {
            "tokenizer_class": _CLASSES[config.model_type] if is_usual else _ANY_CLASS,
            "model_input_names": _INPUTS if takes_types else [_INPUTS[0], _INPUTS[2]],
            **{f"{token.strip('[]').lower()}_token": token for token in SPECIAL_TOKENS},
            "do_lower_case": part.lowercase,
            "strip_accents": part.strip_accents,
            "tokenize_chinese_chars": part.handle_chinese_chars,
            "model_max_length": config.max_position_embeddings,
        }
        _write_text(self.folder / "tokenizer_config.json", json.dumps(settings, indent=2))

    def finish(self, result: Mapping[str, Any]) -> None:
        """Notes how the run ended, and drops its checkpoint."""
        _write_text(self._result, json.dumps(result, indent=2))
        for path in self._training.glob(_CHECKPOINTS):
            shutil.rmtree(path)


def _read_state(checkpoint: Path) -> State:
    """Returns how far a checkpoint had come.

    Raises:
        InputError: It is damaged, or of a version whose files are not opened.
    """
    anew = "begin the run anew in another folder"
    try:
        content = read_json_object(checkpoint / _STATE)
        if content.get("format") != _FORMAT:
            raise InputError(
                f"{checkpoint} was written by another version of PocketBERT; earlier ones kept "
                "pickles, which are not opened, for they can run code",
                hint=f"{anew}, or end it with the version that began it",
            )
        return TypeAdapter(State).validate_python(content.get("state"))
    except FileNotFoundError as err:
        raise InputError(f"the checkpoint {checkpoint} has no {_STATE}", hint=anew) from err
    except ValidationError as err:
        fault = err.errors()[0]
        place = ".".join(map(str, fault["loc"]))
        raise InputError(
            f"{checkpoint / _STATE} is damaged: {place}: {fault['msg']}", hint=anew
        ) from err


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text(f"{text}\n", encoding="utf-8")
    partial.replace(path)
