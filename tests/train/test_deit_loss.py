"""DeiT's two losses against the paper's equations, written out."""

import math

import pytest
import torch
from torch import Tensor

from tfedu.models.deit import DeiTOutput
from tfedu.train.augment import smooth
from tfedu.train.distillation import distillation_loss

B, C = 7, 5


def drawn() -> tuple[DeiTOutput, Tensor, Tensor]:
    torch.manual_seed(0)
    own, heard, said = (3 * torch.randn(B, C, dtype=torch.float64) for _ in range(3))
    return (
        DeiTOutput(own.requires_grad_(), heard.requires_grad_()),
        torch.randint(C, (B,)),
        said.requires_grad_(),
    )


def probability(logits: Tensor, row: int, one: int, T: float = 1.0) -> float:
    total = sum(math.exp(value / T) for value in logits[row].tolist())
    return math.exp(logits[row, one].item() / T) / total


def test_hard_is_two_labels() -> None:
    """Equation 3."""
    output, labels, said = drawn()
    own = [-math.log(probability(output.class_logits, n, int(labels[n]))) for n in range(B)]
    heard = [-math.log(probability(output.distillation_logits, n, int(said[n].argmax()))) for n in range(B)]
    found = distillation_loss(output, labels, said)
    assert found.item() == pytest.approx((sum(own) / B + sum(heard) / B) / 2, rel=1e-12)
    found.backward()
    assert said.grad is None
    assert output.class_logits.grad is not None
    assert distillation_loss(output, labels, said, weight=0.0).item() == pytest.approx(sum(own) / B)
    assert distillation_loss(output, labels, said, weight=1.0).item() == pytest.approx(sum(heard) / B)


def test_soft_is_a_divergence_at_a_temperature() -> None:
    """Equation 2."""
    output, labels, said = drawn()
    T, weight = 3.0, 0.1
    own = divergence = 0.0
    for n in range(B):
        own -= math.log(probability(output.class_logits, n, int(labels[n]))) / B
        for c in range(C):
            p, q = probability(said, n, c, T), probability(output.distillation_logits, n, c, T)
            divergence += p * math.log(p / q) / B
    found = distillation_loss(output, labels, said, "soft", T, weight)
    assert found.item() == pytest.approx((1 - weight) * own + weight * T * T * divergence, rel=1e-12)
    same = DeiTOutput(output.class_logits, said)
    assert distillation_loss(same, labels, said, "soft", T, 1.0).item() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", ["hard", "soft"])
def test_labels_may_be_probabilities(kind: str) -> None:
    output, labels, said = drawn()
    certain = smooth(labels, C, 0.0).double()
    torch.testing.assert_close(
        distillation_loss(output, certain, said, kind), distillation_loss(output, labels, said, kind)
    )
    halves = [distillation_loss(output, one, said, kind) for one in (certain, certain.flip(0))]
    mixed = distillation_loss(output, (certain + certain.flip(0)) / 2, said, kind)
    torch.testing.assert_close(mixed, sum(halves) / 2)


def test_half_precision_is_widened_and_another_kind_refused() -> None:
    output, labels, said = drawn()
    half = DeiTOutput(*(one.bfloat16() for one in output))
    assert distillation_loss(half, labels, said.bfloat16(), "soft").dtype == torch.float32
    with pytest.raises(ValueError, match="choose one of hard, soft"):
        distillation_loss(output, labels, said, "medium")
