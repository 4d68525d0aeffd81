"""The three losses of DistilBERT, and what stands for them in other heads; each a sum of terms.

A sum, and not a mean, so that a batch that is cut over processes and accumulated parts gives the
loss of the whole: the caller divides by the number of terms in the whole batch.

Source: Sanh et al. 2019, section 2; Hinton et al. 2015 (arXiv 1503.02531), section 2, for the
temperature and its square.
"""

import torch
from torch import Tensor
from torch.nn import functional


def soft_target_loss(*, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Returns KL(teacher, student) at a temperature, times its square, summed over the rows.

    The square keeps the size of the gradient as the temperature changes.

    Args:
        student: ``(rows, classes) float32`` logits.
        teacher: The same of the teacher.
        temperature: Above 0; higher is softer.
    """
    divergence = functional.kl_div(
        functional.log_softmax(student / temperature, dim=-1),
        functional.log_softmax(teacher / temperature, dim=-1),
        reduction="sum",
        log_target=True,
    )
    return divergence * temperature**2


def hard_target_loss(*, student: Tensor, targets: Tensor) -> Tensor:
    """Returns the cross entropy against the labels, summed over the rows.

    Args:
        student: ``(rows, classes) float32`` logits.
        targets: ``(rows, classes) float32`` probabilities, or ``(rows,) int64`` classes.
    """
    return functional.cross_entropy(student, targets, reduction="sum")


def soft_labels_loss(*, student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Returns the divergence of labels that are set each by itself, times the temperature's square.

    That is KL(teacher, student) of two outcomes, set or not, summed over the labels of all rows.

    Args:
        student: ``(rows, labels) float32`` logits of sigmoids.
        teacher: The same of the teacher.
        temperature: Above 0; higher is softer.
    """
    own, others = (
        torch.stack([functional.logsigmoid(each), functional.logsigmoid(-each)])
        for each in (student / temperature, teacher / temperature)
    )
    divergence = functional.kl_div(own, others, reduction="sum", log_target=True)
    return divergence * temperature**2


def hard_labels_loss(*, student: Tensor, targets: Tensor) -> Tensor:
    """Returns the cross entropy of labels that are set each by itself, summed over all of them.

    Args:
        student: ``(rows, labels) float32`` logits of sigmoids.
        targets: ``(rows, labels) float32``, one where a label is set, zero where it is not.
    """
    return functional.binary_cross_entropy_with_logits(student, targets, reduction="sum")


def squared_error(*, student: Tensor, targets: Tensor) -> Tensor:
    """Returns the squared distance of numbers from those of a teacher or of the labels, summed.

    Args:
        student: ``(rows, 1) float32``.
        targets: The same.
    """
    return functional.mse_loss(student, targets, reduction="sum")


def cosine_loss(*, student: Tensor, teacher: Tensor, mask: Tensor) -> Tensor:
    """Returns one minus the cosine of two hidden states, summed over the tokens of the mask.

    Args:
        student: ``(batch, seq_len, dim) float32``.
        teacher: The same of the teacher.
        mask: ``(batch, seq_len)``, one for tokens and zero for padding.
    """
    cosines = functional.cosine_similarity(student, teacher, dim=-1)  # (batch, seq_len)
    return ((1 - cosines) * mask).sum()
