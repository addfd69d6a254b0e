"""What training and judging a language model takes: windows of a long text, the loss, bits per character."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor, nn

from tfedu.train.loop import Loss


@dataclass(frozen=True)
class Windows:
    """Pieces of a text. At each place a model has read `inputs` up to there and should say `targets` there: the
    two are one piece, shifted by one."""

    inputs: Int[Tensor, "B T"]
    targets: Int[Tensor, "B T"]

    def to(self, device: torch.device | str) -> Windows:
        """The same windows on another device."""
        return Windows(*(x.to(device, non_blocking=True) for x in (self.inputs, self.targets)))

    def shard(self, rank: int, world: int) -> Windows:
        """The rows of process `rank` of `world`.

        Raises:
            ValueError: if there are fewer rows than processes.
        """
        if len(self.inputs) < world:
            raise ValueError(
                f"{len(self.inputs)} rows do not give each of {world} processes one: raise rows."
            )
        return Windows(self.inputs[rank::world], self.targets[rank::world])


class TextBatches:
    """Windows from random places of one long text: those of a step depend on the seed and its number alone.

    Args:
        ids: the text.
        rows: windows in a batch.
        length: T, of each.
        seed: of the places.

    Raises:
        ValueError: if the text has no window of that length.
    """

    def __init__(self, ids: Sequence[int], rows: int, length: int, seed: int = 0) -> None:
        self.ids, self.rows, self.length, self.seed = torch.as_tensor(ids), rows, length, seed
        if len(self.ids) <= length:
            raise ValueError(
                f"a text of {len(self.ids)} tokens has no window of {length} and the one after it."
            )

    def batch(self, step: int) -> Windows:
        """The windows of global step `step`, counted from 0."""
        dice = np.random.default_rng([self.seed, step])
        starts = torch.from_numpy(dice.integers(0, len(self.ids) - self.length, self.rows))
        rows = self.ids[starts[:, None] + torch.arange(self.length + 1)]
        return Windows(rows[:, :-1], rows[:, 1:])


def language_loss(model: nn.Module, batch: Windows) -> Loss:
    """Cross-entropy of the right next token, in nats, summed over all places."""
    logits = model(batch.inputs)
    total = F.cross_entropy(logits.float().flatten(0, 1), batch.targets.flatten(), reduction="sum")
    return Loss(total, batch.targets.numel())


@torch.no_grad()
def surprise(
    model: nn.Module, ids: Sequence[int] | Tensor, length: int, rows: int = 16
) -> Float[Tensor, " N"]:
    """How surprising each token but the first is, in nats: minus the log of the odds that the model gave it.

    The text is cut into windows of `length` which do not overlap, so a token is predicted from those before it in
    its window alone; the first one of a window from the last of the window before. The tail shorter than a window
    is a window too.
    """
    device = next(model.parameters()).device
    ids = torch.as_tensor(ids)
    found = []
    for inputs, targets in _windows(ids, length, rows):
        logits = model(inputs.to(device)).float()
        losses = F.cross_entropy(logits.flatten(0, 1), targets.to(device).flatten(), reduction="none")
        found.append(losses.cpu())
    return torch.cat(found)


def _windows(ids: Tensor, length: int, rows: int) -> Iterator[tuple[Tensor, Tensor]]:
    inputs, targets = ids[:-1], ids[1:]
    whole = len(inputs) // length * length
    pairs = zip(
        inputs[:whole].view(-1, length).split(rows), targets[:whole].view(-1, length).split(rows), strict=True
    )
    yield from pairs
    if whole < len(inputs):
        yield inputs[None, whole:], targets[None, whole:]


def nats_per_token(model: nn.Module, ids: Sequence[int] | Tensor, length: int, rows: int = 16) -> float:
    """The mean of `surprise` over a text; its exponential is the perplexity."""
    return surprise(model, ids, length, rows).double().mean().item()


def bits_per_character(nats_per_token: float, tokens: int, characters: int) -> float:
    """A loss that models with different tokens can be compared by: the nats of all tokens, as bits, per character.

    Args:
        nats_per_token: the mean loss.
        tokens, characters: how many of each the text has.
    """
    return nats_per_token * tokens / (characters * math.log(2))
