"""Text classification as an app does it: labels with scores, or a number, for one text or two.

``SPECIFICATION.md`` says the rules in words.
"""

from collections.abc import Mapping, Sequence

from converters.values.errors import InputError
from pipeline.bundle.manifest import ManifestDamagedError
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.bundle.vectors import Value
from pipeline.on_device.row import Row
from pipeline.on_device.task import Outputs
from pipeline.on_device.text_classification.answers import answer_of
from pipeline.on_device.text_classification.fitting import fit
from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.on_device.texts import check_text
from pipeline.on_device.wordpiece import WordPiece


class TextClassification:
    """The task by the rules and labels of one bundle."""

    def __init__(self, rules: ClassificationRules, labels: Sequence[str]) -> None:
        """Takes the rules and labels of the manifest."""
        self._rules = rules
        self._labels = labels
        is_number = rules.problem_type == "regression"
        self.APPROXIMATE: tuple[str, ...] = ("score",) if is_number else ("scores",)

    def rows(
        self,
        texts: Mapping[str, str],
        *,
        tokenizer: WordPiece,
        settings: TokenizerPart,
        seq_lens: Sequence[int],
    ) -> list[Row]:
        """Returns one row, or windows over the last text; see ``DeviceTask.rows``."""
        check_names(texts, rules=self._rules)
        unknown = settings.special_tokens["[UNK]"]
        tokens = []
        for name in self._rules.text_names:
            tokens.append(tokenizer.tokenize(texts[name]))
            check_text(name, texts[name], tokens[-1], unknown=unknown, rules=self._rules)
        return fit(tokens, tokenizer=settings, rules=self._rules, seq_lens=seq_lens)

    def answer(
        self, texts: Mapping[str, str], rows: Sequence[Row], outputs: Sequence[Outputs]
    ) -> Mapping[str, Value | None]:
        """Returns ``label``, ``labels`` or no name, with ``scores`` or ``score``.

        Raises:
            InputError: The outputs are not those of this model.
        """
        logits = [each.get("logits", ()) for each in outputs]
        width = max(1, len(self._labels))
        if not logits or any(len(each) != width for each in logits):
            raise InputError(
                f"the outputs do not hold {width} logits for each row", hint="build it again"
            )
        return answer_of(logits, labels=self._labels, rules=self._rules)


def check_names(texts: Mapping[str, str], *, rules: ClassificationRules) -> None:
    """Refuses one text where the model takes two, two where it takes one, and no text.

    Raises:
        InputError: So it is.
    """
    if "text" not in texts:
        raise InputError(
            f"there is no text, only {', '.join(texts) or 'nothing'}", hint="give a text"
        )
    if rules.pair and "text_pair" not in texts:
        raise InputError(
            "the model takes two texts, text and text_pair, and only text was given",
            hint="give the second text, too",
        )
    if not rules.pair and "text_pair" in texts:
        raise InputError(
            "the model takes one text, and a second, text_pair, was given",
            hint="give one text, or use a model of pairs",
        )


def check_labels(labels: Sequence[str], *, rules: ClassificationRules) -> None:
    """Refuses labels that do not go with the rules.

    Raises:
        ManifestDamagedError: A regression has labels, or a classifier too few.
    """
    least = {"single_label_classification": 2, "multi_label_classification": 1, "regression": 0}
    is_number = rules.problem_type == "regression"
    if len(labels) < least[rules.problem_type] or (is_number and labels):
        raise ManifestDamagedError(
            f"manifest.json is not a valid manifest: task.labels: {len(labels)} labels do not go "
            f"with the problem_type {rules.problem_type}",
            hint="build the bundle again",
        )
    if len(set(labels)) < len(labels) or not all(labels):
        raise ManifestDamagedError(
            "manifest.json is not a valid manifest: task.labels: a label is empty, or there twice",
            hint="build the bundle again",
        )
