"""What a model that is trained for a task is judged by: examples that it never learns from."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer

from pipeline.tasks.task import Row, Task

LENGTHS = (32, 64, 128, 192, 256, 320, 384)
"""To which rows are padded; the longest that is read comes last."""

_BATCH = 16
"""Rows that are read at once."""


class HeldOut:
    """Examples of a task, read and answered as by ``pocketbert eval``."""

    def __init__(
        self,
        examples: Sequence[Any],
        *,
        task: Task,
        tokenizer: Tokenizer,
        input_names: tuple[str, ...],
        max_seq_len: int,
    ) -> None:
        """Prepares the rows.

        Args:
            examples: Labelled ones that can be read, each with an id of its own.
            task: Of the model that is judged.
            tokenizer: The model's.
            input_names: What the model takes.
            max_seq_len: Tokens in a row at most.
        """
        self._examples, self._task = examples, task
        self._outputs = [spec.name for spec in task.outputs]
        lengths = (*(each for each in LENGTHS if each < max_seq_len), max_seq_len)
        self._encoded = [
            task.encode(
                each,
                tokenizer=tokenizer,
                input_names=input_names,
                seq_lens=lengths,
            )
            for each in examples
        ]

    @torch.no_grad()
    def answers(self, model: torch.nn.Module, *, part: slice) -> list[tuple[str, Any]]:
        """Returns a model's answers to a share of the examples, by their ids."""
        examples, encoded = self._examples[part], self._encoded[part]
        rows = [
            (row, number, place)
            for number, each in enumerate(encoded)
            for place, row in enumerate(each.rows)
        ]
        rows.sort(key=lambda row: row[0].seq_len)
        outputs: list[dict[int, Mapping[str, np.ndarray]]] = [{} for _ in examples]
        for _, same_length in itertools.groupby(rows, key=lambda row: row[0].seq_len):
            group = list(same_length)
            for begin in range(0, len(group), _BATCH):
                chunk = group[begin : begin + _BATCH]
                given = self._run(model, [row for row, _, _ in chunk])
                for one, (_, number, place) in zip(given, chunk, strict=True):
                    outputs[number][place] = one
        return [
            (example.id, self._task.decode(each, [given[i] for i in sorted(given)]))
            for example, each, given in zip(examples, encoded, outputs, strict=True)
        ]

    def score(self, answers: list[tuple[str, Any]]) -> dict[str, float]:
        """Returns the task's scores in per cent, of the answers to all examples."""
        return self._task.scores(dict(answers), self._examples)

    def _run(self, model: torch.nn.Module, rows: Sequence[Row]) -> list[Mapping[str, np.ndarray]]:
        """Returns the outputs of rows of one length, each with an axis of one row."""
        device = next(model.parameters()).device
        inputs = {
            name: torch.from_numpy(np.concatenate([row.inputs[name] for row in rows])).long()
            for name in rows[0].inputs
        }
        outputs = model(**{name: value.to(device) for name, value in inputs.items()})
        values = {name: getattr(outputs, name).float().cpu().numpy() for name in self._outputs}
        return [
            {name: value[place : place + 1] for name, value in values.items()}
            for place in range(len(rows))
        ]
