"""Question answering: where an answer starts and ends."""

import bisect
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer
from torch import Tensor

from converters.values.errors import InputError
from pipeline.distillation.losses import hard_target_loss, soft_target_loss
from pipeline.distillation.objective import Batch, Position, pad, pooled, seeded
from pipeline.distillation.question_answering.rows import Row, Source
from pipeline.tasks.question_answering import spans
from pipeline.tasks.question_answering.squad import Question, score
from pipeline.tasks.task import Row as InputRow
from pipeline.tokenizer.tokenization import second_type, special_id

EVALUATION_LENGTHS = (64, 128, 192, 256, 320, 384)
EVALUATION_BATCH = 16
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
        input_names: tuple[str, ...],
        batch_size: int,
        max_seq_len: int,
        seed: int,
    ) -> None:
        self._sources = sources
        self._ends = list(itertools.accumulate(len(source) for source in sources))
        self._batch_size = batch_size
        self._max_seq_len = max_seq_len
        self._seed = seed
        self._pad = special_id(tokenizer, "[PAD]")
        self._second_type = second_type(tokenizer)
        lengths = (*(n for n in EVALUATION_LENGTHS if n < max_seq_len), max_seq_len)
        # Numbered, as ids are only unique within a file.
        numbered = [replace(each, id=str(number)) for number, each in enumerate(held_out)]
        self._held_out = [
            (
                example,
                spans.encode(
                    example,
                    tokenizer=tokenizer,
                    input_names=input_names,
                    seq_lens=lengths,
                ),
            )
            for example in numbered
        ]
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

    @torch.no_grad()
    def evaluate(self, model: torch.nn.Module, *, part: slice) -> list[tuple[str, str]]:
        """Returns the answers to a share of the held-out questions, by number."""
        examples = self._held_out[part]
        rows = [
            (row, number, place)
            for number, (_, encoded) in enumerate(examples)
            for place, row in enumerate(encoded.rows)
        ]
        rows.sort(key=lambda row: row[0].seq_len)
        outputs: list[dict[int, dict[str, np.ndarray]]] = [{} for _ in examples]
        for _, same_length in itertools.groupby(rows, key=lambda row: row[0].seq_len):
            group = list(same_length)
            for begin in range(0, len(group), EVALUATION_BATCH):
                chunk = group[begin : begin + EVALUATION_BATCH]
                logits = _run(model, [row for row, _, _ in chunk])
                for given, (_, number, place) in zip(logits, chunk, strict=True):
                    outputs[number][place] = given
        return [
            (example.id, spans.decode(encoded, [given[i] for i in sorted(given)]).text)
            for (example, encoded), given in zip(examples, outputs, strict=True)
        ]

    def score(self, results: list[tuple[str, str]]) -> dict[str, float]:
        """Returns exact match and F1 in percent."""
        found = score(dict(results), [example for example, _ in self._held_out])
        return {"exact_match": found.exact_match, "f1": found.f1}


def _run(model: torch.nn.Module, rows: Sequence[InputRow]) -> list[dict[str, np.ndarray]]:
    """Returns the logits of rows of one length, each ``(1, seq_len) float32``."""
    device = next(model.parameters()).device
    outputs = model(
        **{
            name: torch.from_numpy(np.concatenate([row.inputs[name] for row in rows]))
            .long()
            .to(device)
            for name in rows[0].inputs
        }
    )
    logits = {name: getattr(outputs, name).float().cpu().numpy() for name in spans.OUTPUT_NAMES}
    return [
        {name: value[place : place + 1] for name, value in logits.items()}
        for place in range(len(rows))
    ]
