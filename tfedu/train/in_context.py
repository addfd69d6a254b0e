"""What training and judging on patterns takes: fresh sequences each step, the loss, and what heads look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tfedu.data.patterns import Sequences, successors
from tfedu.trace import Edit, trace
from tfedu.train.loop import Loss


class PatternBatches:
    """New sequences for every step, fixed by (seed, step), so that a resume is exact and nothing comes twice.

    Args:
        draw: makes sequences of a count and a seed.
        rows: sequences a batch.
        seed: of all of them.
    """

    def __init__(
        self, draw: Callable[[int, Sequence[int]], Sequences], rows: int = 64, seed: int = 0
    ) -> None:
        self.draw, self.rows, self.seed = draw, rows, seed

    def batch(self, step: int) -> Sequences:
        """The batch of a global step, counted from 0."""
        return self.draw(self.rows, [self.seed, step])


def pattern_loss(model: nn.Module, batch: Sequences) -> Loss:
    """Cross-entropy in nats of the tokens that training counts, summed."""
    logits = model(batch.tokens)[:, :-1][batch.counted[:, :-1]]
    wanted = batch.tokens[:, 1:][batch.counted[:, :-1]]
    return Loss(F.cross_entropy(logits.float(), wanted, reduction="sum"), len(wanted))


@torch.no_grad()
def judge(
    model: nn.Module,
    data: Sequences,
    where: Bool[Tensor, "B T"] | None = None,
    edit: Mapping[str, Edit] | None = None,
) -> dict[str, float]:
    """Loss in nats a token, and accuracy, of predicting what the sequence has told.

    Args:
        model: a language model.
        data: sequences.
        where: which predictions count; those told unless given.
        edit: changes of the maps; see `tfedu.trace.trace`.
    """
    where = (data.told if where is None else where)[:, :-1]
    if edit is None:
        logits = model(data.tokens)
    else:
        with trace(model, edit=edit):
            logits = model(data.tokens)
    logits, wanted = logits[:, :-1][where], data.tokens[:, 1:][where]
    return {
        "loss": F.cross_entropy(logits, wanted).item(),
        "accuracy": (logits.argmax(dim=-1) == wanted).float().mean().item(),
    }


@torch.no_grad()
def scores(
    model: nn.Module, data: Sequences, edges: Bool[Tensor, "#B T T"], where: Bool[Tensor, "B T"] | None = None
) -> Float[Tensor, "L H"]:
    """How much of its weight each head puts on some edges: the mean over the queries that count.

    Args:
        model: a language model whose maps are square.
        data: sequences.
        edges: True where an edge, query to key, is one of those.
        where: which queries count; those whose next token the sequence has told unless given.
    """
    where = data.told if where is None else where
    with trace(model) as maps:
        model(data.tokens)
    on = [
        (one.weights * edges[:, None]).sum(dim=-1).movedim(1, -1)[where].mean(dim=0) for one in maps.values()
    ]
    return torch.stack(on)


def previous_token(length: int) -> Bool[Tensor, "1 T T"]:
    """The edges from each token to the one before it."""
    return torch.ones(1, length, length).tril(-1).triu(-1).bool()


def induction_scores(model: nn.Module, data: Sequences) -> Float[Tensor, "L H"]:
    """Each head's induction score (Olsson et al. 2022): its weight on what came after the token, the time before."""
    return scores(model, data, successors(data.tokens))


def previous_token_scores(model: nn.Module, data: Sequences) -> Float[Tensor, "L H"]:
    """Each head's weight on the token before."""
    return scores(model, data, previous_token(data.tokens.shape[1]))


def accuracy_after(model: nn.Module, data: Sequences, shots: int) -> Float[Tensor, " shots"]:
    """The share of right outputs after k examples, k from 0 to `shots` - 1."""
    with torch.no_grad():
        guess = model(data.tokens)[:, 0 : 2 * shots : 2].argmax(dim=-1)
    return (guess == data.tokens[:, 1 : 2 * shots : 2]).float().mean(dim=0)


def by_counting(shots: int, inputs: int = 8, outputs: int = 4) -> Float[Tensor, " shots"]:
    """The best accuracy there can be after k examples: right if the input was shown, else a guess.

    ``1 - (1 - 1/inputs)^k (1 - 1/outputs)``.
    """
    k = torch.arange(shots)
    return 1 - (1 - 1 / inputs) ** k * (1 - 1 / outputs)
