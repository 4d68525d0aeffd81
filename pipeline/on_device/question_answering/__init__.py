"""Question answering as an app does it: windows over a context, and the best span of them.

``SPECIFICATION.md`` says the rules in words.
"""

from collections.abc import Mapping, Sequence

from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.bundle.vectors import Value
from pipeline.on_device.question_answering.rules import SpanRules
from pipeline.on_device.question_answering.windows import best_answer, cut
from pipeline.on_device.row import Row
from pipeline.on_device.task import Outputs
from pipeline.on_device.texts import check_text
from pipeline.on_device.wordpiece import WordPiece, utf16_offsets


class QuestionAnswering:
    """The task by the rules of one bundle."""

    APPROXIMATE: tuple[str, ...] = ("score",)

    def __init__(self, rules: SpanRules) -> None:
        """Takes the rules of the manifest."""
        self._rules = rules

    def rows(
        self,
        texts: Mapping[str, str],
        *,
        tokenizer: WordPiece,
        settings: TokenizerPart,
        seq_lens: Sequence[int],
    ) -> list[Row]:
        """Returns windows over the context; see ``DeviceTask.rows``."""
        question, context = (tokenizer.tokenize(texts[name]) for name in ("question", "context"))
        unknown = settings.special_tokens["[UNK]"]
        for name, tokens in (("question", question), ("context", context)):
            check_text(name, texts[name], tokens, unknown=unknown, rules=self._rules)
        return cut(question, context, tokenizer=settings, rules=self._rules, seq_lens=seq_lens)

    def answer(
        self, texts: Mapping[str, str], rows: Sequence[Row], outputs: Sequence[Outputs]
    ) -> Mapping[str, Value]:
        """Returns the best span: ``text``, its place in the context, and ``score``."""
        context = texts["context"]
        found = best_answer(
            context,
            rows,
            [each["start_logits"] for each in outputs],
            [each["end_logits"] for each in outputs],
            rules=self._rules,
        )
        ((utf16_start, utf16_end),) = utf16_offsets(context, [(found.start, found.end)])
        return {**vars(found), "utf16_start": utf16_start, "utf16_end": utf16_end}
