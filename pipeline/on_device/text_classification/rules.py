"""The rules of text classification that a manifest states, and their bounds."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pipeline.bundle.manifest_parts import MAX_TEXT_CHARACTERS, NumTokens, SeqLen

ProblemType = Literal[
    "single_label_classification", "multi_label_classification", "regression"
]  # fmt: skip
"""What the numbers of a head mean, by the names that Transformers gives them."""

LongText = Literal["truncate", "windows"]
"""What becomes of a text that a row does not hold: its end is cut off, or it takes several rows."""


class ClassificationRules(BaseModel):
    """How texts become rows and logits become labels; the specification tells the rest.

    Attributes:
        problem_type: Whether an example has one label, several, or a number.
        pair: Whether an example is of two texts.
        long_text: What becomes of a text that a row does not hold.
        window_overlap_tokens: That two neighbouring windows share, at most.
        max_first_tokens: Of the first of two texts, where the second is cut into windows.
        threshold: The least probability of a label that is set, where there are several.
        max_text_characters: Of a text, in code points.
        max_unknown_share: Of unknown tokens among those of a text. Above it the student cannot
            read it, only guess.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    problem_type: ProblemType
    pair: bool
    long_text: LongText
    window_overlap_tokens: NumTokens
    max_first_tokens: SeqLen
    threshold: Annotated[float, Field(ge=0, le=1)]
    max_text_characters: Annotated[int, Field(ge=1, le=MAX_TEXT_CHARACTERS)]
    max_unknown_share: Annotated[float, Field(ge=0, le=1)]

    @property
    def text_names(self) -> tuple[str, ...]:
        """The names of an example's texts, in their order in a row."""
        return ("text", "text_pair") if self.pair else ("text",)
