"""The exercises of chapter 7: the right answer passes, and each known mistake gets its own diagnosis.

The answers here are written as a student would write them, not taken from the module that judges them.
"""

import pytest
import torch

from tfedu.exercises import bert as exercise
from tfedu.models.bert import BERT, BERTConfig
from tfedu.weights import CheckpointError, find

# --- 1. parameters -----------------------------------------------------------------------------------------


def parameters(V, D, L, F, P, S):
    with torch.device("meta"):
        model = BERT(BERTConfig(V, D, L, 1, F, longest=P, token_types=S))
    return sum(p.numel() for p in model.parameters())


def less(what):
    return lambda V, D, L, F, P, S: parameters(V, D, L, F, P, S) - what(V, D, L, F, P, S)


PARAMETERS = {
    "biases are missing": less(lambda V, D, L, F, P, S: L * (5 * D + F) + D),
    "fourth mixes": less(lambda V, D, L, F, P, S: L * (D * D + D)),
    "pooler is missing": less(lambda V, D, L, F, P, S: D * D + D),
    "two LayerNorms": less(lambda V, D, L, F, P, S: L * 2 * D),
    "LayerNorms are missing": less(lambda V, D, L, F, P, S: L * 4 * D + 2 * D),
    "LayerNorm of their own": less(lambda V, D, L, F, P, S: 2 * D),
    "segments' vectors": less(lambda V, D, L, F, P, S: S * D),
    "word vectors twice": less(lambda V, D, L, F, P, S: -V * D),
}


# --- 2. mask_tokens ----------------------------------------------------------------------------------------


def mask_tokens(tokens, draw, anything, mask):
    hidden = tokens.clone()
    chosen = draw < 0.15
    hidden[draw < 0.12] = mask
    swap = (draw >= 0.12) & (draw < 0.135)
    hidden[swap] = anything[swap]
    return hidden, chosen


def with_cuts(low, high, chosen=None):
    def wrong(tokens, draw, anything, mask):
        swap = (draw >= low) & (draw < high)
        hidden = torch.where(draw < low, mask, torch.where(swap, anything, tokens))
        return hidden, draw < 0.15 if chosen is None else chosen(tokens, hidden, draw)

    return wrong


HIDDEN = {
    "All chosen tokens": with_cuts(0.15, 0.15),
    "only the tokens that were changed": with_cuts(
        0.12, 0.135, lambda tokens, hidden, draw: tokens != hidden
    ),
    "that became [MASK]": with_cuts(0.12, 0.135, lambda tokens, hidden, draw: draw < 0.12),
    "*chosen* tokens": with_cuts(0.8, 0.9),
    "none stays": with_cuts(0.12, 0.15),
    "a fifth stays": with_cuts(0.12, 0.12),
    "turned round": with_cuts(0.12, 0.135, lambda tokens, hidden, draw: draw >= 0.15),
}


# --- 3. left_mask ------------------------------------------------------------------------------------------


def left_mask(real):
    B, S = real.shape
    place = torch.arange(S)
    return (place[:, None] >= place[None]).expand(B, S, S) & real.unsqueeze(1)


def by_place(rule, use_real=True):
    def wrong(real):
        B, S = real.shape
        place = torch.arange(S)
        allowed = rule(place[:, None], place[None]).expand(B, S, S)
        return allowed & real.unsqueeze(1) if use_real else allowed

    return wrong


LEFT = {
    "right to left": by_place(lambda t, s: t <= s),
    "look at itself": by_place(lambda t, s: s < t),
    "padding may be": by_place(lambda t, s: s <= t, use_real=False),
    "BERT itself": by_place(lambda t, s: t * 0 + s >= 0),
    "rows, not columns": lambda real: left_mask(torch.ones_like(real)) & real.unsqueeze(2),
    "*may* attend": lambda real: ~left_mask(real),
}


# --- 4. pseudo-perplexity ----------------------------------------------------------------------------------


def surprise(model, tokens, mask, hide="each", ends=False):
    found = []
    for t in range(len(tokens)) if ends else range(1, len(tokens) - 1):
        row = tokens.clone()
        if hide == "each":
            row[t] = mask
        elif hide == "all":
            row[1:-1] = mask
        found.append(-model(row[None])[0, t].log_softmax(-1)[tokens[t]])
    return torch.stack(found)


PERPLEXITY = {
    "Nothing is hidden": lambda m, t, k: surprise(m, t, k, "none").mean().exp().item(),
    "All words are hidden": lambda m, t, k: surprise(m, t, k, "all").mean().exp().item(),
    "counted as words": lambda m, t, k: surprise(m, t, k, ends=True).mean().exp().item(),
    "mean loss in nats": lambda m, t, k: surprise(m, t, k).mean().item(),
    "add the losses": lambda m, t, k: surprise(m, t, k).sum().exp().item(),
    "below 1": lambda m, t, k: (-surprise(m, t, k).mean()).exp().item(),
    "inverse probabilities": lambda m, t, k: surprise(m, t, k).exp().mean().item(),
}


def pseudo_perplexity(model, tokens, mask):
    return surprise(model, tokens, mask).mean().exp().item()


FAMILIES = {
    "parameters": (exercise.parameters, parameters, PARAMETERS),
    "mask_tokens": (exercise.mask_tokens, mask_tokens, HIDDEN),
    "left_mask": (exercise.left_mask, left_mask, LEFT),
    "pseudo_perplexity": (exercise.pseudo_perplexity, pseudo_perplexity, PERPLEXITY),
}


def test_the_praise_counts_base_rightly() -> None:
    assert parameters(30_522, 768, 12, 3072, 512, 2) == 109_482_240


# --- 5. silence --------------------------------------------------------------------------------------------


def shipped() -> bool:
    try:
        find(exercise.MODEL)
    except CheckpointError:
        return False
    return True


@pytest.mark.skipif(not shipped(), reason="the checkpoint is not here")
@pytest.mark.parametrize(
    ("heads", "words"),
    [
        (..., "not started"),
        (None, "not started"),
        ("heads", "Give a list"),
        ([(0, 1, 2)], "no pair"),
        ([(0, 9)], "no head"),
        ([(9, 0)], "no head"),
        ([(0, 0), (0, 0)], "listed twice"),
        ([(0, 0)], "at least 8"),
        ([(layer, head) for layer in (1, 2) for head in range(4)], "nats more, and at most"),
        ([(0, 0), (0, 1), (0, 2), (0, 3), (2, 0), (3, 2), (3, 1), (3, 3)], "heads silent"),
    ],
)
def test_silence(heads, words) -> None:
    verdict = exercise.silence(heads)
    assert words in verdict.message
    assert bool(verdict) == (words == "heads silent")
