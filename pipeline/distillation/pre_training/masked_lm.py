"""Masked-language modelling on raw text that streams from the disk.

A tenth of what is masked keeps its word and a tenth gets another one, as in BERT; what is masked is
drawn afresh each time that a line is read, as in RoBERTa and DistilBERT. There is no next-sentence
task.

Source: Devlin et al. 2019, appendix A.1; Liu et al. 2019 (arXiv 1907.11692), section 4.1.
"""

import glob
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from datasets import IterableDataset, load_dataset
from tokenizers import Tokenizer
from torch import Tensor

from converters.values.errors import InputError
from pipeline.distillation.losses import hard_target_loss, soft_target_loss
from pipeline.distillation.objective import Batch, Position, pad, seeded
from pipeline.tokenizer.tokenization import SPECIAL_TOKENS, special_id

MASKED_SHARE = 0.15
KEPT_SHARE = RANDOM_SHARE = 0.1
MIN_TOKENS = 12
"""Shorter lines, special tokens counted in, teach nothing and are left out, as by the authors."""

SHUFFLE_BUFFER = 10_000
"""Lines that are held to be shuffled; this, and not the corpus, decides the memory."""

NOT_ASKED = -100

NAME_CHARS = 40
"""Of a line, to find it again: its number would be that of the shuffled order."""


@dataclass(frozen=True, kw_only=True)
class _Sequence:
    """A piece of a line with its special tokens, and where the next one stands."""

    name: str
    ids: list[int]
    after: Position


class MaskedLanguageObjective:
    """Words that were masked, on lines of text files."""

    metric = "masked_accuracy"
    batches_per_epoch = None

    def __init__(
        self,
        files: Sequence[Path],
        *,
        evaluation: Path | None,
        num_held_out: int,
        tokenizer: Tokenizer,
        batch_size: int,
        max_seq_len: int,
        seed: int,
    ) -> None:
        self._tokenizer = tokenizer
        self._batch_size = batch_size
        self._max_seq_len = max_seq_len
        self._seed = seed
        self._mask_id = special_id(tokenizer, "[MASK]")
        special = [special_id(tokenizer, name) for name in SPECIAL_TOKENS]
        self._special = torch.tensor([*special, self._mask_id])
        self._files = files if evaluation is None else (*files, evaluation)
        lines = _stream(files)
        apart = lines.take(num_held_out) if evaluation is None else _stream([evaluation])
        self._lines = lines.skip(num_held_out) if evaluation is None else lines
        held_out = [
            sequence.ids
            for number, text in enumerate(self._texts(apart))
            for sequence in self._sequences(text, epoch=0, line=number)
        ]
        if not held_out:
            raise InputError(
                "there is no text to judge the student by",
                hint=f"give lines of {MIN_TOKENS} tokens or more, by --eval-data or --held-out",
            )
        if not any(self._sequences(text, epoch=0, line=0) for text in self._texts(self._lines)):
            raise InputError(
                f"the text holds no line of {MIN_TOKENS} tokens or more to train on",
                hint="give running text, a paragraph a line, or more of it than --held-out takes",
            )
        held_out.sort(key=len)
        self._held_out = [
            self._mask(held_out[i : i + batch_size], seed=(seed, i), names=(), after={})
            for i in range(0, len(held_out), batch_size)
        ]

    def batches(self, start: Position | None) -> Iterator[Batch]:
        """Yields batches in the order of a shuffling buffer that the seed decides."""
        stream = self._stream_from(start or {"epoch": 0, "line": 0, "sequence": 0})
        while True:
            rows = list(itertools.islice(stream, self._batch_size))
            after = rows[-1].after
            yield self._mask(
                [row.ids for row in rows],
                seed=(self._seed, *after.values()),
                names=tuple(row.name for row in rows),
                after=after,
            )

    def _stream_from(self, start: Position) -> Iterator[_Sequence]:
        line, sequence = start["line"], start["sequence"]
        for epoch in itertools.count(start["epoch"]):
            lines = self._lines.shuffle(seed=self._seed + epoch, buffer_size=SHUFFLE_BUFFER)
            for number, text in enumerate(self._texts(lines.skip(line)), start=line):
                yield from self._sequences(text, epoch=epoch, line=number)[sequence:]
                sequence = 0
            line = 0

    def _texts(self, lines: IterableDataset) -> Iterator[str]:
        try:
            for line in lines:
                yield line["text"]
        except UnicodeDecodeError:
            _check_utf8(self._files)
            raise

    def _sequences(self, text: str, *, epoch: int, line: int) -> list[_Sequence]:
        """Returns a line cut into pieces, each with its special tokens."""
        room = self._max_seq_len - 2
        cls, sep = (special_id(self._tokenizer, name) for name in ("[CLS]", "[SEP]"))
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        pieces = [ids[i : i + room] for i in range(0, len(ids), room)]
        kept = [[cls, *piece, sep] for piece in pieces if len(piece) + 2 >= MIN_TOKENS]
        return [
            _Sequence(
                name=repr(text[:NAME_CHARS]),
                ids=piece,
                after={"epoch": epoch, "line": line, "sequence": number + 1},
            )
            for number, piece in enumerate(kept)
        ]

    def _mask(
        self,
        rows: list[list[int]],
        *,
        seed: tuple[int, ...],
        names: tuple[str, ...],
        after: Position,
    ) -> Batch:
        """Returns a batch with words masked by random numbers that the seed decides."""
        generator = torch.Generator().manual_seed(seeded(*seed).getrandbits(63))
        ids = pad(rows, value=special_id(self._tokenizer, "[PAD]"))
        attention = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            attention[index, : len(row)] = 1
        words = (attention == 1) & ~torch.isin(ids, self._special)
        chosen = words & (torch.rand(ids.shape, generator=generator) < MASKED_SHARE)
        fate = torch.rand(ids.shape, generator=generator)
        others = torch.randint(self._tokenizer.get_vocab_size(), ids.shape, generator=generator)
        masked = torch.where(chosen & (fate >= KEPT_SHARE), self._mask_id, ids)
        masked = torch.where(chosen & (fate >= 1 - RANDOM_SHARE), others, masked)
        return Batch(
            names=names,
            inputs={
                "input_ids": masked,
                "attention_mask": attention,
                "token_type_ids": torch.zeros_like(ids),
            },
            targets=torch.where(chosen, ids, NOT_ASKED),
            after=after,
        )

    def num_terms(self, batch: Batch) -> Mapping[str, float]:
        """Returns a hard term for each masked word, and a soft one for each token."""
        tokens = float(batch.inputs["attention_mask"].sum())
        asked = float((batch.targets != NOT_ASKED).sum())
        return {"soft": tokens, "hard": max(asked, 1.0), "cosine": tokens}

    def soft_loss(self, outputs: Any, taught: Any, batch: Batch, *, temperature: float) -> Tensor:
        """Returns the divergence of all tokens from the teacher's, as the authors compute it."""
        return soft_target_loss(
            student=self.logits(outputs, batch),
            teacher=self.logits(taught, batch),
            temperature=temperature,
        )

    def logits(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns the logits of all tokens, as the authors compare them, ``(tokens, words)``."""
        logits: Tensor = outputs.logits[batch.inputs["attention_mask"] == 1]
        return logits.float()

    def hard_loss(self, outputs: Any, batch: Batch) -> Tensor:
        """Returns the cross entropy of the masked words, summed."""
        asked = batch.targets != NOT_ASKED
        return hard_target_loss(student=outputs.logits[asked].float(), targets=batch.targets[asked])

    @torch.no_grad()
    def evaluate(self, model: torch.nn.Module, *, part: slice) -> list[tuple[int, float, int]]:
        """Returns hits, loss and number of the masked words, for each batch of a share."""
        device = next(model.parameters()).device
        results = []
        for batch in self._held_out[part]:
            moved = batch.to(device)
            outputs = model(
                input_ids=moved.inputs["input_ids"], attention_mask=moved.inputs["attention_mask"]
            )
            asked = moved.targets != NOT_ASKED
            logits, words = outputs.logits[asked].float(), moved.targets[asked]
            hits = int((logits.argmax(-1) == words).sum())
            loss = float(self.hard_loss(outputs, moved))
            results.append((hits, loss, len(words)))
        return results

    def score(self, results: list[tuple[int, float, int]]) -> dict[str, float]:
        """Returns the share of masked words that were found, in percent, and their loss."""
        count = max(1, sum(number for _, _, number in results))
        return {
            "masked_accuracy": 100 * sum(hits for hits, _, _ in results) / count,
            "masked_loss": sum(loss for _, loss, _ in results) / count,
        }


def _stream(files: Sequence[Path]) -> IterableDataset:
    """Returns the lines of text files, read as they are asked for."""
    for path in files:
        if not path.is_file():
            raise InputError(f"there is no text file {path}", hint="check the path")
    return load_dataset(
        "text",
        data_files=[glob.escape(str(path)) for path in files],  # the library reads patterns
        split="train",
        streaming=True,
    )


def _check_utf8(files: Sequence[Path]) -> None:
    """Raises InputError with the first line that is not UTF-8: the library tells no file."""
    for path in files:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                try:
                    line.decode()
                except UnicodeDecodeError as err:
                    raise InputError(
                        f"{path}, line {number} is not UTF-8: {err.reason} at byte {err.start}",
                        hint="save the file as UTF-8",
                    ) from err
