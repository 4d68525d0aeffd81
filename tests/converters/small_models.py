"""Small random question-answering models, and how they become Core ML packages."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from torch import nn

from converters.workarounds import coremltools_without_frameworks

with coremltools_without_frameworks():
    import coremltools as ct

SEQ_LEN = 24
WIDTH = 64
VOCAB_SIZE = 120

_SMALL = {
    "vocab_size": VOCAB_SIZE, "max_position_embeddings": 32, "initializer_range": 0.2,
    "attn_implementation": "eager",
}  # fmt: skip
_BERT = {
    **_SMALL, "hidden_size": WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 128,
}  # fmt: skip
ARCHITECTURES = {
    "distilbert": lambda: transformers.DistilBertForQuestionAnswering(
        transformers.DistilBertConfig(
            dim=WIDTH, n_layers=2, n_heads=4, hidden_dim=128, **_SMALL
        )
    ),
    "bert": lambda: transformers.BertForQuestionAnswering(transformers.BertConfig(**_BERT)),
    "mobilebert": lambda: transformers.MobileBertForQuestionAnswering(
        transformers.MobileBertConfig(
            # Without layer norms, larger weights would grow beyond what fp16 holds.
            **{**_BERT, "initializer_range": 0.05},
            embedding_size=32, intra_bottleneck_size=32, true_hidden_size=32,
        )
    ),
    "electra": lambda: transformers.ElectraForQuestionAnswering(
        transformers.ElectraConfig(**_BERT, embedding_size=32)
    ),
}  # fmt: skip
INPUT_NAMES = {
    name: ("input_ids", "attention_mask", "token_type_ids")[: 2 if name == "distilbert" else 3]
    for name in ARCHITECTURES
}
OUTPUT_NAMES = ("start_logits", "end_logits")


class WithMask(nn.Module):
    """Gives the encoder a ready additive mask, which every converter can trace."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        mask = (1.0 - attention_mask[:, None, None, :].float()) * -1e4
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        out = self.model(input_ids=input_ids, attention_mask=mask, **types)
        return out.start_logits, out.end_logits


def make_inputs(
    architecture: str, *, seq_len: int = SEQ_LEN, seed: int = 0
) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    inputs = {
        "input_ids": rng.integers(0, VOCAB_SIZE, (1, seq_len)),
        "attention_mask": (np.arange(seq_len) < seq_len - 5)[None],
        "token_type_ids": (np.arange(seq_len) > 7)[None],
    }
    return {name: inputs[name].astype(np.int32) for name in INPUT_NAMES[architecture]}


def run_pytorch(model: nn.Module, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with torch.inference_mode():
        outputs = model(*(torch.from_numpy(array) for array in inputs.values()))
    return {name: out.numpy() for name, out in zip(OUTPUT_NAMES, outputs, strict=True)}


def convert(
    model: nn.Module,
    architecture: str,
    *,
    fp16: bool,
    target: ct.target = ct.target.iOS17,
    dynamic_shapes: Any = None,
    shape: Any = (1, SEQ_LEN),
) -> ct.models.MLModel:
    program = export(model, architecture, dynamic_shapes=dynamic_shapes)
    program = program.run_decompositions({})
    return convert_program(program, architecture, fp16=fp16, target=target, shape=shape)


def export(
    model: nn.Module, architecture: str, *, seq_len: int = SEQ_LEN, dynamic_shapes: Any = None
) -> torch.export.ExportedProgram:
    inputs = make_inputs(architecture, seq_len=seq_len)
    example = tuple(torch.from_numpy(array) for array in inputs.values())
    return torch.export.export(model, example, dynamic_shapes=dynamic_shapes)


def convert_program(
    program: torch.export.ExportedProgram,
    architecture: str,
    *,
    fp16: bool,
    target: ct.target,
    shape: Any = (1, SEQ_LEN),
) -> ct.models.MLModel:
    return ct.convert(
        program,
        minimum_deployment_target=target,
        compute_precision=ct.precision.FLOAT16 if fp16 else ct.precision.FLOAT32,
        inputs=[
            ct.TensorType(name=name, shape=shape, dtype=np.int32)
            for name in INPUT_NAMES[architecture]
        ],
        outputs=[ct.TensorType(name=name, dtype=np.float32) for name in OUTPUT_NAMES],
        skip_model_load=True,
    )


def save(model: ct.models.MLModel, folder: Path) -> Path:
    path = folder / "model.mlpackage"
    model.save(str(path))
    return path


def worst(actual: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> float:
    assert actual.keys() == expected.keys()
    assert all(actual[name].shape == expected[name].shape for name in expected)
    return max(float(np.abs(actual[name] - expected[name]).max()) for name in expected)


def largest(expected: dict[str, np.ndarray]) -> float:
    return max(float(np.abs(array).max()) for array in expected.values())


def size_bytes(path: Path) -> int:
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
