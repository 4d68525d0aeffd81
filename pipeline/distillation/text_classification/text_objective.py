"""Text classification: a label, several, or a number for a text or a pair of texts."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from converters.values.errors import InputError
from pipeline.distillation.held_out import HeldOut
from pipeline.distillation.losses import (
    hard_labels_loss,
    hard_target_loss,
    soft_labels_loss,
    soft_target_loss,
    squared_error,
)
from pipeline.distillation.objective import Batch, Position, pad, pooled
from pipeline.distillation.text_classification.rows import TextRow
from pipeline.on_device.text_classification.rules import ProblemType
from pipeline.tasks.text_classification import TextClassification
from pipeline.tokenizer.tokenization import second_type, special_id

SEVERAL: ProblemType = "multi_label_classification"
NUMBER: ProblemType = "regression"

_HARD_LOSSES = {
    "single_label_classification": hard_target_loss,
    SEVERAL: hard_labels_loss,
    NUMBER: squared_error,
}


class TextObjective:
    """What is said of texts, by labels or by a teacher."""

    def __init__(
        self,
        rows: Sequence[TextRow],
        *,
        held_out: HeldOut,
        task: TextClassification,
        tokenizer: Tokenizer,
        batch_size: int,
        seed: int,
    ) -> None:
        self._rows = rows
        self._held_out = held_out
        self._problem_type = task.rules.problem_type
        self.metric = task.BUDGETED.name
        self._batch_size = batch_size
        self._seed = seed
        self._pad = special_id(tokenizer, "[PAD]")
        self._second_type = second_type(tokenizer)
        if len(rows) < batch_size:
            raise InputError(
                f"the data holds {len(rows)} examples, and a batch takes {batch_size}",
                hint="give more data, or a smaller --batch-size or --held-out",
            )

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches; the few examples that are left over come in another epoch."""
        return len(self._rows) // self._batch_size

    def batches(self, start: Position | None) -> Iterator[Batch]:
        """Yields batches of rows of similar length, in an order that the seed decides."""
        drawn = pooled(
            lambda number, epoch: self._rows[number],
            num_examples=len(self._rows),
            batch_size=self._batch_size,
            seed=self._seed,
            start=start,
        )
        for rows, after in drawn:
            yield self._batch(rows, after=after)

    def _batch(self, rows: Sequence[TextRow], *, after: Position) -> Batch:
        ids = pad([row.ids for row in rows], value=self._pad)
        mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
        for index, row in enumerate(rows):
            mask[index, : len(row.ids)] = 1
            types[index, row.second : len(row.ids)] = self._second_type
        return Batch(
            names=tuple(row.name for row in rows),
            inputs={"input_ids": ids, "attention_mask": mask, "token_type_ids": types},
            targets=torch.tensor([row.target for row in rows]),
            after=after,
        )

    def num_terms(self, batch: Batch) -> Mapping[str, float]:
        """Returns a term for each example, or for each of its labels where there are several."""
        width = batch.targets.shape[1] if self._problem_type == SEVERAL else 1
        asked = float(_is_labelled(batch).sum()) * width
        return {
            "soft": float(len(batch.names) * width),
            "hard": max(asked, 1.0),
            "cosine": float(batch.inputs["attention_mask"].sum()),
        }

    def soft_loss(self, outputs: Any, taught: Any, batch: Batch, *, temperature: float) -> Tensor:
        """Returns how far the outputs are from a teacher's, summed; numbers know no temperature."""
        del batch
        student, teacher = outputs.logits.float(), taught.logits.float()
        if self._problem_type == NUMBER:
            return squared_error(student=student, targets=teacher)
        loss = soft_labels_loss if self._problem_type == SEVERAL else soft_target_loss
        return loss(student=student, teacher=teacher, temperature=temperature)

    def hard_loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns how far the outputs are from the labels, where there are any, summed."""
        labelled = _is_labelled(batch)
        student, targets = outputs.logits[labelled].float(), batch.targets[labelled]
        return _HARD_LOSSES[self._problem_type](student=student, targets=targets)

    def evaluate(self, model: torch.nn.Module, *, part: slice) -> list[tuple[str, Any]]:
        """Returns what a model says of a share of the held-out texts, by number."""
        return self._held_out.answers(model, part=part)

    def score(self, results: list[tuple[str, Any]]) -> dict[str, float]:
        """Returns the task's scores in per cent."""
        return self._held_out.score(results)


def _is_labelled(batch: Batch) -> Tensor:
    return ~batch.targets.isnan().any(dim=1)  # (batch,)
