"""Checkpoints that go on bit by bit, whose damage is told, and in which nothing can be run."""

import json
import os
import pickle
import random
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from converters.values.errors import InputError
from pipeline.commands.app import run
from pipeline.distillation.checkpoints import RunFolder, State
from pipeline.distillation.resumable import Resumable

WIDTH = 8
ALONE: Any = SimpleNamespace(is_main_process=True, process_index=0, wait_for_everyone=lambda: None)

PICKLES = (
    "optimizer.bin", "scheduler.bin", "random_states_0.pkl", "custom_checkpoint_0.pkl",
    "custom_checkpoint_1.pkl", "scaler.pt", "pytorch_model.bin", "sampler.bin",
)  # fmt: skip
"""What ``accelerate`` keeps a run in, and opens without asking what it holds."""


class Training:
    """A network with dropout and a tied weight, trained on random numbers of every library."""

    def __init__(self, *, width: int = WIDTH) -> None:
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(width, width), torch.nn.Dropout(0.3), torch.nn.Linear(width, width)
        )
        cast("torch.nn.Linear", self.network[2]).weight = self.network[0].weight
        update = get_ema_multi_avg_fn(0.9)  # type: ignore[no-untyped-call]
        self.average = AveragedModel(self.network, multi_avg_fn=update)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=1e-2, fused=True)
        self.schedule = torch.optim.lr_scheduler.LambdaLR(
            self.optimizer, lambda step: 1 / (1 + step)
        )
        self.scaler = torch.amp.GradScaler("cpu", growth_interval=2)
        self.width = width

    @property
    def resumable(self) -> Resumable:
        return Resumable(
            student=self.network, average=self.average, optimizer=self.optimizer,
            schedule=self.schedule, scaler=self.scaler,
        )  # fmt: skip

    def update(self) -> None:
        shift = random.gauss(0, 1) + np.random.standard_normal()
        loss = (self.network(torch.rand(4, self.width)) - shift).square().mean()
        self.scaler.scale(loss).backward()
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.optimizer.zero_grad()
        self.schedule.step()
        self.average.update_parameters(self.network)

    def everything(self) -> dict[str, Any]:
        """All that there is, exactly."""
        states = {"student": self.network.state_dict(), "average": self.average.state_dict()}
        for number, values in self.optimizer.state_dict()["state"].items():
            states[f"optimizer {number}"] = values
        tensors = {
            f"{kind} {name}": value.numpy().tobytes()
            for kind, state in states.items()
            for name, value in state.items()
        }
        return {
            **tensors,
            "rates": [group["lr"] for group in self.optimizer.param_groups],
            "schedule": self.schedule.state_dict(),
            "scaler": self.scaler.state_dict(),
        }


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run with a checkpoint after three updates."""
    folder = RunFolder(tmp_path / "student", half=False)
    folder.open({"seed": 0})
    training = Training()
    for _ in range(3):
        training.update()
    state = State(step=3, position={"epoch": 0, "batch": 3}, best={"f1": 12.5}, best_step=2)
    folder.save_checkpoint(state, training.resumable, ALONE)
    return folder


def checkpoint_of(folder: RunFolder) -> Path:
    checkpoint = folder.checkpoint()
    assert checkpoint is not None
    return checkpoint


def resume(folder: RunFolder, *, width: int = WIDTH) -> State | None:
    return folder.resume(Training(width=width).resumable, process=0)


def test_run_goes_on_bit_by_bit(tmp_path):
    folder = RunFolder(tmp_path / "student", half=False)
    folder.open({"seed": 0})
    whole = Training()
    for _ in range(3):
        whole.update()
    random.gauss(0, 1)  # leaves a second number behind, which is a part of the state
    folder.save_checkpoint(State(step=3), whole.resumable, ALONE)
    for _ in range(3):
        whole.update()
    for seed in (1, 2):  # the whole process is another one
        random.seed(seed), np.random.seed(seed), torch.manual_seed(seed)
    resumed = Training()
    assert folder.resume(resumed.resumable, process=0) == State(step=3)
    for _ in range(3):
        resumed.update()
    assert resumed.everything() == whole.everything()


def test_resume_tells_how_far_the_run_had_come(folder):
    assert resume(folder) == State(
        step=3, position={"epoch": 0, "batch": 3}, best={"f1": 12.5}, best_step=2
    )


def test_checkpoint_holds_safetensors_and_json_alone(folder):
    kinds = {path.suffix for path in checkpoint_of(folder).iterdir()}
    assert kinds == {".safetensors", ".json"}


# Nothing in a run's folder is run


class Hostile:
    """Makes a folder when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self._trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self._trace),)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """Is there once a hostile pickle has run."""
    return tmp_path / "it ran"


def plant(checkpoint: Path, trace: Path) -> None:
    checkpoint.mkdir(parents=True, exist_ok=True)
    for name in PICKLES:
        torch.save(Hostile(trace), checkpoint / name)
    torch.load(checkpoint / PICKLES[0], weights_only=False)
    trace.rmdir()  # so it would have


def test_pickles_beside_the_checkpoint_are_not_opened(folder, trace):
    plant(checkpoint_of(folder), trace)
    state = resume(folder)
    assert state is not None
    assert state.step == 3
    assert not trace.exists()


def test_pickles_in_place_of_its_files_are_damage(folder, trace):
    plant(checkpoint_of(folder), trace)
    for path in checkpoint_of(folder).glob("*.safetensors"):
        kept = path.read_bytes()
        path.write_bytes(pickle.dumps(Hostile(trace)))
        with pytest.raises(InputError, match="is damaged"):
            resume(folder)
        path.write_bytes(kept)
    assert not trace.exists()


@pytest.mark.parametrize("state", [{"step": 3, "position": None}, {"format": 1}, {"format": "2"}])
def test_run_of_an_older_version_is_refused_before_any_work(tmp_path, trace, capfd, state):
    """Its state lay in a JSON file, and all else in pickles."""
    training = tmp_path / "student" / "training"
    plant(training / "checkpoint-00000003", trace)
    (training / "run.json").write_text("{}")
    (training / "checkpoint-00000003" / "state.json").write_text(json.dumps(state))
    arguments = ["--teacher", "/absent", "--data", "/absent", "-o", str(tmp_path / "student")]
    assert run(["distill", *arguments, "--resume", "--json"]) == 2
    error = json.loads(capfd.readouterr().out)["error"]
    assert "was written by another version of PocketBERT" in error["message"]
    assert "pickles, which are not opened" in error["message"]
    assert "begin the run anew in another folder" in error["hint"]
    assert not trace.exists()


# Damage

FILES = (
    "student.safetensors", "average.safetensors", "optimizer.safetensors", "schedule.json",
    "process-0.safetensors", "process-0.json", "state.json",
)  # fmt: skip


def remove(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_content(path: Path) -> None:
    if path.suffix == ".json":
        content = {"format": 2, "state": {"step": "many"}, "schedule": {}, "python": [3]}
        path.write_text(json.dumps(content))
    else:
        save_file({"other": torch.zeros(3), "0.exp_avg": torch.zeros(1)}, path)


@pytest.mark.parametrize("damage", [remove, cut, empty, replace_content])
@pytest.mark.parametrize("name", FILES)
def test_damaged_checkpoint_is_refused_by_name(folder, name, damage):
    damage(checkpoint_of(folder) / name)
    with pytest.raises(InputError, match="checkpoint-00000003") as caught:
        resume(folder)
    assert "anew" in caught.value.hint or "again" in caught.value.hint
    assert len(caught.value.message.splitlines()) == 1


def test_files_that_are_swept_are_all_that_there_are(folder):
    assert {path.name for path in checkpoint_of(folder).iterdir()} == set(FILES)


def test_checkpoint_of_a_network_of_another_size_is_refused(folder):
    with pytest.raises(InputError, match="is damaged"):
        resume(folder, width=WIDTH + 1)


@pytest.mark.parametrize("name", ["0.exp_avg", "1.exp_avg_sq", "0.step", "2.step"])
def test_optimizer_state_of_other_weights_is_refused(folder, name):
    path = checkpoint_of(folder) / "optimizer.safetensors"
    save_file(load_file(path) | {name: torch.zeros(3)}, path)
    with pytest.raises(InputError, match="the optimizer's state is that of other weights"):
        resume(folder)


def test_resume_of_a_run_without_a_checkpoint_begins_at_the_beginning(folder):
    shutil.rmtree(checkpoint_of(folder))
    assert resume(folder) is None
