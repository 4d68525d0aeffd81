"""Writes and reads what an app needs to test itself on the phone that it runs on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from tokenizers import Tokenizer

from converters.values.artifact import Artifact
from converters.values.errors import InputError
from pipeline.bundle.manifest import (
    MAX_SEQ_LEN,
    MAX_TEXT_CHARACTERS,
    Inside,
    SeqLen,
    SeqLens,
    TokenId,
    canonical_json,
    json_value,
)
from pipeline.comparison.compare import Case, Outputs
from pipeline.comparison.thresholds import FP16_EXCESS_ON_ARM64, computes_in_halves, thresholds_of
from pipeline.on_device.wordpiece import utf16_offsets
from pipeline.tasks import Task
from pipeline.tasks.question_answering.squad import Question

MAX_VECTORS_BYTES = 64 * 10**6
"""A bundle's takes a few hundred thousand."""
MAX_VECTORS = 1_000
"""Texts, and questions. A reader runs them all."""
MAX_TOLERANCE = 100.0
"""Logits. Beyond it nothing is compared."""

NUM_VECTORS = 8
"""Enough to notice a wrong tokenizer, artifact or decoder, and done in a blink on a phone."""

TEXTS = (
    "Who built it, when -- and for £3.50?",
    "Élan naïve Ångström Çà et là: CAFÉ",
    "e\u0301le\u0300ve a\u0327\u0302 q\u0307\u0323",
    "İstanbul ΑΣ ΟΔΟΣ ß ﬁ Ǆ",
    "東京タワーは333 mです。",
    "서울특별시 각각",
    "\u202bשלום עולם\u202c مرحبا ١٢٣",
    "हिन्दी में नमस्ते ক্ষ",
    "👩\u200d👩\u200d👧\u200d👦 ok 👍🏽! 🇫🇮 𝒜𝓫𝔠 𐐀𐐨",
    "tab\there\u00a0and\u2009there\u3000line\r\nbreak\u0085",
    "zero\u200bwidth soft\u00adhyphen \ufeffbom \x00nul \ufffd",
    "[CLS] not [SEP] a row[MASK] [mask]",
    "antidisestablishmentarianism " + "x" * 101 + " " + "y" * 100,
    "don't e-mail_me@example.org/~a?b=1&c=[2]^{3}`|$€",
    "",
)
"""Each holds something that a tokenizer gets wrong easily."""

_MAX_LONG_CHARACTERS = 20_000

_LEAST_TOLERANCE = 1e-4
"""Logits: what another order of additions costs."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_Place = Annotated[int, Field(ge=0, le=2 * MAX_TEXT_CHARACTERS)]
"""In a text; a character outside of the first plane takes two units of UTF-16."""
_Span = tuple[_Place, _Place]
_Number = Annotated[float, Field(allow_inf_nan=False)]


class TextVector(_Part):
    """A text and its tokens; offsets in code points and in UTF-16 units."""

    text: str
    ids: tuple[TokenId, ...]
    offsets: tuple[_Span, ...]
    utf16_offsets: tuple[_Span, ...]


class WindowVector(_Part):
    """A row of input without its padding, and what the PyTorch student makes of it.

    ``offsets`` are those of its context tokens, in code points of the context.
    """

    seq_len: SeqLen
    input_ids: tuple[TokenId, ...] = Field(max_length=MAX_SEQ_LEN)
    offsets: tuple[_Span, ...] = Field(max_length=MAX_SEQ_LEN)
    start_logits: tuple[_Number | None, ...] = Field(max_length=MAX_SEQ_LEN)
    end_logits: tuple[_Number | None, ...] = Field(max_length=MAX_SEQ_LEN)


class AnswerVector(_Part):
    """The answer of the PyTorch student; ``start`` and ``end`` in code points of the context."""

    text: str
    start: _Place
    end: _Place
    utf16_start: _Place
    utf16_end: _Place
    score: _Number | None


class QuestionVector(_Part):
    """A question, its windows and its answer."""

    question: str
    context: str
    windows: tuple[WindowVector, ...] = Field(min_length=1)
    answer: AnswerVector
    other_answer_in: tuple[Inside, ...] = Field(
        description="Artifacts that were seen to answer otherwise when the bundle was built."
    )


class Vectors(_Part):
    """All that an app tests itself with."""

    texts: tuple[TextVector, ...] = Field(max_length=MAX_VECTORS)
    seq_lens: SeqLens = Field(description="Lengths that windows are cut for, ascending.")
    questions: tuple[QuestionVector, ...] = Field(max_length=MAX_VECTORS)
    tolerances: dict[Inside, Annotated[float, Field(ge=0, le=MAX_TOLERANCE)]] = Field(
        description="By artifact, the largest difference of a logit from the student's."
    )


def choose(examples: Sequence[Question]) -> list[Question]:
    """Returns questions from all over, and one whose context takes several windows."""
    chosen = list(examples[:: max(1, len(examples) // NUM_VECTORS)][:NUM_VECTORS])
    some = chosen[: NUM_VECTORS // 2]
    long = "\n".join(dict.fromkeys(example.context for example in some))[:_MAX_LONG_CHARACTERS]
    return [*chosen, Question(id="long", question=some[-1].question, context=long, answers=())]


def describe(
    cases: Sequence[Case],
    artifacts: Mapping[str, tuple[Artifact, Sequence[Sequence[Outputs]]]],
    *,
    seq_lens: tuple[int, ...],
    task: Task,
    tokenizer: Tokenizer,
) -> Vectors:
    """Returns what the student makes of each case, and what is to be expected of each artifact.

    Args:
        cases: What the PyTorch student made of each question.
        artifacts: By path inside the bundle, each with its outputs here; none where it did not run.
        seq_lens: The lengths that the windows of the cases were cut for.
        task: Decodes answers.
        tokenizer: The student's.
    """
    questions = []
    for index, case in enumerate(cases):
        others = [
            path
            for path, (_, outputs) in artifacts.items()
            if outputs and _span(task, case, outputs[index]) != (case.answer.start, case.answer.end)
        ]
        questions.append(_question(case, tuple(others)))
    return Vectors(
        texts=tuple(_text(text, tokenizer) for text in TEXTS),
        seq_lens=seq_lens,
        questions=tuple(questions),
        tolerances={
            path: _tolerance(artifact, cases, outputs)
            for path, (artifact, outputs) in artifacts.items()
        },
    )


def write(vectors: Vectors, path: Path) -> None:
    """Writes vectors as canonical JSON."""
    path.write_bytes(canonical_json(json_value(vectors.model_dump(mode="json"))))


def read(path: Path) -> Vectors:
    """Reads vectors.

    Raises:
        InputError: The file is absent, or damaged.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_VECTORS_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError) as err:
        raise InputError(f"no vectors at {path}", hint="build the bundle again") from err
    if len(raw) > MAX_VECTORS_BYTES:
        raise InputError(
            f"{path} takes more than {MAX_VECTORS_BYTES:,} bytes", hint="build the bundle again"
        )
    try:
        return Vectors.model_validate_json(raw)
    except ValidationError as err:
        first = err.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is damaged: {where}: {first['msg']}", hint="build the bundle again"
        ) from err


def _text(text: str, tokenizer: Tokenizer) -> TextVector:
    encoding = tokenizer.encode(text, add_special_tokens=False)
    return TextVector(
        text=text,
        ids=tuple(encoding.ids),
        offsets=tuple(encoding.offsets),
        utf16_offsets=utf16_offsets(text, encoding.offsets),
    )


def _question(case: Case, other_answer_in: tuple[str, ...]) -> QuestionVector:
    answer, context = case.answer, case.example.context
    ((utf16_start, utf16_end),) = utf16_offsets(context, [(answer.start, answer.end)])
    windows = tuple(
        WindowVector(
            seq_len=window.seq_len,
            input_ids=window.inputs["input_ids"][0, : window.num_tokens].tolist(),
            offsets=window.offsets,
            **{
                name: tuple(_rounded(value) for value in logits[0, : window.num_tokens])
                for name, logits in outputs.items()
            },
        )
        for window, outputs in zip(case.encoded.windows, case.outputs, strict=True)
    )
    return QuestionVector(
        question=case.example.question,
        context=context,
        windows=windows,
        answer=AnswerVector(
            text=answer.text,
            start=answer.start,
            end=answer.end,
            utf16_start=utf16_start,
            utf16_end=utf16_end,
            score=_rounded(answer.score),
        ),
        other_answer_in=other_answer_in,
    )


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None


def _span(task: Task, case: Case, outputs: Sequence[Outputs]) -> tuple[int, int]:
    answer = task.decode(case.encoded, outputs)
    return answer.start, answer.end


def _tolerance(
    artifact: Artifact, cases: Sequence[Case], outputs: Sequence[Sequence[Outputs]]
) -> float:
    """Returns twice the largest difference that was seen here, and never more than the gate.

    What a phone rounds otherwise counts as if it had been seen.
    """
    gate = thresholds_of(artifact).max_abs_diff
    seen = [
        float(np.abs(own[name] - logits)[0, : window.num_tokens].max())
        for case, rows in zip(cases, outputs, strict=bool(outputs))
        for window, reference, own in zip(case.encoded.windows, case.outputs, rows, strict=True)
        for name, logits in reference.items()
    ]
    if not seen or not np.isfinite(seen).all():
        return gate
    excess = FP16_EXCESS_ON_ARM64 if computes_in_halves(artifact) else 1.0
    return round(min(gate, max(_LEAST_TOLERANCE, 2 * excess * max(seen))), 6)
