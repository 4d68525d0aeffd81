"""Makes random text classifiers of two layers, saved as Hugging Face saves them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import PreTrainedModel

from pipeline.build import BuildResult, build
from pipeline.conversion.recipe import recipe_of
from pipeline.tasks.task import TaskOptions
from tests.runs import quiet_run
from tests.students import make_config, read_tokenizer, save_tokenizer

LABELS = ("negative", "so-so", "positive")

_CLASSES = {
    "distilbert": "DistilBert", "bert": "Bert", "mobilebert": "MobileBert", "electra": "Electra",
}  # fmt: skip


def make_classifier(
    architecture: str,
    *,
    labels: Sequence[str] = LABELS,
    problem_type: str | None = None,
    seed: int = 0,
    **stated: Any,
) -> PreTrainedModel:
    """Returns a random classifier in fp32, whose logits differ from text to text.

    Args:
        architecture: One of ``tests.students.ARCHITECTURES``.
        labels: Their names, by place; of a regression one, that nobody reads.
        problem_type: As Transformers has it.
        seed: Of its weights.
        stated: Added to its configuration.
    """
    torch.manual_seed(seed)
    config = make_config(
        architecture,
        id2label=dict(enumerate(labels)),
        label2id={label: place for place, label in enumerate(labels)},
        problem_type=problem_type,
        **stated,
    )
    name = f"{_CLASSES[architecture]}ForSequenceClassification"
    model: PreTrainedModel = getattr(transformers, name)(config)
    return model.eval()


def save_classifier(architecture: str, folder: Path, **options: Any) -> Path:
    """Writes a whole classifier, as ``make_classifier`` makes it, and returns its folder."""
    make_classifier(architecture, **options).save_pretrained(folder)
    save_tokenizer(read_tokenizer(), folder)
    return folder


def build_classifier(
    folder: Path, architecture: str, precision: str, *, long_text: str | None = None, **options: Any
) -> BuildResult:
    """Builds a random classifier for all backends, at 32 tokens."""
    return build(
        str(save_classifier(architecture, folder / "student", **options)),
        destination=folder / "bundle", recipe=recipe_of(precision), seq_lens=(32,),
        task_options=TaskOptions(long_text=long_text), run=quiet_run(2),
    )  # fmt: skip
