"""The toy task as an app would have it; see ``toy_task``."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict, Field

from converters.values.errors import InputError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.bundle.vectors import Value
from pipeline.on_device.row import Row, make_row
from pipeline.on_device.task import Outputs
from pipeline.on_device.wordpiece import WordPiece


class MoodRules(BaseModel):
    """How much of a text is read."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    max_tokens: int = Field(ge=1, le=8192)


class MoodOnDevice:
    """Reads the beginning of a text, and takes the largest of its numbers."""

    APPROXIMATE: tuple[str, ...] = ("value",)

    def __init__(self, rules: MoodRules, labels: Sequence[str]) -> None:
        self._rules = rules
        self._labels = labels

    def rows(
        self,
        texts: Mapping[str, str],
        *,
        tokenizer: WordPiece,
        settings: TokenizerPart,
        seq_lens: Sequence[int],
    ) -> list[Row]:
        tokens = tokenizer.tokenize(texts["text"])
        if not tokens.ids:
            raise InputError("the text holds no token", hint="give one with words")
        most = min(self._rules.max_tokens, seq_lens[-1] - 2)
        return [
            make_row(
                tokens.ids[:most],
                offsets=tokens.offsets[:most],
                tokenizer=settings,
                seq_lens=seq_lens,
            )
        ]

    def answer(
        self, texts: Mapping[str, str], rows: Sequence[Row], outputs: Sequence[Outputs]
    ) -> Mapping[str, Value]:
        values = list(outputs[0]["logits"])
        place = values.index(max(values))
        return {"label": self._labels[place], "value": values[place]}
