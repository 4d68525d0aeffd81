"""The rules of question answering that a manifest states, and their bounds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.bundle.manifest_parts import MAX_TEXT_CHARACTERS, NumTokens, SeqLen


class SpanRules(BaseModel):
    """How windows are cut and spans chosen, in tokens; the specification tells the rest.

    Attributes:
        max_question_tokens: Of the question's beginning, which is all that is read.
        max_answer_tokens: Of a span.
        window_overlap_tokens: That two neighbouring windows share, at most.
        score: The probability of the start times that of the end, each over all windows.
        max_text_characters: Of a question or context, in code points.
        max_unknown_share: Of unknown tokens among those of a text. Above it the student cannot
            read it, only guess.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_question_tokens: NumTokens
    max_answer_tokens: SeqLen
    window_overlap_tokens: NumTokens
    score: Literal["softmax_over_all_windows"]
    max_text_characters: Annotated[int, Field(ge=1, le=MAX_TEXT_CHARACTERS)]
    max_unknown_share: Annotated[float, Field(ge=0, le=1)]
