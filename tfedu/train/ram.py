"""Training the recurrent attention model: the hybrid loss (Mnih et al. 2014, section 3.2), and judging it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

from tfedu.data.digits import Scenes
from tfedu.models.ram import RAM, Glimpses
from tfedu.train.loop import Loss


def log_density(
    locations: Float[Tensor, "*batch 2"], means: Float[Tensor, "*batch 2"], std: float
) -> Float[Tensor, "*batch"]:
    """Of each location under the Gaussian around its mean, up to a constant that no gradient sees."""
    return -(locations.detach() - means).square().sum(dim=-1) / (2 * std**2)


def returns(rewards: Float[Tensor, "B T"]) -> Float[Tensor, "B T"]:
    """After each glimpse, the mean reward of the glimpses that follow; 0 after the last, where none does."""
    T = rewards.shape[1]
    later = rewards.flip(1).cumsum(1).flip(1) - rewards
    return later / torch.arange(T - 1, -1, -1, device=rewards.device).clamp_min(1)


def reinforce(
    log_p: Float[Tensor, "*batch"], reward: Float[Tensor, "*batch"], baseline: Float[Tensor, "*batch"]
) -> Float[Tensor, "*batch"]:
    """A number whose gradient is, on average, that of the expected reward, sign turned (equation 3).

    ``-log p(choice) (R - b)``: a choice that brought more than expected becomes likelier. The expectation `baseline`
    changes no average, only how far single gradients scatter around it. Williams 1992.
    """
    return -log_p * (reward - baseline).detach()


def advantages(
    reward: Float[Tensor, "B T"], baseline: Float[Tensor, "B T"], copies: int = 1
) -> Float[Tensor, "B T"]:
    """How much better than expected it went, from choice to choice comparable.

    The picture's own difficulty is taken off: among the `copies` of one picture, each looked at by its own chance,
    the mean is 0 (the paper's "Monte Carlo copies"; without copies: over the batch). The spread over the batch is
    brought to 1, so that the gaze is taught as strongly late in training as early.
    """
    found = reward - baseline.detach()
    groups = rearrange(found, "(b m) t -> b m t", m=copies) if copies > 1 else found.unsqueeze(0)
    found = (groups - groups.mean(dim=1, keepdim=True)).flatten(0, 1)
    return found / found.std(dim=0, unbiased=False).clamp_min(1e-6)


def hybrid_loss(
    seen: Glimpses, labels: Int[Tensor, " B"], std: float, reinforce_weight: float, copies: int = 1
) -> Float[Tensor, ""]:
    """The sum over the batch of: cross-entropy after each glimpse, REINFORCE for the gaze, the baseline's error.

    The reward of a glimpse is the log-probability of the right class after it. `copies` is how many rows in a row
    show the same picture; see `advantages`.
    """
    B, T = seen.logits.shape[:2]
    wrong = F.cross_entropy(
        rearrange(seen.logits, "b t c -> b c t"), labels[:, None].expand(B, T), reduction="none"
    )
    loss = wrong.mean(dim=1).sum()
    if T == 1 or reinforce_weight == 0:
        return loss
    reward = returns(-wrong.detach())[:, :-1]
    baseline = seen.baselines[:, :-1]
    log_p = log_density(seen.locations[:, 1:], seen.means[:, 1:], std)
    advantage = advantages(reward, baseline, copies)
    taught = reinforce(log_p, advantage, torch.zeros_like(advantage)).mean(dim=1).sum()
    return loss + reinforce_weight * taught + (baseline - reward).square().mean(dim=1).sum()


def ram_loss(model: nn.Module, batch: Scenes, std: float, reinforce_weight: float, copies: int = 1) -> Loss:
    """`hybrid_loss` of `copies` of each picture of a batch; `std` is the configuration's."""
    pictures, labels = (part.repeat_interleave(copies, dim=0) for part in (batch.pictures, batch.labels))
    return Loss(hybrid_loss(model(pictures), labels, std, reinforce_weight, copies), len(labels))


def dense_loss(model: nn.Module, batch: Scenes) -> Loss:
    """Cross-entropy of a model that sees all at once, in nats, summed over the pictures."""
    return Loss(F.cross_entropy(model(batch.pictures), batch.labels, reduction="sum"), len(batch.labels))


@torch.no_grad()
def accuracy(model: nn.Module, scenes: Scenes, batch: int = 500) -> Float[Tensor, " T"]:
    """Share of right classes after each glimpse; of one number for a model that sees all at once."""
    right = []
    for start in range(0, len(scenes.labels), batch):
        part = Scenes(*(x[start : start + batch] for x in scenes))
        out = model(part.pictures)
        logits = out.logits if isinstance(model, RAM) else out.unsqueeze(1)
        right.append((logits.argmax(dim=-1) == part.labels[:, None]).float())
    return torch.cat(right).mean(dim=0)
