"""The exercises of chapter 5, "Self-attention from nothing": checks, and the mistakes they know."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.attention import rotate
from tfedu.blocks.positions import sinusoids
from tfedu.exercises import Mistake, Verdict, check_function, check_open

#: How much weight `previous_token` must put on the token before, on average.
ENOUGH = 0.9


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. Scaled dot-product attention -------------------------------------------------------------------------


def scaled_dot_product(answer: Callable[[Tensor, Tensor, Tensor], Float[Tensor, "B T K"]]) -> Verdict:
    """Judge ``attention(q, k, v)`` for q (B, T, K), k and v (B, S, K): equation 1 of Vaswani et al."""

    def weigh(q: Tensor, k: Tensor, axis: int = -1, scale: float | None = None) -> Tensor:
        return ((q @ k.mT) * (q.shape[-1] ** -0.5 if scale is None else scale)).softmax(dim=axis)

    square = _draw((2, 5, 5), (2, 5, 5), (2, 5, 5))  # T = S = K: no wrong axis gives itself away by its shape
    cases = [square, _draw((1, 4, 9), (1, 4, 9), (1, 4, 9))]
    return check_function(
        answer,
        reference=lambda q, k, v: weigh(q, k) @ v,
        cases=cases,
        mistakes=[
            Mistake(
                lambda q, k, v: weigh(q, k, axis=-2) @ v,
                "Each column sums to 1, but each row should: softmax ran over the queries. Which axis are the "
                "keys?",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k, axis=0) @ v,
                "The softmax runs over the batch: sentences that never met compete for weight. It runs over "
                "the keys.",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k, scale=1.0) @ v,
                "The scores are not scaled. Their variance grows with the width K, and so the softmax grows hard.",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k, scale=1 / q.shape[-1]) @ v,
                "You divide by K. The dot product's *standard deviation* is the square root of K; divided by K, "
                "the scores of a wide head are all nearly 0, and every token gathers the mean.",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k, scale=math.sqrt(q.shape[-1])) @ v,
                "You multiply by the square root where you should divide: scores of a wide head explode.",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k, scale=k.shape[-2] ** -0.5) @ v,
                "You divide by the square root of the number of tokens. What makes a dot product large is how "
                "many products it adds up: the width.",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k, scale=1.0) @ v * q.shape[-1] ** -0.5,
                "You scale what comes out. Scale what goes into the softmax: that is where it saturates.",
            ),
            Mistake(
                lambda q, k, v: weigh(k, q) @ v,
                "Queries and keys have changed places: row t of the map belongs to query t.",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k) @ k,
                "You gather the keys. Keys are only compared; what is gathered are the values.",
            ),
            Mistake(
                lambda q, k, v: weigh(q, k),
                "These are the weights. What they gather is still missing: the law of this book.",
            ),
        ],
        praise="Compared, scaled, softmaxed over the keys, gathered: equation 1.",
    )


# --- 2. Masks ------------------------------------------------------------------------------------------------


def decoder_mask(answer: Callable[[Bool[Tensor, "B S"]], Bool[Tensor, "B T S"]]) -> Verdict:
    """Judge ``mask(words)``: from which tokens are words, (B, S), to who may attend to whom, (B, S, S)."""

    def reference(words: Tensor) -> Tensor:
        S = words.shape[1]
        return torch.ones(S, S, dtype=torch.bool).tril() & words[:, None, :]

    cases = [
        (torch.tensor([[True] * 4, [True, True, True, False]]),),
        (torch.tensor([[True, True, False, False, False], [True] * 5, [True, True, True, True, False]]),),
    ]

    def triangle(words: Tensor, diagonal: int = 0) -> Tensor:
        S = words.shape[1]
        return torch.ones(S, S, dtype=torch.bool).tril(diagonal)

    verdict = check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda words: ~reference(words),
                "The mask is inverted: True = may attend in this book (and in torch's fused kernel; its "
                "nn.MultiheadAttention means the opposite, which bites everyone once).",
            ),
            Mistake(
                lambda words: triangle(words).T & words[:, None, :],
                "Each token sees itself and the *future*. Row t is the query: it may attend to keys 0 to t.",
            ),
            Mistake(
                lambda words: triangle(words, -1) & words[:, None, :],
                "A token may not see itself here, so the first has nothing to attend to. The diagonal is open: "
                "what is predicted is the *next* token.",
            ),
            Mistake(
                lambda words: triangle(words).expand(len(words), -1, -1),
                "The padding is open: a word must not attend to what is no word.",
            ),
            Mistake(
                lambda words: words[:, None, :].expand(-1, words.shape[1], -1),
                "Padding is closed, but the future is open: token t must not see what comes after it.",
            ),
            Mistake(
                lambda words: triangle(words) & words[:, :, None],
                "You close the *rows* of the padding. It is the columns that must go: what a padded query "
                "gathers is thrown away, but what a word gathers from padding is not.",
            ),
            Mistake(
                lambda words: triangle(words) | words[:, None, :],
                "You let a token attend if *either* mask allows it. Both must.",
            ),
            Mistake(
                lambda words: torch.zeros(reference(words).shape).masked_fill(~reference(words), -math.inf),
                "These are numbers to add to scores, 0 and -inf. Right in other libraries; a mask of this book "
                "is boolean.",
            ),
        ],
        praise="Only words, and only the past.",
    )
    return verdict


# --- 3. Heads ------------------------------------------------------------------------------------------------


def split_heads(answer: Callable[[Float[Tensor, "B N D"], int], Float[Tensor, "B H N K"]]) -> Verdict:
    """Judge ``split(x, heads)``: (B, N, D) to (B, H, N, K), head h taking the h-th K coordinates."""

    def reference(x: Tensor, heads: int) -> Tensor:
        return rearrange(x, "b n (h k) -> b h n k", h=heads)

    (x,) = _draw((2, 4, 16))  # N = H = K = 4: every order of the axes has this shape
    (y,) = _draw((1, 3, 8))
    return check_function(
        answer,
        reference=reference,
        cases=[(x, 4), (y, 2)],
        mistakes=[
            Mistake(
                lambda x, heads: x.reshape(x.shape[0], heads, x.shape[1], -1),
                "The shape is right and the numbers are not: reshaping straight to (B, H, N, K) cuts the tokens, "
                "not the width, so a head mixes coordinates of several tokens. First split D, then swap two axes.",
            ),
            Mistake(
                lambda x, heads: rearrange(x, "b n (k h) -> b h n k", h=heads),
                "Head h takes every H-th coordinate. It should take K neighbours: the head is the outer axis of D.",
            ),
            Mistake(
                lambda x, heads: rearrange(x, "b n (h k) -> b n h k", h=heads),
                "The heads stand behind the tokens, (B, N, H, K). A product over tokens wants them last but one.",
            ),
            Mistake(
                lambda x, heads: rearrange(x, "b n (h k) -> b h k n", h=heads),
                "Tokens and coordinates have changed places: (B, H, K, N).",
            ),
        ],
        praise="Each head has a slice of the width, and all tokens.",
    )


# --- 4. Positions --------------------------------------------------------------------------------------------


def sinusoidal_positions(answer: Callable[[int, int], Float[Tensor, "N D"]]) -> Verdict:
    """Judge ``positions(N, D)``: the sinusoids of Vaswani et al., section 3.5."""

    def table(N: int, D: int, first: int = 0, halve: bool = False) -> Tensor:
        place = torch.arange(first, first + N).double()[:, None]
        even = torch.arange(0, D, 2).double()
        angle = place * 10_000.0 ** (-(even / 2 if halve else even) / D)
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(1).float()

    def each_its_own(N: int, D: int) -> Tensor:
        """Every coordinate, odd ones too, with a wavelength of its own."""
        angle = torch.arange(N).double()[:, None] * 10_000.0 ** (-torch.arange(D).double() / D)
        return torch.where(torch.arange(D) % 2 == 0, angle.sin(), angle.cos()).float()

    return check_function(
        answer,
        reference=lambda N, D: sinusoids(N, D),
        cases=[(6, 8), (3, 4)],
        mistakes=[
            Mistake(
                lambda N, D: torch.cat([sinusoids(N, D)[:, 0::2], sinusoids(N, D)[:, 1::2]], dim=1),
                "All sines first, then all cosines. Many libraries do that, and it works as well; but the paper "
                "puts them in turn, and weights trained with one do not fit the other.",
            ),
            Mistake(
                lambda N, D: sinusoids(N, D).reshape(N, -1, 2).flip(-1).flatten(1),
                "Sine and cosine are swapped: even coordinates are sines.",
            ),
            Mistake(
                lambda N, D: table(N, D, first=1),
                "Your first position is 1; in the paper it is 0, where every sine is 0 and every cosine 1.",
            ),
            Mistake(
                lambda N, D: table(N, D, halve=True),
                "The wavelengths grow too slowly: the exponent is 2i / D, where i counts *pairs*.",
            ),
            Mistake(
                each_its_own,
                "Sine and cosine of one pair have different wavelengths. They share one, or moving on by k "
                "positions is no longer a rotation.",
            ),
            Mistake(
                lambda N, D: sinusoids(N, D).T,
                "The table lies on its side: one row a position.",
            ),
        ],
        praise="A clock with D / 2 hands: the slowest turns once in about 60,000 positions at large D.",
    )


# --- 5. Rotations --------------------------------------------------------------------------------------------


def rotary(answer: Callable[[Float[Tensor, "N K"]], Float[Tensor, "N K"]]) -> Verdict:
    """Judge ``turn(x)``: row n of x (N, K), each pair of neighbours turned by n * 10000^(-2i / K)."""

    def halves(x: Tensor) -> Tensor:
        N, K = x.shape
        angle = torch.arange(N)[:, None] * 10_000.0 ** (-torch.arange(0, K, 2) / K)
        a, b = x.chunk(2, dim=-1)
        return torch.cat([a * angle.cos() - b * angle.sin(), a * angle.sin() + b * angle.cos()], dim=-1)

    def mirrored(x: Tensor) -> Tensor:
        N, K = x.shape
        angle = torch.arange(N)[:, None] * 10_000.0 ** (-torch.arange(0, K, 2) / K)
        a, b = x[:, 0::2], x[:, 1::2]
        turned = [a * angle.cos() + b * angle.sin(), a * angle.sin() - b * angle.cos()]
        return torch.stack(turned, dim=-1).flatten(1)

    return check_function(
        answer,
        reference=lambda x: rotate(x),
        cases=[_draw((5, 8)), _draw((7, 4))],
        mistakes=[
            Mistake(
                lambda x: x + sinusoids(*x.shape),
                "You add the sinusoids. Here nothing is added: each pair of coordinates is turned.",
            ),
            Mistake(
                lambda x: rotate(x.flip(0)).flip(0),
                "The positions run backwards: row n turns by n angles.",
            ),
            Mistake(
                lambda x: rotate(x, start=1),
                "Row 0 should stay as it is: its angle is 0.",
            ),
            Mistake(
                halves,
                "You pair coordinate i with i + K/2, as some libraries do. Here neighbours 2i and 2i + 1 are a "
                "pair. (Both are right; weights trained with one do not fit the other.)",
            ),
            Mistake(
                mirrored,
                "Yours is a reflection, not a rotation: its sign is wrong in one place. A rotation is "
                "(a cos - b sin, a sin + b cos).",
            ),
            Mistake(
                lambda x: (
                    rotate(x.reshape(len(x), -1, 2).flip(-1).flatten(1))
                    .reshape(len(x), -1, 2)
                    .flip(-1)
                    .flatten(1)
                ),
                "You turn the other way: check the signs of the two sines.",
            ),
        ],
        praise="Turned. Now the dot product of two turned rows depends on their distance alone.",
    )


# --- 6. A head made by hand ----------------------------------------------------------------------------------


def previous_token(
    answer: Callable[[Float[Tensor, "N D"]], tuple[Float[Tensor, "D K"], Float[Tensor, "D K"]]],
) -> Verdict:
    """Judge ``make(positions)``: two matrices with which each token attends to the one before it.

    `positions` are the sinusoids (N, D) that the tokens carry. The scores are
    ``(positions @ W_q) @ (positions @ W_k).T / sqrt(K)``; from the second row on, the mean weight on the token
    before must reach 0.9. It is tried at two lengths.
    """
    return check_open(_judge_previous, answer)


def _judge_previous(answer: Any) -> Verdict:
    if not callable(answer):
        return Verdict("wrong", "Pass the function itself, without calling it: previous_token(my_function).")
    found = []
    for N in (12, 30):
        positions = sinusoids(N, 64)
        made = answer(positions.clone())
        if made is None:
            return Verdict("wrong", "Your function returned nothing (None). Does it end with a return?")
        if complaint := _matrices_complaint(made):
            return Verdict("wrong", complaint)
        W_q, W_k = (torch.as_tensor(W, dtype=torch.float32) for W in made)
        scores = (positions @ W_q) @ (positions @ W_k).T / math.sqrt(W_q.shape[1])
        weights = scores.softmax(dim=-1)
        if not weights.isfinite().all():
            return Verdict("wrong", "The scores overflow. A smaller factor sharpens enough.")
        found.append([weights.diagonal(offset)[1:-1].mean().item() for offset in (-1, 0, 1)])
    before, itself, after = (min(column) for column in zip(*found, strict=True))
    if before >= ENOUGH:
        return Verdict(
            "right",
            f"{before:.0%} of the weight is on the token before, at both lengths, and not one number of your "
            "matrices was learned. Trained Transformers grow such heads by themselves.",
        )
    if itself > max(before, after):
        return Verdict(
            "wrong",
            f"Each token looks at itself ({itself:.0%} of the weight). Query and key must differ by one step: "
            "turn one of them by the angle of each pair.",
        )
    if after > before:
        return Verdict(
            "wrong",
            f"Each token looks at the one *after* it ({after:.0%}): you turn the wrong way, or the wrong one.",
        )
    return Verdict(
        "wrong",
        f"{before:.0%} of the weight is on the token before; {ENOUGH:.0%} is wanted. If that is where the "
        "largest weight is, the scores only need to be larger: multiply one matrix.",
    )


def _matrices_complaint(made: Any) -> str | None:
    try:
        W_q, W_k = (torch.as_tensor(W, dtype=torch.float32) for W in made)
    except (TypeError, ValueError, RuntimeError):
        return "Return two matrices, W_q and W_k."
    if W_q.ndim != 2 or W_q.shape[0] != 64 or W_q.shape != W_k.shape:
        return (
            f"W_q and W_k are (D, K), with D = 64 for these positions; got {tuple(W_q.shape)} and "
            f"{tuple(W_k.shape)}."
        )
    return None
