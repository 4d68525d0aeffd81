"""Everything that decides the weights that a training ends with."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from converters.values.errors import InputError

EXTRA, PACKAGES = "distill", ("accelerate", "datasets")
"""What training needs beside PyTorch, and the extra that brings it."""

Mode = Literal["task", "pre-training"]
ProblemType = Literal["single_label_classification", "multi_label_classification", "regression"]
"""What a classifier's outputs mean, by the names that Transformers gives them."""

Alignment = Literal["last", "all"]
MixedPrecision = Literal["no", "bf16", "fp16"]


@dataclass(frozen=True, kw_only=True)
class LossWeights:
    """What each part of the loss counts for; a part that counts nothing is not computed.

    Attributes:
        soft: Kullback-Leibler divergence from the teacher's distribution at the temperature.
        hard: Cross entropy against the labels.
        cosine: One minus the cosine between hidden states of student and teacher.
    """

    soft: float
    hard: float
    cosine: float

    def __post_init__(self) -> None:
        """Raises InputError where nothing would be learnt."""
        given = (self.soft, self.hard, self.cosine)
        if not (all(0 <= weight < math.inf for weight in given) and any(given)):
            raise InputError(
                f"the losses cannot be weighed with {self.soft} soft, {self.hard} hard and "
                f"{self.cosine} cosine",
                hint="give numbers of 0 or more, and more than 0 for at least one",
            )

    @property
    def needs_teacher(self) -> bool:
        """Whether the teacher has to read the batches at all."""
        return self.soft > 0 or self.cosine > 0


DEFAULT_WEIGHTS = {
    "pre-training": LossWeights(soft=5.0, hard=2.0, cosine=1.0),
    "task": LossWeights(soft=1.0, hard=1.0, cosine=1.0),
}
"""For pre-training those of the authors' script (5, 2, 1). The paper's second distillation, on
SQuAD, weighs soft and hard targets alike."""

LABELS_ALONE = LossWeights(soft=0.0, hard=1.0, cosine=0.0)
"""Without a teacher."""

DEFAULT_LEARNING_RATE = {"pre-training": 5e-4, "task": 1e-4, "fine-tuning": 5e-5}
"""For fine-tuning the largest that the authors of BERT try (Devlin et al. 2019, appendix A.3)."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of one run. Two runs with equal settings and inputs give the same weights.

    Attributes:
        mode: By a teacher on a task's data, or on raw text by masked-language modelling; or without
            a teacher on a task's labels.
        layer_map: For each layer of the student, the teacher's layer (from 0) that it starts from
            and is aligned with. Empty: as many as ``num_layers`` says, spread evenly.
        num_layers: Of the student, where ``layer_map`` does not say. Nothing: half the teacher's.
        align: Whether the cosine loss compares the last layer, as the paper, or every one.
        weights: Of the three losses.
        temperature: Divides the logits of both before the soft targets are compared.
        steps: Updates of the weights. 0: as many as ``epochs`` need.
        epochs: Passes over the data, where ``steps`` does not say.
        batch_size: Examples in one update, over all processes and accumulated parts together.
        accumulate: Parts that an update's batch is cut into, to save memory.
        learning_rate: At its peak; it rises linearly over the warm-up and falls linearly to zero.
        warmup: Share of the steps.
        weight_decay: Of matrices; biases and norms have none.
        dropout: Of the student, on hidden states.
        attention_dropout: Of the student, on attention probabilities.
        max_seq_len: Tokens in a training row at most.
        freeze_embeddings: Leaves the word embeddings as the teacher has them.
        ema_decay: Share of the moving average of the weights that an update keeps. The average is
            what is judged and saved. 0: the weights themselves are.
        mixed_precision: Of the matrix products; weights and optimizer stay in fp32.
        no_answer_share: Of the labelled questions, those that are asked of a neighbouring text,
            drawn afresh in each epoch: the student learns to point at [CLS] there, "no answer".
        seed: Of order, masks, windows and dropout.
    """

    mode: Mode | Literal["fine-tuning"]
    layer_map: tuple[int, ...]
    num_layers: int | None
    align: Alignment
    weights: LossWeights
    temperature: float
    steps: int
    epochs: float
    batch_size: int
    accumulate: int
    learning_rate: float
    warmup: float
    weight_decay: float
    dropout: float
    attention_dropout: float
    max_seq_len: int
    freeze_embeddings: bool
    ema_decay: float
    mixed_precision: MixedPrecision
    no_answer_share: float
    seed: int


@dataclass(frozen=True, kw_only=True)
class Cadence:
    """How often, in updates, a run is judged and saved."""

    evaluate: int
    save: int


@dataclass(frozen=True, kw_only=True)
class Data:
    """What is trained on, and what is kept apart to judge by.

    Attributes:
        paths: Labelled data of the task, or text files.
        evaluation: Labelled data or text to judge by; None: a part of ``paths``.
        num_held_out: How many examples, or lines of text, that part is.
        skip_bad: Goes on without what cannot be used.
        unlabelled: Texts of the task that nobody has labelled, of which a teacher is asked.
        vocabulary: Text whose words are all that an encoder's vocabulary keeps; None keeps it.
    """

    paths: tuple[Path, ...]
    evaluation: Path | None
    num_held_out: int
    skip_bad: bool
    unlabelled: tuple[Path, ...] = ()
    vocabulary: Path | None = None
