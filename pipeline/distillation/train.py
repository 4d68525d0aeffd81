"""The loop: batches in, updates of the student out, on whatever machine ``accelerate`` gives."""

import contextlib
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from converters.values.errors import InputError
from pipeline.distillation.checkpoints import RunFolder, State
from pipeline.distillation.journal import Journal
from pipeline.distillation.losses import cosine_loss
from pipeline.distillation.objective import Batch, Objective
from pipeline.distillation.resumable import Resumable
from pipeline.distillation.settings import Cadence, Settings
from pipeline.student.load import input_names

if TYPE_CHECKING:
    from transformers import PreTrainedModel

MAX_GRAD_NORM = 1.0


def train(
    student: "PreTrainedModel",
    teacher: "PreTrainedModel | None",
    *,
    objective: Objective,
    settings: Settings,
    cadence: Cadence,
    folder: RunFolder,
    journal: Journal,
    accelerator: Accelerator,
) -> State:
    """Trains the student to the end of its schedule, from a checkpoint where there is one.

    Args:
        student: In fp32; it is changed.
        teacher: In evaluation mode; None where the labels alone count.
        objective: What is learnt, and from what.
        settings: Of the run.
        cadence: Of evaluations and checkpoints.
        folder: Takes the best student and the checkpoints.
        journal: Records each update.
        accelerator: Knows the processes and the device.

    Raises:
        InputError: The loss is no number; the last checkpoint stays.
    """
    updater = Updater(student, teacher, objective, settings, accelerator)
    state = folder.resume(updater.resumable, process=accelerator.process_index) or State()
    journal.begin(state.step)
    for batch in objective.batches(state.position):
        if state.step >= settings.steps:
            break
        losses = updater.update(batch, step=state.step + 1)
        state.step += 1
        state.position = batch.after
        journal.update(state.step, losses, learning_rate=updater.learning_rate)
        done = state.step == settings.steps
        if done or state.step % cadence.evaluate == 0:
            scores = updater.evaluate()
            journal.evaluated(state.step, scores)
            if state.note(scores, metric=objective.metric):
                folder.save_student(updater.student, accelerator)
        if state.step % cadence.save == 0 and not done:
            journal.flush(state.step)  # a resumed run begins its means here, and so does this one
            folder.save_checkpoint(state, updater.resumable, accelerator)
    return state


class Updater:
    """Makes one update of the weights out of one batch."""

    def __init__(
        self,
        student: "PreTrainedModel",
        teacher: "PreTrainedModel | None",
        objective: Objective,
        settings: Settings,
        accelerator: Accelerator,
    ) -> None:
        self._objective = objective
        self._settings = settings
        self._accelerator = accelerator
        self._aligned = _aligned_layers(settings)
        self._teacher = teacher and teacher.to(accelerator.device).requires_grad_(False)
        self._inputs = input_names(student.config)
        student.get_input_embeddings().requires_grad_(not settings.freeze_embeddings)
        optimizer = torch.optim.AdamW(
            _parameter_groups(student, settings.weight_decay),
            lr=settings.learning_rate,
            fused=True,
        )
        self._student = student
        self._average = _moving_average(student, settings.ema_decay, accelerator)
        self.model, self._optimizer = accelerator.prepare(student.train(), optimizer)
        # Not prepared: accelerate would step it once for each process.
        self._schedule = torch.optim.lr_scheduler.LambdaLR(
            self._optimizer.optimizer, lambda step: schedule(step, settings)
        )

    @property
    def learning_rate(self) -> float:
        """The rate of the next update."""
        return float(self._schedule.get_last_lr()[0])

    @property
    def student(self) -> "PreTrainedModel":
        """The network that is judged and saved: the average where there is one."""
        return cast("PreTrainedModel", self._average.module) if self._average else self._student

    @property
    def resumable(self) -> Resumable:
        """All that an update changes."""
        return Resumable(
            student=self._student,
            average=self._average,
            optimizer=self._optimizer.optimizer,
            schedule=self._schedule,
            scaler=self._accelerator.scaler,
        )

    def update(self, batch: Batch, *, step: int) -> dict[str, float]:
        """Makes one update, and returns the losses that it was made for.

        Args:
            batch: Of all processes; each takes its rows.
            step: For the message if the loss is no number.
        """
        accelerator, settings = self._accelerator, self._settings
        num_terms = self._objective.num_terms(batch)
        totals: dict[str, Tensor] = {}
        for number in range(settings.accumulate):
            part = batch.rows(self._rows(number)).to(accelerator.device)
            is_last = number == settings.accumulate - 1
            with contextlib.nullcontext() if is_last else accelerator.no_sync(self.model):
                losses = self._losses(part, num_terms)
                # Processes are averaged, and the loss of the whole batch is a sum.
                accelerator.backward(self._weighted(losses) * accelerator.num_processes)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + value.detach()
        reported = self._reported(totals)
        if not math.isfinite(reported["loss"]):
            raise _diverged(reported, batch, step)
        accelerator.clip_grad_norm_(self.model.parameters(), MAX_GRAD_NORM)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self._schedule.step()
        if self._average:
            self._average.update_parameters(self._student)
        return reported

    def evaluate(self) -> dict[str, float]:
        """Returns the figures of the held-out data, each process reading its share."""
        accelerator = self._accelerator
        model: torch.nn.Module = self.student
        model.eval()
        part = slice(accelerator.process_index, None, accelerator.num_processes)
        results = gather_object(self._objective.evaluate(model, part=part))
        self.model.train()
        return self._objective.score(results)

    def _rows(self, number: int) -> slice:
        """Returns this process's rows of an accumulated part."""
        stride = self._settings.accumulate * self._accelerator.num_processes
        first = number * self._accelerator.num_processes + self._accelerator.process_index
        return slice(first, None, stride)

    def _losses(self, part: Batch, num_terms: Mapping[str, float]) -> dict[str, Tensor]:
        """Returns this part's share of each mean over the whole batch."""
        weights, objective = self._settings.weights, self._objective
        wants_hidden = weights.cosine > 0
        outputs = self.model(
            **{name: part.inputs[name] for name in self._inputs},
            output_hidden_states=wants_hidden,
        )
        sums = {}
        if weights.hard > 0:
            sums["hard"] = objective.hard_loss(outputs, part)
        if weights.needs_teacher:
            taught = self._teach(part, wants_hidden)
        if weights.soft > 0:
            sums["soft"] = objective.soft_loss(
                outputs, taught, part, temperature=self._settings.temperature
            )
        if wants_hidden:
            sums["cosine"] = torch.stack(
                [
                    cosine_loss(
                        student=outputs.hidden_states[own + 1].float(),
                        teacher=taught.hidden_states[theirs + 1].float(),
                        mask=part.inputs["attention_mask"],
                    )
                    for own, theirs in self._aligned
                ]
            ).mean()
        return {name: value / num_terms[name] for name, value in sums.items()}

    @torch.no_grad()
    def _teach(self, part: Batch, wants_hidden: bool) -> Any:
        assert self._teacher is not None
        names = input_names(self._teacher.config)
        with self._accelerator.autocast():
            return self._teacher(
                **{name: part.inputs[name] for name in names}, output_hidden_states=wants_hidden
            )

    def _weighted(self, losses: Mapping[str, Tensor]) -> Tensor:
        weights = self._settings.weights
        return torch.stack([getattr(weights, name) * value for name, value in losses.items()]).sum()

    def _reported(self, totals: Mapping[str, Tensor]) -> dict[str, float]:
        """Returns the losses over all processes."""
        names = list(totals)
        summed = self._accelerator.reduce(torch.stack([totals[name] for name in names]), "sum")
        losses = dict(zip(names, summed.tolist(), strict=True))
        weights = self._settings.weights
        return {"loss": sum(getattr(weights, name) * losses[name] for name in names), **losses}


def schedule(step: int, settings: Settings) -> float:
    """Returns the share of the peak learning rate: a linear rise, then a linear fall to zero."""
    warmup_steps = max(1, round(settings.warmup * settings.steps))
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    return (settings.steps - step) / max(1, settings.steps - warmup_steps)


def _moving_average(
    student: "PreTrainedModel", decay: float, accelerator: Accelerator
) -> AveragedModel | None:
    """Returns the average that begins with the student's weights."""
    if not decay:
        return None
    update = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
    average = AveragedModel(student, device=accelerator.device, multi_avg_fn=update)
    average.n_averaged += 1  # else the first update would replace what the student starts from
    return average


def _aligned_layers(settings: Settings) -> list[tuple[int, int]]:
    """Returns pairs of a student's and a teacher's layer whose outputs are compared."""
    pairs = list(enumerate(settings.layer_map))
    return pairs if settings.align == "all" else pairs[-1:]


def _parameter_groups(student: torch.nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Returns matrices with weight decay, and biases and norms without."""
    trained = [parameter for parameter in student.parameters() if parameter.requires_grad]
    return [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]


def _diverged(losses: Mapping[str, float], batch: Batch, step: int) -> InputError:
    parts = ", ".join(f"{name} {value}" for name, value in losses.items())
    return InputError(
        f"the loss is no number at step {step} ({parts}); the batch holds {', '.join(batch.names)}",
        hint="lower --learning-rate, and go on from the last checkpoint in a new folder",
    )
