"""The losses against plain formulas, and against the calls of the DistilBERT authors' script."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.distillation.losses import (
    cosine_loss,
    hard_labels_loss,
    hard_target_loss,
    soft_labels_loss,
    soft_target_loss,
    squared_error,
)

TEMPERATURES = (0.5, 1.0, 2.0, 8.0)


def logits(seed: int, *, rows: int = 6, classes: int = 11) -> torch.Tensor:
    return torch.randn(rows, classes, generator=torch.Generator().manual_seed(seed)) * 3


def softmax(values: np.ndarray) -> np.ndarray:
    powers = np.exp(values - values.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


# Soft targets


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_soft_loss_is_the_divergence_of_the_softened_distributions(temperature):
    student, teacher = logits(0), logits(1)
    p = softmax(teacher.double().numpy() / temperature)
    q = softmax(student.double().numpy() / temperature)
    expected = (p * np.log(p / q)).sum() * temperature**2
    found = soft_target_loss(student=student, teacher=teacher, temperature=temperature)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_soft_loss_is_what_the_authors_compute(temperature):
    """``ce_loss_fct`` of their ``distiller.py`` is a mean over the rows."""
    student, teacher = logits(0), logits(1)
    authors = (
        nn.KLDivLoss(reduction="batchmean")(
            functional.log_softmax(student / temperature, dim=-1),
            functional.softmax(teacher / temperature, dim=-1),
        )
        * temperature**2
    )
    found = soft_target_loss(student=student, teacher=teacher, temperature=temperature)
    assert found.item() / len(student) == pytest.approx(authors.item(), rel=1e-5)


def test_soft_loss_of_equal_distributions_is_zero_and_of_others_above():
    """Logits say the same where they differ by a constant in each row."""
    teacher = logits(1)
    shifted = teacher + torch.arange(6.0)[:, None]
    assert soft_target_loss(student=shifted, teacher=teacher, temperature=2.0).item() == (
        pytest.approx(0, abs=1e-5)
    )
    assert soft_target_loss(student=logits(0), teacher=teacher, temperature=2.0).item() > 1


def test_soft_loss_swapped_models_give_another_divergence():
    one, other = logits(0), logits(1)
    forth = soft_target_loss(student=one, teacher=other, temperature=1.0).item()
    back = soft_target_loss(student=other, teacher=one, temperature=1.0).item()
    assert abs(forth - back) > 0.1


def test_soft_loss_keeps_the_size_of_its_gradient_as_the_temperature_rises():
    """At high temperatures it nears half the squared distance of the centred logits."""
    teacher, student = logits(1), logits(0).requires_grad_()
    soft_target_loss(student=student, teacher=teacher, temperature=1000.0).backward()
    distance = student.detach() - teacher
    centred = distance - distance.mean(-1, keepdim=True)
    assert student.grad is not None
    assert torch.allclose(student.grad, centred / student.shape[1], rtol=0.02, atol=2e-3)


def test_soft_loss_of_logits_that_padding_has_in_both_is_finite_and_unchanged():
    student, teacher = logits(0), logits(1)
    padding = torch.full((6, 3), -1e4)
    padded = torch.cat([student, padding], dim=1).requires_grad_()
    found = soft_target_loss(
        student=padded, teacher=torch.cat([teacher, padding], dim=1), temperature=2.0
    )
    expected = soft_target_loss(student=student, teacher=teacher, temperature=2.0)
    assert found.item() == pytest.approx(expected.item(), rel=1e-6)
    found.backward()
    assert padded.grad is not None
    assert torch.equal(padded.grad[:, -3:], torch.zeros(6, 3))
    assert padded.grad[:, :-3].abs().max() > 0.1


# Hard targets


def test_hard_loss_of_classes_is_the_log_probability_of_each():
    student, classes = logits(0), torch.tensor([0, 3, 10, 3, 7, 1])
    probabilities = softmax(student.double().numpy())[np.arange(6), classes.numpy()]
    found = hard_target_loss(student=student, targets=classes)
    assert found.item() == pytest.approx(-np.log(probabilities).sum(), rel=1e-5)


def test_hard_loss_of_shares_is_the_mean_over_the_annotators():
    student = logits(0, rows=1)
    shares = torch.zeros(1, 11)
    shares[0, 2], shares[0, 5] = 1 / 3, 2 / 3
    two, five = (
        hard_target_loss(student=student, targets=torch.tensor([each])).item() for each in (2, 5)
    )
    found = hard_target_loss(student=student, targets=shares)
    assert found.item() == pytest.approx((two + 2 * five) / 3, rel=1e-5)


def test_hard_loss_of_one_share_is_that_of_its_class():
    student, classes = logits(0), torch.tensor([0, 3, 10, 3, 7, 1])
    shares = functional.one_hot(classes, 11).float()
    assert hard_target_loss(student=student, targets=shares).item() == pytest.approx(
        hard_target_loss(student=student, targets=classes).item(), rel=1e-6
    )


# Hidden states


def hidden(seed: int) -> torch.Tensor:
    return torch.randn(2, 5, 8, generator=torch.Generator().manual_seed(seed))


MASK = torch.tensor([[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])


def test_cosine_loss_is_what_the_authors_compute():
    """Their ``distiller.py`` selects the tokens of the mask, and takes the mean over them."""
    student, teacher = hidden(0), hidden(1)
    chosen = MASK.bool().unsqueeze(-1).expand_as(student)
    one, other = (each.masked_select(chosen).view(-1, 8) for each in (student, teacher))
    authors = nn.CosineEmbeddingLoss(reduction="mean")(one, other, torch.ones(len(one)))
    found = cosine_loss(student=student, teacher=teacher, mask=MASK)
    assert found.item() / MASK.sum().item() == pytest.approx(authors.item(), rel=1e-5)


def test_cosine_loss_is_one_minus_the_cosine_of_each_token():
    student, teacher = hidden(0).double().numpy(), hidden(1).double().numpy()
    lengths = np.linalg.norm(student, axis=-1) * np.linalg.norm(teacher, axis=-1)
    expected = ((1 - (student * teacher).sum(-1) / lengths) * MASK.numpy()).sum()
    found = cosine_loss(student=hidden(0), teacher=hidden(1), mask=MASK)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_cosine_loss_knows_directions_alone():
    student = hidden(0)
    same = cosine_loss(student=student, teacher=student * 7, mask=MASK)
    opposite = cosine_loss(student=student, teacher=-student, mask=MASK)
    assert same.item() == pytest.approx(0, abs=1e-5)
    assert opposite.item() == pytest.approx(2 * 8, rel=1e-5)


def test_cosine_loss_does_not_look_at_padding():
    student, teacher = hidden(0).requires_grad_(), hidden(1)
    changed = teacher.clone()
    changed[1, 3:] = 1e6
    first = cosine_loss(student=student, teacher=teacher, mask=MASK)
    assert cosine_loss(student=student, teacher=changed, mask=MASK).item() == first.item()
    first.backward()
    assert student.grad is not None
    assert torch.equal(student.grad[1, 3:], torch.zeros(2, 8))


# Parts of a batch


def test_losses_of_parts_add_up_to_that_of_the_whole():
    student, teacher = logits(0), logits(1)
    classes = torch.tensor([0, 3, 10, 3, 7, 1])
    parts = [slice(0, None, 2), slice(1, None, 2)]
    soft = [
        soft_target_loss(student=student[part], teacher=teacher[part], temperature=2.0)
        for part in parts
    ]
    hard = [hard_target_loss(student=student[part], targets=classes[part]) for part in parts]
    cosine = [
        cosine_loss(student=hidden(0)[part], teacher=hidden(1)[part], mask=MASK[part])
        for part in parts
    ]
    whole = soft_target_loss(student=student, teacher=teacher, temperature=2.0)
    assert sum(soft).item() == pytest.approx(whole.item(), rel=1e-5)
    whole = hard_target_loss(student=student, targets=classes)
    assert sum(hard).item() == pytest.approx(whole.item(), rel=1e-5)
    whole = cosine_loss(student=hidden(0), teacher=hidden(1), mask=MASK)
    assert sum(cosine).item() == pytest.approx(whole.item(), rel=1e-5)


# Labels that are set each by itself, and numbers


@pytest.mark.parametrize("temperature", TEMPERATURES)
def test_soft_labels_loss_is_the_divergence_of_each_label(temperature):
    student, teacher = logits(0), logits(1)
    p = 1 / (1 + np.exp(-teacher.double().numpy() / temperature))
    q = 1 / (1 + np.exp(-student.double().numpy() / temperature))
    expected = (p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))).sum() * temperature**2
    found = soft_labels_loss(student=student, teacher=teacher, temperature=temperature)
    assert found.item() == pytest.approx(expected, rel=1e-4)


def test_soft_labels_loss_of_a_label_is_that_of_a_softmax_over_set_and_not_set():
    student, teacher = logits(0, classes=1), logits(1, classes=1)
    two = [torch.cat([each, torch.zeros_like(each)], dim=1) for each in (student, teacher)]
    assert soft_labels_loss(student=student, teacher=teacher, temperature=2.0).item() == (
        pytest.approx(
            soft_target_loss(student=two[0], teacher=two[1], temperature=2.0).item(), rel=1e-5
        )
    )


def test_soft_labels_loss_of_logits_that_exp_cannot_hold_is_finite():
    student = torch.tensor([[500.0, -500.0]], requires_grad=True)
    found = soft_labels_loss(student=student, teacher=-student.detach(), temperature=1.0)
    found.backward()
    assert torch.isfinite(found) and found > 900
    assert student.grad is not None and torch.isfinite(student.grad).all()


def test_hard_labels_loss_is_the_log_probability_of_set_and_of_not_set():
    student, targets = logits(0), (logits(1) > 0).float()
    p = 1 / (1 + np.exp(-student.double().numpy()))
    expected = -np.log(np.where(targets.numpy() == 1, p, 1 - p)).sum()
    found = hard_labels_loss(student=student, targets=targets)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_squared_error_is_summed():
    found = squared_error(student=torch.tensor([[1.0], [3.0]]), targets=torch.tensor([[2.0], [0]]))
    assert found.item() == 10


@pytest.mark.parametrize("loss", [hard_target_loss, hard_labels_loss, squared_error])
def test_loss_of_no_rows_is_zero_and_has_a_gradient(loss):
    student = logits(0).requires_grad_()
    found = loss(student=student[:0], targets=torch.zeros(0, student.shape[1]))
    found.backward()
    assert found.item() == 0
    assert student.grad is not None and not student.grad.any()
