"""Question answering: where an answer starts and ends."""

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import Tensor

from converters.values.errors import InputError
from pipeline.distillation.held_out import HeldOut
from pipeline.distillation.losses import hard_target_loss, soft_target_loss
from pipeline.distillation.models import STUDENT_INPUTS
from pipeline.distillation.objective import Batch, Position, pad, pooled, seeded
from pipeline.distillation.question_answering.rows import Row, Source
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.squad import Question
from pipeline.tokenizer.tokenization import second_type, special_id

_MASKED = -1e4
"""Logit of padding. Finite, so that no difference of two of them is NaN."""


class SpanObjective:
    """Start and end of the answer, on questions from any number of sources."""

    metric = "f1"

    def __init__(
        self,
        sources: Sequence[Source],
        *,
        held_out: Sequence[Question],
        tokenizer: Tokenizer,
        input_names: tuple[str, ...] = STUDENT_INPUTS,
        batch_size: int,
        max_seq_len: int,
        no_answer_share: float = 0.0,
        seed: int,
    ) -> None:
        """Takes the sources, and how the rows are drawn from them; see ``Settings``."""
        self._sources = sources
        self._ends = list(itertools.accumulate(len(source) for source in sources))
        self._batch_size = batch_size
        self._max_seq_len = max_seq_len
        self._no_answer_share = no_answer_share
        self._seed = seed
        self._pad = special_id(tokenizer, "[PAD]")
        self._second_type = second_type(tokenizer)
        # Numbered, as ids are only unique within a file.
        numbered = [replace(each, id=str(number)) for number, each in enumerate(held_out)]
        self._held_out = HeldOut(
            numbered,
            task=QuestionAnswering(),
            tokenizer=tokenizer,
            input_names=input_names,
            max_seq_len=max_seq_len,
        )
        if self.num_examples < batch_size:
            raise InputError(
                f"the data holds {self.num_examples} examples, and a batch takes {batch_size}",
                hint="give more data, or a smaller --batch-size or --held-out",
            )

    @property
    def num_examples(self) -> int:
        """Examples in an epoch."""
        return sum(len(source) for source in self._sources)

    @property
    def batches_per_epoch(self) -> int:
        """Whole batches; the few examples that are left over come in another epoch."""
        return self.num_examples // self._batch_size

    def batches(self, start: Position | None) -> Iterator[Batch]:
        """Yields batches of rows of similar length, in an order that the seed decides."""
        drawn = pooled(
            self._draw,
            num_examples=self.num_examples,
            batch_size=self._batch_size,
            seed=self._seed,
            start=start,
        )
        for rows, after in drawn:
            yield self._batch(rows, after=after)

    def _draw(self, index: int, epoch: int) -> Row:
        which = bisect.bisect_right(self._ends, index)
        source = self._sources[which]
        begin = self._ends[which] - len(source)
        rng = seeded(self._seed, epoch, index)
        if self._no_answer_share and rng.random() < self._no_answer_share:
            row = source.draw_without_answer(index - begin, rng=rng, max_seq_len=self._max_seq_len)
            if row is not None:
                return row
        return source.draw(index - begin, rng=rng, max_seq_len=self._max_seq_len)

    def _batch(self, rows: Sequence[Row], *, after: Position) -> Batch:
        ids = pad([row.ids for row in rows], value=self._pad)
        mask, types = torch.zeros_like(ids), torch.zeros_like(ids)
        targets = torch.zeros(*ids.shape, 2)
        for index, row in enumerate(rows):
            mask[index, : len(row.ids)] = 1
            types[index, row.first : len(row.ids)] = self._second_type
            for first, last in row.spans:
                targets[index, first, 0] += 1 / len(row.spans)
                targets[index, last, 1] += 1 / len(row.spans)
        return Batch(
            names=tuple(row.name for row in rows),
            inputs={"input_ids": ids, "attention_mask": mask, "token_type_ids": types},
            targets=targets,
            after=after,
        )

    def num_terms(self, batch: Batch) -> Mapping[str, float]:
        """Returns two terms for each example, its start and its end, and one for each token."""
        positions = 2.0 * len(batch.names)
        tokens = float(batch.inputs["attention_mask"].sum())
        return {"soft": positions, "hard": positions, "cosine": tokens}

    def soft_loss(self, outputs: Any, taught: Any, batch: Batch, *, temperature: float) -> Tensor:
        """Returns the divergence of start and end from the teacher's, summed."""
        return soft_target_loss(
            student=self.logits(outputs, batch),
            teacher=self.logits(taught, batch),
            temperature=temperature,
        )

    def logits(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns start and end logits over the tokens, ``(2 * batch, seq_len)``."""
        both = torch.cat([outputs.start_logits, outputs.end_logits]).float()
        padding = batch.inputs["attention_mask"] == 0
        return both.masked_fill(torch.cat([padding, padding]), _MASKED)

    def hard_loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns the cross entropy of start and end, summed."""
        targets = torch.cat([batch.targets[..., 0], batch.targets[..., 1]])
        return hard_target_loss(student=self.logits(outputs, batch), targets=targets)

    def evaluate(self, model: torch.nn.Module, *, part: slice) -> list[tuple[str, Any]]:
        """Returns the answers to a share of the held-out questions, by number."""
        return self._held_out.answers(model, part=part)

    def score(self, results: list[tuple[str, Any]]) -> dict[str, float]:
        """Returns exact match and F1 in percent; "no answer" counts where the data has it."""
        return self._held_out.score(results)
