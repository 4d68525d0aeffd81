"""All that the updates of a run change, written to a checkpoint's files and read back bit by bit.

The files are safetensors and JSON: whoever may write to a run's folder can spoil the run, and run
nothing. ``accelerate`` would keep the same in pickles, and open them.

CHECKPOINT/student.safetensors      the weights that are trained
CHECKPOINT/average.safetensors      their moving average, where there is one
CHECKPOINT/optimizer.safetensors    its state of each weight, by the weight's number
CHECKPOINT/process-0.safetensors    the random states of PyTorch, of each process
CHECKPOINT/process-0.json           those of Python and NumPy
CHECKPOINT/schedule.json            the schedule's place, and the loss's scale where there is one
"""

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, load_model, save_file, save_model

from converters.values.errors import InputError, first_line
from pipeline.files.json_files import read_json_object

_STUDENT, _AVERAGE = "student.safetensors", "average.safetensors"
_OPTIMIZER, _SCHEDULE = "optimizer.safetensors", "schedule.json"


@dataclass(frozen=True, kw_only=True)
class Resumable:
    """What a run goes on with.

    Attributes:
        student: The network that is trained, as it was before it was spread over processes.
        average: The moving average of its weights; None where there is none.
        optimizer: Of its weights.
        schedule: Of the learning rate.
        scaler: Of the loss, in fp16; None else.
    """

    student: torch.nn.Module
    average: torch.nn.Module | None
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LambdaLR
    scaler: torch.amp.GradScaler | None

    def save(self, folder: Path) -> None:
        """Writes what all processes share."""
        save_model(self.student, str(folder / _STUDENT))
        if self.average is not None:
            save_model(self.average, str(folder / _AVERAGE))
        state = self.optimizer.state_dict()
        tensors = {
            f"{number}.{name}": value.detach().cpu().contiguous()
            for number, values in state["state"].items()
            for name, value in values.items()
        }
        save_file(tensors, folder / _OPTIMIZER)
        place = {
            "schedule": self._schedule_state(),
            "learning_rates": [group["lr"] for group in state["param_groups"]],
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
        }
        (folder / _SCHEDULE).write_text(json.dumps(place), encoding="utf-8")

    def load(self, folder: Path) -> None:
        """Takes over what ``save`` wrote.

        Raises:
            InputError: A file is missing, damaged, or of another run.
        """
        try:
            load_model(self.student, folder / _STUDENT)
            if self.average is not None:
                load_model(self.average, folder / _AVERAGE)
            place = read_json_object(folder / _SCHEDULE)
            self._load_optimizer(load_file(folder / _OPTIMIZER), place["learning_rates"])
            known = {name: place["schedule"][name] for name in self._schedule_state()}
            self.schedule.load_state_dict({**self.schedule.state_dict(), **known})
            if self.scaler is not None:
                self.scaler.load_state_dict(place["scaler"])
        except _DAMAGES as err:
            raise _damaged(folder, err) from err

    def _schedule_state(self) -> dict[str, Any]:
        """Returns the schedule's place, without its functions, which are the program's own."""
        state = self.schedule.state_dict()
        return {name: value for name, value in state.items() if name != "lr_lambdas"}

    def _load_optimizer(self, tensors: dict[str, torch.Tensor], rates: list[float]) -> None:
        state = self.optimizer.state_dict()
        found: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            number, _, name = key.partition(".")
            found.setdefault(int(number), {})[name] = value
        _check_shapes(found, [weight for group in self.optimizer.param_groups
                              for weight in group["params"]])  # fmt: skip
        for group, rate in zip(state["param_groups"], rates, strict=True):
            group["lr"] = rate
        self.optimizer.load_state_dict({**state, "state": found})


def _check_shapes(
    found: dict[int, dict[str, torch.Tensor]], weights: list[torch.nn.Parameter]
) -> None:
    """Raises ValueError where an optimizer's state is not that of these weights."""
    shapes = {
        number: {name: tuple(value.shape) for name, value in sorted(values.items())}
        for number, values in sorted(found.items())
    }
    expected = {
        number: {"exp_avg": tuple(weight.shape), "exp_avg_sq": tuple(weight.shape), "step": ()}
        for number, weight in enumerate(weights)
    }
    if shapes != expected:
        raise ValueError("the optimizer's state is that of other weights")


def save_random(folder: Path, *, process: int) -> None:
    """Writes the random states of this process."""
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        states = torch.cuda.get_rng_state_all()
        tensors |= {f"cuda.{number}": state for number, state in enumerate(states)}
    save_file(tensors, folder / f"process-{process}.safetensors")
    numpy_state: Any = np.random.get_state(legacy=False)
    numpy_state["state"]["key"] = numpy_state["state"]["key"].tolist()
    numbers = {"python": random.getstate(), "numpy": numpy_state}
    (folder / f"process-{process}.json").write_text(json.dumps(numbers), encoding="utf-8")


def load_random(folder: Path, *, process: int) -> None:
    """Takes over the random states that this process wrote.

    Raises:
        InputError: A file is missing or damaged.
    """
    try:
        tensors = load_file(folder / f"process-{process}.safetensors")
        numbers = read_json_object(folder / f"process-{process}.json")
        torch.set_rng_state(tensors.pop("torch"))
        if tensors:
            torch.cuda.set_rng_state_all(
                [tensors[f"cuda.{number}"] for number in range(len(tensors))]
            )
        version, state, gauss = numbers["python"]
        random.setstate((version, tuple(state), gauss))
        np.random.set_state(numbers["numpy"])
    except _DAMAGES as err:
        raise _damaged(folder, err) from err


_DAMAGES = (
    SafetensorError, FileNotFoundError, KeyError, TypeError, ValueError, RuntimeError, IndexError,
)  # fmt: skip
"""What the libraries raise at a file of another content; they check each in a way of its own."""


def _damaged(folder: Path, err: Exception) -> InputError:
    if isinstance(err, InputError):
        return err
    return InputError(
        f"the checkpoint {folder} is damaged: {type(err).__name__}: {first_line(err)}",
        hint="begin the run anew in another folder",
    )
