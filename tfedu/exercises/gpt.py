"""The exercises of chapter 9, "GPT: the next token": checks, and the mistakes they know."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function, check_open


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. How many parameters --------------------------------------------------------------------------------


def parameters(answer: int) -> Verdict:
    """Judge how many parameters GPT-2's smallest model has: 12 layers, width 768, 50,257 tokens, context 1,024."""
    D, V, T, L = 768, 50_257, 1024, 12
    layer = 12 * D * D + 13 * D
    right = V * D + T * D + L * layer + 2 * D
    mistakes = [
        Mistake(
            right + V * D,
            "You count the output matrix on its own. It is tied: the token vectors score the next token.",
        ),
        Mistake(right - T * D, "The positions are missing: each of the 1,024 places has a learned vector."),
        Mistake(right - 2 * D, "One LayerNorm is missing: pre-norm has one more at the end."),
        Mistake(
            right - 2 * D * (2 * L + 1),
            "The LayerNorms are missing: each has a gain and a bias for every one of the 768 numbers.",
        ),
        Mistake(
            right - L * 9 * D,
            "The matrices' biases are missing. Each layer has 3 D for the queries, keys and values, D for the "
            "output, 4 D and D in the feed-forward network.",
        ),
        Mistake(L * layer, "That is inside the layers alone; token and position vectors count too."),
        Mistake(
            right - L * 8 * D * D - L * 5 * D,
            "The feed-forward networks are missing, most of each layer.",
        ),
        Mistake(124_000_000, "Nearly: that is the rounded number. Count to the last one."),
        Mistake(117_000_000, "117 million is what the paper's table says, by mistake. Count them."),
    ]

    def judge(count: int) -> Verdict:
        # To the last one: a few norms are less than the tolerance that other numbers are compared with.
        if count is None or count is ...:
            return Verdict("not started", "not started yet")
        for mistake in mistakes:
            if count == mistake.wrong:
                return Verdict("wrong", mistake.diagnosis)
        if count != right:
            return Verdict("wrong", f"{count} is not it. Count again, and write down what you count.")
        return Verdict("right", "124,439,808, of which 38.6 million are the token vectors.")

    return check_open(judge, answer)


# --- 2. Causal weights -------------------------------------------------------------------------------------


def causal_weights(answer: Callable[[Float[Tensor, "T T"]], Float[Tensor, "T T"]]) -> Verdict:
    """Judge ``weights(scores)``: the softmax of the scores, each row over its own place and all before it."""

    def masked(scores: Tensor, allowed: Tensor) -> Tensor:
        return scores.masked_fill(~allowed, -torch.inf).softmax(-1)

    def triangle(scores: Tensor, diagonal: int = 0) -> Tensor:
        return torch.ones_like(scores, dtype=torch.bool).tril(diagonal)

    def reference(scores: Tensor) -> Tensor:
        return masked(scores, triangle(scores))

    return check_function(
        answer,
        reference=reference,
        cases=[(2 * scores,) for scores in _draw((4, 4), (6, 6))],
        mistakes=[
            Mistake(
                lambda scores: scores.softmax(-1).tril(),
                "You mask after the softmax: rows no longer sum to 1, and the later tokens still press on the "
                "others through the denominator. Mask the scores.",
            ),
            Mistake(
                lambda scores: scores.tril().softmax(-1),
                "You set the forbidden scores to 0. The softmax of 0 is not 0: use minus infinity.",
            ),
            Mistake(
                lambda scores: masked(scores, triangle(scores, -1)),
                "The diagonal is masked too, so the first token sees nothing at all (NaN). A token may see itself.",
            ),
            Mistake(
                lambda scores: masked(scores, triangle(scores, 1)),
                "Each row sees one place too many: the very token that it is to predict.",
            ),
            Mistake(
                lambda scores: masked(scores, triangle(scores).T),
                "The triangle is turned over: your tokens see what comes *after* them.",
            ),
            Mistake(
                lambda scores: scores.masked_fill(~triangle(scores), -torch.inf).softmax(0),
                "The columns sum to 1, but each row should: the softmax ran over the queries.",
            ),
            Mistake(lambda scores: scores.softmax(-1), "Nothing is masked: every token sees its own future."),
        ],
        praise="Each row is a distribution over the past, and the future has exactly nothing.",
    )


# --- 3. The loss -------------------------------------------------------------------------------------------


def next_token_loss(
    answer: Callable[[Float[Tensor, "B T V"], Int[Tensor, "B T"]], Float[Tensor, ""]],
) -> Verdict:
    """Judge ``loss(logits, tokens)``: the mean cross-entropy, in nats, of each token but the first, from the logits
    that the model gave after reading the tokens before it."""
    cases = []
    for B, T, V in ((2, 5, 7), (3, 4, 5)):
        (logits,) = _draw((B, T, V))
        cases.append((2 * logits, torch.arange(B * T).mul(5).remainder(V).view(B, T)))

    def mean(logits: Tensor, wanted: Tensor) -> Tensor:
        return F.cross_entropy(logits.flatten(0, 1), wanted.flatten())

    def reference(logits: Tensor, tokens: Tensor) -> Tensor:
        return mean(logits[:, :-1], tokens[:, 1:])

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                mean,
                "There is no shift: the logits at t are compared with token t, which the model has just read. It "
                "learns to copy.",
            ),
            Mistake(
                lambda logits, tokens: mean(logits[:, 1:], tokens[:, :-1]),
                "You shift the wrong way: the model is asked for the token *before*, which it has read.",
            ),
            Mistake(
                lambda logits, tokens: mean(logits, tokens.roll(-1, 1)),
                "The targets are rolled, so the last place is asked for the first token. Nothing follows the last "
                "one: leave it out.",
            ),
            Mistake(
                lambda logits, tokens: mean(logits[:, :-2], tokens[:, 2:]),
                "You shift by two: the logits at t are for token t + 1.",
            ),
            Mistake(
                lambda logits, tokens: reference(logits, tokens) * tokens[:, 1:].numel(),
                "You add the places up; the mean is wanted, or long texts weigh more.",
            ),
            Mistake(
                lambda logits, tokens: reference(logits, tokens) / math.log(2),
                "That is in bits. The natural logarithm gives nats.",
            ),
            Mistake(
                lambda logits, tokens: -reference(logits, tokens), "The sign is turned: a loss is positive."
            ),
        ],
        praise="All places are trained at once, each on the token that follows it.",
    )


# --- 4. The nucleus ----------------------------------------------------------------------------------------


def nucleus(
    answer: Callable[[Float[Tensor, " V"], float, float], Float[Tensor, " V"]],
) -> Verdict:
    """Judge ``nucleus(logits, temperature, p)``: odds at a temperature, cut to the smallest set of the likeliest that
    holds at least p, and made to sum to 1 again."""
    logits = torch.tensor([0.1, 0.35, 0.05, 0.3, 0.2]).log()
    cases = [(logits, 1.0, 0.6), (logits, 0.5, 0.7), (logits, 2.0, 0.75), (logits.flip(0) + 1, 1.0, 0.97)]

    def cut(odds: Tensor, p: float, crossing: bool = True) -> Tensor:
        ordered, order = odds.sort(descending=True)
        total = ordered.cumsum(0)
        kept = ordered * ((total - ordered < p) if crossing else (total <= p))
        return torch.zeros_like(odds).scatter(0, order, kept)

    def again(odds: Tensor) -> Tensor:
        return odds / odds.sum()

    def reference(logits: Tensor, temperature: float, p: float) -> Tensor:
        return again(cut((logits / temperature).softmax(0), p))

    def ascending(logits: Tensor, temperature: float, p: float) -> Tensor:
        odds = (logits / temperature).softmax(0)
        ordered, order = odds.sort()
        return again(torch.zeros_like(odds).scatter(0, order, ordered * (ordered.cumsum(0) - ordered < p)))

    def unsorted(logits: Tensor, temperature: float, p: float) -> Tensor:
        return reference(logits, temperature, p).sort(descending=True).values

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda logits, temperature, p: again(
                    cut((logits / temperature).softmax(0), p, crossing=False)
                ),
                "The token that carries the sum over p is cut off too. The set must hold *at least* p, so it stays; "
                "else the likeliest token alone could leave nothing.",
            ),
            Mistake(
                lambda logits, temperature, p: cut((logits / temperature).softmax(0), p),
                "What is left does not sum to 1: divide by its sum.",
            ),
            Mistake(
                lambda logits, temperature, p: reference(logits * temperature, 1.0, p),
                "You multiply by the temperature. Divide: a low one must make the likely tokens likelier.",
            ),
            Mistake(
                lambda logits, temperature, p: reference(logits, 1.0, p),
                "The temperature is not used.",
            ),
            Mistake(
                lambda logits, temperature, p: again(cut(logits.softmax(0), p) ** (1 / temperature)),
                "You cut first and heat afterwards. A hot distribution is wide, so its nucleus is larger: "
                "temperature comes first.",
            ),
            Mistake(ascending, "You collect from the *unlikeliest* upwards. Sort in descending order."),
            Mistake(unsorted, "The odds come back sorted: put each one where its token is."),
            Mistake(
                lambda logits, temperature, p: (logits / temperature).softmax(0),
                "Nothing is cut off.",
            ),
        ],
        praise="The set is small where the model is sure, and large where it is not.",
    )


# --- 5. A chunk after a cache ------------------------------------------------------------------------------


def chunk(answer: Callable[[int, int], tuple[Int[Tensor, " T"], Bool[Tensor, "T P+T"]]]) -> Verdict:
    """Judge ``chunk(past, new)``: the positions of `new` tokens after `past` cached ones, and what they may see."""

    def mask(past: int, new: int, shift: int = 0) -> Tensor:
        return torch.ones(new, past + new, dtype=torch.bool).tril(past + shift)

    def reference(past: int, new: int) -> tuple[Tensor, Tensor]:
        return torch.arange(past, past + new), mask(past, new)

    def changed(
        positions: Callable[[int, int], Tensor] | None, seen: Callable[[int, int], Tensor]
    ) -> Callable:
        def wrong(past: int, new: int) -> tuple[Tensor, Tensor]:
            return reference(past, new)[0] if positions is None else positions(past, new), seen(past, new)

        return wrong

    return check_function(
        answer,
        reference=reference,
        cases=[(3, 2), (4, 1), (0, 4), (2, 5)],
        mistakes=[
            Mistake(
                changed(lambda past, new: torch.arange(new), mask),
                "Your positions begin at 0 again. The first new token stands after all that is cached.",
            ),
            Mistake(
                changed(lambda past, new: torch.arange(past, past + new) + 1, mask),
                "Your positions are one too high: they count from 0, so the first after P tokens is P.",
            ),
            Mistake(
                changed(lambda past, new: torch.arange(past, past + new) - 1, mask),
                "Your positions are one too low: the last cached token already stands at P − 1.",
            ),
            Mistake(
                changed(None, lambda past, new: mask(0, new, past).new_ones(new, past + new).tril()),
                "Your triangle starts at the first *key*. The first new token then sees the first cached one alone. "
                "(torch's is_causal does just this where there are more keys than queries.)",
            ),
            Mistake(
                changed(None, lambda past, new: mask(past, new, -1)),
                "The new tokens do not see themselves: the diagonal is allowed.",
            ),
            Mistake(
                changed(None, lambda past, new: mask(past, new, 1)),
                "Each new token sees the one after it.",
            ),
            Mistake(
                changed(None, lambda past, new: mask(0, new)),
                "The mask has no columns for the cached tokens: it must be new × (past + new).",
            ),
            Mistake(
                changed(None, lambda past, new: torch.ones(new, past + new, dtype=torch.bool)),
                "Nothing is masked. The cached tokens are all allowed, but the new ones may not see each other's "
                "future.",
            ),
        ],
        praise="The last query stands at the last key. Then one token, a chunk or the whole text give the same.",
    )


# --- 6. Bits per character ---------------------------------------------------------------------------------


def bits(answer: Callable[[float, int, int], float]) -> Verdict:
    """Judge ``bits(nats, tokens, characters)``: a mean loss in nats a token, as bits a character."""
    return check_function(
        answer,
        reference=lambda nats, tokens, characters: nats * tokens / characters / math.log(2),
        cases=[(1.5, 1000, 1000), (3.4, 400, 1000), (2.0, 30, 120)],
        mistakes=[
            Mistake(
                lambda nats, tokens, characters: nats / math.log(2),
                "Those are bits a *token*. A token of several characters has all their surprise at once: spread it.",
            ),
            Mistake(
                lambda nats, tokens, characters: nats * tokens / characters,
                "Those are nats a character. A bit is ln 2 nats.",
            ),
            Mistake(
                lambda nats, tokens, characters: nats * tokens / characters * math.log(2),
                "You multiply by ln 2. A bit is the smaller unit, so there are more of them: divide.",
            ),
            Mistake(
                lambda nats, tokens, characters: nats * characters / tokens / math.log(2),
                "Tokens and characters have changed places: the nats of *all tokens* are shared by all characters.",
            ),
            Mistake(
                lambda nats, tokens, characters: math.exp(nats * tokens / characters),
                "That is a perplexity a character; its base-2 logarithm would be the bits.",
            ),
        ],
        praise="Now models with different tokens can be compared.",
    )
