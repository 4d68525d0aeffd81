"""Reads what a student learns question answering from."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tokenizers import Tokenizer

from converters.values.errors import InputError
from pipeline.distillation.faults import Faults
from pipeline.distillation.question_answering.qamr import QamrSource, is_qamr
from pipeline.distillation.question_answering.rows import Source
from pipeline.distillation.question_answering.span_objective import SpanObjective
from pipeline.distillation.question_answering.squad_data import (
    LabelledSpans,
    SquadSource,
    hold_out,
    read_labelled_spans,
)
from pipeline.distillation.settings import Data, Settings
from pipeline.tasks.examples import sort_out
from pipeline.tasks.question_answering import QuestionAnswering
from pipeline.tasks.question_answering.spans import OUTPUT_NAMES
from pipeline.tasks.question_answering.squad import Example, Question, read_squad

if TYPE_CHECKING:
    from pipeline.distillation.objective import Learner


def read_span_objective(
    data: Data, learner: "Learner", settings: Settings, faults: Faults
) -> SpanObjective:
    """Returns what a run learns from SQuAD files and QAMR folders; see ``read_objective``."""
    if data.unlabelled:
        raise InputError(
            "texts without labels hold no questions, and a teacher is asked nothing of them",
            hint="leave out --texts",
        )
    tokenizer = learner.tokenizer
    examples: list[LabelledSpans] = []
    sources: list[Source] = []
    for path in data.paths:
        if is_qamr(path):
            sources.append(QamrSource(path, tokenizer=tokenizer, faults=faults))
        else:
            examples += read_labelled_spans(path, faults)
    held_out: Sequence[Example]
    if data.evaluation is not None:
        held_out = read_squad(data.evaluation)
    else:
        examples, held_out = hold_out(examples, num_questions=data.num_held_out)
    if not held_out:
        raise InputError(
            "there are no questions to judge the student by",
            hint="give --eval-data, or a --held-out part of the SQuAD files among --data",
        )
    judged = _judged(held_out, tokenizer, faults, source=data.evaluation or "the held-out part")
    if examples:
        sources.append(SquadSource(examples, tokenizer))
    return SpanObjective(
        sources,
        held_out=judged,
        tokenizer=tokenizer,
        input_names=learner.input_names,
        batch_size=settings.batch_size,
        max_seq_len=settings.max_seq_len,
        no_answer_share=settings.no_answer_share,
        seed=settings.seed,
    )


def span_head(data: Data, problem_type: str | None) -> dict[str, Any]:
    """Returns the fields of a configuration with a head of two outputs a token.

    Raises:
        InputError: A problem type is given, which only a classifier has.
    """
    del data
    if problem_type is not None:
        raise InputError(
            "--problem-type has no effect: an answer is a span", hint="leave out --problem-type"
        )
    return {"num_labels": len(OUTPUT_NAMES), "problem_type": None}


def _judged(
    held_out: Sequence[Example], tokenizer: Tokenizer, faults: Faults, *, source: object
) -> list[Question]:
    """Returns the questions that a student can be judged by, and tells of the others."""
    found = sort_out(held_out, task=QuestionAnswering(), tokenizer=tokenizer)
    for each in found.unreadable:
        faults.add(f"{source}, question {each.id!r}: {each.reason}")
    return list(found.readable)
