"""What Google's ``BertNLClassifier`` is asked, and what its replies tell of the logits.

It takes one text, cuts it at the model's own length as ``truncate`` does, and hands on the one
output with the label of each place.

Source: tflite-support 0.4.4, ``bert_nl_classifier.cc``, ``nl_classifier.cc`` and
``bert_preprocessor.cc``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from converters.values.errors import InputError
from converters.values.task_library import LibraryModel, LibraryOutput
from pipeline.bundle.manifest_parts import TokenizerPart
from pipeline.on_device.text_classification.rules import ClassificationRules
from pipeline.tasks.task import Outputs
from pipeline.tasks.text_classification.labelled import LabelledText

_HINT = "leave out --task-library"


@dataclass(frozen=True, kw_only=True)
class LabelLibrary:
    """See ``NumbersLibrary`` for what each function is for."""

    CLIENT: ClassVar = Path(__file__).with_name("task_library_client.py")

    rules: ClassificationRules
    labels: tuple[str, ...]

    def check(
        self, *, tokenizer: TokenizerPart, input_names: Sequence[str], seq_lens: Sequence[int]
    ) -> None:
        """Checks that there is one label for one text, which is cut, and that names are lines."""
        del tokenizer, input_names, seq_lens
        for is_other, why in (
            (self.rules.problem_type == "regression", "gives labels, and this model a number"),
            (
                self.rules.problem_type == "multi_label_classification",
                "gives one label of all, and this model sets several",
            ),
            (self.rules.pair, "reads one text, and this model two"),
            (
                self.rules.long_text == "windows",
                "cuts a long text, and this model is to read it in windows",
            ),
        ):
            if is_other:
                raise InputError(f"the Task Library {why}", hint=_HINT)
        for label in self.labels:
            if "\n" in label:
                raise InputError(
                    f"the Task Library reads a label a line, and {label!r} has two", hint=_HINT
                )

    def model(self, seq_lens: Sequence[int]) -> LibraryModel:
        """Returns a model of the greatest length whose one output is the softmax."""
        output = LibraryOutput(
            name="probability", source="logits", is_probability=True, labels=self.labels
        )
        return LibraryModel(seq_len=seq_lens[-1], outputs=(output,))

    def texts(self, example: LabelledText) -> tuple[str, ...]:
        """Returns the text."""
        return (example.text,)

    def outputs(self, reply: Mapping[str, float], own: Outputs) -> Outputs:
        """Returns the logits; probabilities do not tell their mean, which is the student's."""
        given = np.array([reply.get(label, np.nan) for label in self.labels])
        least = np.finfo(np.float32).smallest_subnormal
        logits = np.log(np.maximum(given, least))  # (labels,); keeps what is not a number
        mean = np.asarray(own["logits"], np.float64).mean()
        return {"logits": (logits - logits.mean() + mean)[None]}
