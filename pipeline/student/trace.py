"""Turns a student into one exported program that every backend converts from."""

import torch
from torch import nn

from converters.values.errors import InputError
from converters.values.program import TracedModel, dynamic_shapes, sample_inputs
from pipeline.bundle.manifest_parts import MAX_SEQ_LEN, MAX_SEQ_LENS
from pipeline.running.one_at_a_time import ALONE
from pipeline.student.attention import one_row_attention
from pipeline.student.load import Student

MIN_SEQ_LEN = 8
"""Tokens. Two separators, the class token, and a word or two on either side of them."""

MASKED_SCORE = -1e4
"""Added to the attention score of a padding token, in logits.

Its exponential is exactly zero in every float format, and unlike ``finfo.min`` it stays finite in
fp16, where ``-inf`` minus ``-inf`` in the softmax is how converted encoders come to answer NaN.
"""


_NAME_IN_FILES = "pipeline.trace.ExportableEncoder"
"""Some files name tensors after the class that computes them. This stays what it was wherever the
class stands, so that a student gives the same bytes whichever version converts it."""


class ExportableEncoder(nn.Module):
    """A Transformers encoder behind a fixed signature that every converter can digest.

    Transformers builds its attention mask with operators that break converters. An encoder that is
    handed a finished 4-D mask skips all of that and computes the same numbers.
    """

    def __init__(self, model: nn.Module, *, output_names: tuple[str, ...]) -> None:
        super().__init__()
        self.model = model
        self.output_names = output_names

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        token_type_ids: torch.Tensor | None = None,
    ) -> dict[str, torch.Tensor]:
        """Returns the task's outputs by name.

        Args:
            input_ids: (batch, seq_len) integers.
            attention_mask: (batch, seq_len) integers, 1 for a token and 0 for padding. Every row
                holds at least one token.
            token_type_ids: (batch, seq_len) integers, where the encoder takes them.
        """
        dtype = next(self.model.parameters()).dtype
        mask = (1.0 - attention_mask.to(dtype))[:, None, None, :] * MASKED_SCORE  # (b, 1, 1, s)
        inputs = {"input_ids": input_ids, "attention_mask": mask}
        if token_type_ids is not None:
            inputs["token_type_ids"] = token_type_ids
        outputs = self.model(**inputs)
        return {name: outputs[name] for name in self.output_names}


def trace(student: Student, *, seq_lens: tuple[int, ...]) -> TracedModel:
    """Exports a student once, for all backends.

    Args:
        student: A loaded student in fp32.
        seq_lens: The lengths that its artifacts must serve, in tokens.

    Raises:
        InputError: A length is below ``MIN_SEQ_LEN`` or beyond the student's positions.
    """
    lengths = check_seq_lens(seq_lens, longest=student.max_seq_len)
    encoder = ExportableEncoder(student.model, output_names=student.output_names).eval()
    with ALONE, one_row_attention(student.model):
        program = torch.export.export(
            encoder,
            (),
            sample_inputs(student.input_names, seq_len=lengths[-1]),
            dynamic_shapes=dynamic_shapes(student.input_names, lengths),
            strict=False,
        )
    _name_as_in_files(program)
    return TracedModel(
        program=program,
        input_names=student.input_names,
        output_names=student.output_names,
        seq_lens=lengths,
    )


def _name_as_in_files(program: torch.export.ExportedProgram) -> None:
    """Lets no node of a program know in which module the encoder's class stands."""
    own = f"{ExportableEncoder.__module__}.{ExportableEncoder.__qualname__}"
    for node in program.graph.nodes:
        stack = node.meta.get("nn_module_stack", {})
        for key, (path, name) in stack.items():
            stack[key] = (path, _NAME_IN_FILES if name == own else name)


def check_seq_lens(seq_lens: tuple[int, ...], *, longest: int) -> tuple[int, ...]:
    """Returns the lengths in ascending order, each once.

    Raises:
        InputError: There is none, or one of them cannot be served.
    """
    longest = min(longest, MAX_SEQ_LEN)
    if not seq_lens:
        raise InputError("no sequence length was given", hint="for example: --seq-len 384")
    for length in seq_lens:
        if not MIN_SEQ_LEN <= length <= longest:
            raise InputError(
                f"sequence length {length} is outside what this student can serve",
                hint=f"choose lengths from {MIN_SEQ_LEN} to {longest}, its number of positions",
            )
    if len(set(seq_lens)) > MAX_SEQ_LENS:
        raise InputError(
            f"{len(set(seq_lens))} sequence lengths are more than an artifact can have",
            hint=f"choose {MAX_SEQ_LENS} or fewer",
        )
    return tuple(sorted(set(seq_lens)))
