"""A training run around its loop: where it goes, on which machine, and what it leaves."""

import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from converters.backends import install_line, missing_packages
from converters.values.errors import InputError, MissingPackageError
from pipeline.distillation.card import write_card
from pipeline.distillation.checkpoints import RunFolder
from pipeline.distillation.data import fingerprint, list_files
from pipeline.distillation.faults import Faults
from pipeline.distillation.settings import EXTRA, PACKAGES, Cadence, Data, Settings
from pipeline.student.load import Checkpoint

if TYPE_CHECKING:
    from accelerate import Accelerator
    from tokenizers import Tokenizer
    from transformers import PreTrainedModel

    from pipeline.distillation.checkpoints import State
    from pipeline.distillation.objective import Objective

OF_A_TEACHER = ("layer_map", "num_layers", "align", "weights", "temperature")
"""Settings that say nothing where there is no teacher."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A model that was trained.

    Attributes:
        folder: Where it lies.
        steps: Updates made.
        best_step: The update after which it was best; its weights are those.
        scores: What the held-out data gave then.
        num_parameters: Of the model.
        num_left_out: Examples that could not be used.
        seconds: Of this call.
        is_main: Whether this is the process that tells of it.
    """

    folder: Path
    steps: int
    best_step: int
    scores: dict[str, float]
    num_parameters: int
    num_left_out: int
    seconds: float
    is_main: bool

    def lines(self) -> list[str]:
        """Returns the result in lines for a person."""
        scores = ", ".join(f"{name} {value:.2f}" for name, value in self.scores.items())
        left_out = [f"{self.num_left_out} examples could not be used"] * bool(self.num_left_out)
        return [
            f"{self.folder}: {self.num_parameters / 1e6:.1f} million parameters, "
            f"{scores} at step {self.best_step} of {self.steps}",
            *left_out,
        ]

    def to_json(self) -> dict[str, Any]:
        """Returns the result as the command line prints it."""
        fields = asdict(self)
        del fields["is_main"]
        return {**fields, "folder": str(self.folder.resolve())}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a run leaves what it makes.

    Attributes:
        folder: The model's.
        half: Stores the weights in fp16.
        resume: Goes on from the folder's checkpoint.
        command: The line that the user gave, for the model card.
    """

    folder: Path
    half: bool
    resume: bool
    command: str


class Course:
    """One run, from its folder to its result."""

    def __init__(self, place: Place, settings: Settings, cadence: Cadence) -> None:
        """Prepares a run.

        Args:
            place: Where it goes.
            settings: Say how it is cut into processes and how precise it is.
            cadence: Of evaluations and checkpoints.

        Raises:
            MissingPackageError: What trains is not installed.
            InputError: The folder holds something else, or a batch cannot be cut.
        """
        _check_installed()
        self._begin = time.monotonic()
        self._accelerator = _accelerator(settings)
        self._folder = RunFolder(place.folder, half=place.half)
        self._folder.check(resume=place.resume)
        self._place, self._cadence = place, cadence
        self._run: Mapping[str, Any] = {}

    @property
    def attention(self) -> str:
        """The kind of attention that trains fastest here.

        On a CPU the plain products train twice as fast as the fused attention.
        """
        return "eager" if self._accelerator.device.type == "cpu" else "sdpa"

    def begin(self, settings: Settings, data: Data, **models: Checkpoint | None) -> None:
        """Notes what the run is, or checks that the one in its folder is the same.

        Args:
            settings: All of them, counted out.
            data: What it trains on.
            models: What it starts from, by the part that each has.

        Raises:
            InputError: The folder holds a run of another kind.
        """
        self._run = _describe(settings, data, models, self._accelerator.num_processes)
        if self._accelerator.is_main_process:
            self._folder.open(self._run)
        self._accelerator.wait_for_everyone()

    def train(
        self,
        network: "PreTrainedModel",
        teacher: "PreTrainedModel | None",
        *,
        origin: Checkpoint,
        tokenizer: "Tokenizer",
        objective: "Objective",
        settings: Settings,
        faults: Faults,
    ) -> Trained:
        """Trains a network to the end, and leaves it in the folder with its card.

        Args:
            network: In fp32; it is changed.
            teacher: None where the labels alone count.
            origin: The model that the card names: the teacher, or what is tuned.
            tokenizer: The network's.
            objective: What is learnt.
            settings: Of the run.
            faults: What could not be used.
        """
        accelerator = self._accelerator
        if accelerator.is_main_process:
            self._folder.save_tokenizer(tokenizer, config=network.config)
        state = self._loop(network, teacher, objective, settings)
        result = Trained(
            folder=self._place.folder,
            steps=state.step,
            best_step=state.best_step,
            scores=state.best,
            num_parameters=network.num_parameters(),
            num_left_out=len(faults.found),
            seconds=time.monotonic() - self._begin,
            is_main=accelerator.is_main_process,
        )
        if result.is_main:
            write_card(
                self._folder.card,
                model=network,
                origin=origin,
                run=self._run,
                command=self._place.command,
                scores=result.scores,
                best_step=result.best_step,
            )
            self._folder.finish(result.to_json())
        accelerator.end_training()
        return result

    def _loop(
        self,
        network: "PreTrainedModel",
        teacher: "PreTrainedModel | None",
        objective: "Objective",
        settings: Settings,
    ) -> "State":
        """Trains the network, shows how that goes, and draws its losses."""
        from accelerate.utils import set_seed

        from pipeline.distillation.journal import Journal, draw_losses
        from pipeline.distillation.train import train

        folder, is_main = self._folder, self._accelerator.is_main_process
        set_seed(settings.seed, device_specific=True)
        journal = Journal(folder.log, num_steps=settings.steps, is_main=is_main)
        with journal.shown():
            state = train(
                network,
                teacher,
                objective=objective,
                settings=settings,
                cadence=self._cadence,
                folder=folder,
                journal=journal,
                accelerator=self._accelerator,
            )
        if is_main:
            draw_losses(folder.log, folder.picture)
        return state


def with_steps(settings: Settings, objective: "Objective") -> Settings:
    """Returns the settings with the updates that their epochs need.

    Raises:
        InputError: How long an epoch is cannot be known before.
    """
    if settings.steps:
        return settings
    if objective.batches_per_epoch is None:
        raise InputError(
            "how long an epoch of raw text is can only be known at its end",
            hint="say by --steps how long to train",
        )
    return replace(settings, steps=max(1, round(settings.epochs * objective.batches_per_epoch)))


def _accelerator(settings: Settings) -> "Accelerator":
    """Returns what trains on whatever this machine has.

    Raises:
        InputError: A batch cannot be cut into equal parts for it.
    """
    from accelerate import Accelerator

    # Several processes on CPUs are told apart only where it is said that there is nothing else.
    accelerator = Accelerator(
        cpu=not torch.accelerator.is_available(), mixed_precision=settings.mixed_precision
    )
    _check_batch(settings, accelerator.num_processes)
    return accelerator


def _check_installed() -> None:
    missing = missing_packages(PACKAGES)
    if missing:
        raise MissingPackageError(f"training needs {', '.join(missing)}", hint=install_line(EXTRA))


def _check_batch(settings: Settings, num_processes: int) -> None:
    parts = settings.accumulate * num_processes
    if settings.batch_size % parts:
        raise InputError(
            f"a batch of {settings.batch_size} cannot be cut into {settings.accumulate} "
            f"accumulated parts on {num_processes} processes",
            hint=f"give a --batch-size that {parts} divides",
        )


def _describe(
    settings: Settings, data: Data, models: Mapping[str, Checkpoint | None], num_processes: int
) -> dict[str, Any]:
    """Returns everything that decides the weights, as JSON without paths."""
    hidden = OF_A_TEACHER if settings.mode == "fine-tuning" else ()
    told = {name: value for name, value in asdict(settings).items() if name not in hidden}
    if data.unlabelled:
        told["texts"] = _files(data.unlabelled)
    if data.vocabulary:
        told["vocabulary"] = fingerprint(data.vocabulary)
    return {
        **told,
        **{
            part: model and {"name": model.name, "weights_sha256": model.weights_sha256}
            for part, model in models.items()
        },
        "data": _files(data.paths),
        "evaluation": data.evaluation and fingerprint(data.evaluation),
        "num_held_out": data.num_held_out,
        "num_processes": num_processes,
    }


def _files(paths: tuple[Path, ...]) -> list[dict[str, str]]:
    files = [path for given in paths for path in list_files(given)]
    return [{"name": path.name, "sha256": fingerprint(path)} for path in files]
