"""Beam search over whatever writes word by word (Sutskever et al. 2014, section 3.2; Wu et al. 2016, section 7)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor, nn

PAD, BOS, EOS = 0, 1, 2  # as in tfedu.data.text, which blocks do not import

State = TypeVar("State")


def beam_search(
    step: Callable[[Int[Tensor, "N 1"], State], tuple[Float[Tensor, "N 1 V"], State]],
    state: State,
    take: Callable[[State, Int[Tensor, " N"]], State],
    *,
    sentences: int,
    beam: int,
    length_penalty: float,
    longest: int,
    device: torch.device,
) -> list[list[int]]:
    """The best continuations found, as ids without BOS, EOS and PAD.

    The `beam` best beginnings of each sentence are kept; 1 is greedy search. Beginnings are compared by
    ``log p / ((5 + length) / 6) ** length_penalty`` (Wu et al., equation 14): 0 favours short ones, 1 is about
    the mean per word.

    Args:
        step: from the last word of each of the N = sentences * beam beginnings, and the state before it, to the
            scores of the next word and the state after. The beginnings of one sentence are neighbours.
        state: before the first word, which is BOS.
        take: the state of the beginnings with these numbers, in this order.
        sentences: how many are written side by side.
        beam, length_penalty: see above.
        longest: words at most, EOS included.
        device: of the words.

    Raises:
        ValueError: if `beam` or `longest` is below 1.
    """
    if beam < 1 or longest < 1:
        raise ValueError(f"beam and max_length must be at least 1; got {beam} and {longest}.")
    words = torch.full((sentences * beam, 1), BOS, device=device)
    # All beginnings of a sentence are alike at first: only one of them may be continued.
    log_p = torch.full((sentences, beam), -torch.inf, device=device)
    log_p[:, 0] = 0.0
    length = torch.zeros(sentences, beam, device=device)
    ended = torch.zeros(sentences, beam, dtype=torch.bool, device=device)
    for _ in range(longest):
        logits, state = step(words[:, -1:], state)
        scores = rearrange(logits.float().log_softmax(-1), "(b k) 1 v -> b k v", k=beam)
        scores[..., [PAD, BOS]] = -torch.inf
        # What has ended goes on with padding, at no cost and without growing longer.
        scores[ended] = -torch.inf
        scores[..., PAD] = torch.where(ended, 0.0, scores[..., PAD])
        V = scores.shape[-1]
        total = log_p.unsqueeze(-1) + scores
        longer = length + (~ended).float()
        mean = total / (((5 + longer) / 6) ** length_penalty).unsqueeze(-1)
        chosen = rearrange(mean, "b k v -> b (k v)").topk(beam, dim=1).indices
        origin, word = chosen // V, chosen % V
        log_p = rearrange(total, "b k v -> b (k v)").gather(1, chosen)
        length, ended = longer.gather(1, origin), ended.gather(1, origin) | (word == EOS)
        rows = rearrange(origin + beam * torch.arange(sentences, device=device).unsqueeze(1), "b k -> (b k)")
        words = torch.cat([words[rows], rearrange(word, "b k -> (b k) 1")], dim=1)
        if ended.all():
            break
        if beam > 1:  # a greedy search never changes rows
            state = take(state, rows)
    best = rearrange(words, "(b k) t -> b k t", k=beam)[:, 0, 1:]
    return [[i for i in row if i not in (PAD, EOS)] for row in best.tolist()]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Dropout and the like off inside, and the model afterwards as it was."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)
