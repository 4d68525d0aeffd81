"""Writes the corpus: a network of one block, for every backend at every precision.

    python -m tests.fuzz.make_corpus

The files are kept, so that a seed and a case number mean the same bytes on every machine. They are
small, so that 100,000 of them are read in minutes.
"""

import shutil
import tempfile
from pathlib import Path

import torch
from tokenizers import Tokenizer
from tokenizers.implementations import BertWordPieceTokenizer
from torch import nn

from converters import backends
from converters.values.precision import FIXED_PRECISIONS
from converters.values.program import TracedModel, dynamic_shapes, sample_inputs
from pipeline.running.jobs import Job, run_jobs
from tests.converters.conversion import convert_each
from tests.fuzz.mutate import CORPUS
from tests.students import save_tokenizer

WIDTH = 32
"""The columns that share a scale at four bits."""

SEQ_LENS = {"fp32": (8,), "fp16": (8,), "int8": (8, 16), "int4": (8,)}
"""By precision. Two make two functions where a format has them, and take twice as long to read."""

_NUM_POSITIONS = 16
_INPUTS = ("input_ids", "attention_mask")
_OUTPUTS = ("start_logits", "end_logits")
_LETTERS = "abcdefghijklm"
_WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_LETTERS, *(f"##{c}" for c in _LETTERS)]


class Block(nn.Module):
    """What an encoder has, once: an embedding, a norm, products of two kinds, a head.

    Its weights are called as a student's are, for the recipe goes by names.
    """

    def __init__(self) -> None:
        super().__init__()
        tables = {
            "word_embeddings": nn.Embedding(len(_WORDS), WIDTH),
            "position_embeddings": nn.Embedding(_NUM_POSITIONS, WIDTH),
        }
        self.register_buffer("positions", torch.arange(_NUM_POSITIONS)[None])
        ffn = nn.ModuleDict({"ffn": nn.Linear(WIDTH, WIDTH)})
        self.model = nn.ModuleDict(
            {
                "embeddings": nn.ModuleDict(tables),
                "layer": nn.ModuleList([ffn]),
                "norm": nn.LayerNorm(WIDTH),
                "head": nn.Linear(WIDTH, len(_OUTPUTS)),
            }
        )

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        tables = self.model["embeddings"]
        positions = self.positions[:, : input_ids.shape[1]]
        states = tables["word_embeddings"](input_ids) + tables["position_embeddings"](positions)
        states = self.model["norm"](states)  # (1, seq_len, WIDTH)
        scores = states @ states.transpose(1, 2) + (attention_mask[:, None].float() - 1.0) * 1e4
        states = states + scores.softmax(-1) @ states
        states = self.model["layer"][0]["ffn"](states).relu()
        start, end = self.model["head"](states).unbind(-1)
        return dict(zip(_OUTPUTS, (start, end), strict=True))


def main() -> None:
    """Makes the artifacts, and the tokenizer's files."""
    shutil.rmtree(CORPUS, ignore_errors=True)
    CORPUS.mkdir()
    vocabulary = {word: index for index, word in enumerate(_WORDS)}
    tokenizer = BertWordPieceTokenizer(vocab=vocabulary)
    save_tokenizer(Tokenizer.from_str(tokenizer.to_str()), CORPUS)
    with tempfile.TemporaryDirectory() as work:
        for precision, seq_lens in SEQ_LENS.items():
            _trace(seq_lens).save(Path(work, f"{precision}.pt2"))
        for backend in backends.BACKENDS:
            for precision in FIXED_PRECISIONS:
                folder = Path(work, backend, precision)
                folder.mkdir(parents=True)
                arguments = {
                    "program": Path(work, f"{precision}.pt2"), "backend": backend,
                    "precisions": (precision,), "folder": folder, "left_out": (),
                    "compute_units": "all",
                }  # fmt: skip
                job = Job(name=f"convert {backend}", function=convert_each, arguments=arguments)
                path = run_jobs([job], max_parallel=1)[0].get()[precision].path
                shutil.move(path, CORPUS / f"{precision}{path.suffix}")
    for not_core_ml in CORPUS.glob("*.mlpackage/executorch_*"):
        not_core_ml.unlink()


def _trace(seq_lens: tuple[int, ...]) -> TracedModel:
    torch.manual_seed(0)
    program = torch.export.export(
        Block().eval(), (), sample_inputs(_INPUTS, seq_len=seq_lens[-1]),
        dynamic_shapes=dynamic_shapes(_INPUTS, seq_lens), strict=False,
    )  # fmt: skip
    return TracedModel(
        program=program, input_names=_INPUTS, output_names=_OUTPUTS, seq_lens=seq_lens
    )


if __name__ == "__main__":
    main()
