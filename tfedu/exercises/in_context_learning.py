"""The exercises of chapter 10, "Learning without learning": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.data.patterns import successors
from tfedu.exercises import Diagnosis, Mistake, Verdict, check_function, check_open

#: How much of a query's weight `induction_head` must put on what came after the token, at least.
ENOUGH = 0.9
NOTHING = -1


# --- 1. The rule -----------------------------------------------------------------------------------------------


def induction_rule(answer: Callable[[list[int]], list[int]]) -> Verdict:
    """Judge ``guess(tokens)``: at each place what stood after the latest earlier occurrence of its token, else -1."""

    def guess(tokens: list[int], latest: bool = True, shift: int = 1, own: bool = False) -> list[int]:
        guesses = []
        for t, token in enumerate(tokens):
            places = [s for s in range(t + own) if tokens[s] == token]
            place = (places[-1 if latest else 0] + shift) if places else None
            known = place is not None and 0 <= place < len(tokens)
            guesses.append(tokens[place] if known and place is not None else NOTHING)
        return guesses

    return check_function(
        answer,
        reference=lambda tokens: guess(tokens),
        cases=[([3, 5, 3, 7, 3, 1, 5],), ([1, 2, 3, 4, 1, 2, 3, 4],), ([6, 6, 2, 6, 0, 2],)],
        mistakes=[
            Mistake(
                lambda tokens: guess(tokens, latest=False),
                "You take the *first* occurrence. The text may have changed its mind since: take the latest.",
            ),
            Mistake(
                lambda tokens: guess(tokens, shift=0),
                "You return the token itself: found again, but what stood *after* it is the guess.",
            ),
            Mistake(
                lambda tokens: guess(tokens, own=True),
                "You find the token at its own place, and so read the very future that you should guess. Search "
                "only the places before.",
            ),
            Mistake(
                lambda tokens: guess(tokens, shift=-1),
                "You return what stood *before* the earlier occurrence; the text goes on in the other direction.",
            ),
            Mistake(
                lambda tokens: guess(tokens)[-1:],
                "That is the guess at the last place only. A language model guesses at every place.",
            ),
        ],
        praise="Right: one comparison and one look. The first is the second layer's, the second needs the first's.",
    )


# --- 2. What examples are worth --------------------------------------------------------------------------------


def few_shot_accuracy(answer: Callable[[int, int, int], float]) -> Verdict:
    """Judge ``accuracy(k, inputs, outputs)``: the best there can be after k random examples."""

    def best(k: int, n: int, m: int) -> float:
        return float(1 - (1 - 1 / n) ** k * (1 - 1 / m))

    return check_function(
        answer,
        reference=best,
        cases=[(0, 8, 4), (3, 8, 4), (16, 8, 4), (5, 10, 2)],
        mistakes=[
            Mistake(
                lambda k, n, m: float(1 - (1 - 1 / n) ** k),
                "An input never shown still gets a guess, and one in `outputs` of these is right by luck.",
            ),
            Mistake(
                lambda k, n, m: float(1 - (1 - 1 / m) ** k * (1 - 1 / n)),
                "Inputs and outputs have changed places: that an example helps depends on how many *inputs* there "
                "are.",
            ),
            Mistake(
                lambda k, n, m: min(1.0, k / n) + (1 - min(1.0, k / n)) / m,
                "You let every example show a new input. They are drawn at random, so some come twice.",
            ),
            Mistake(
                lambda k, n, m: float(1 - (1 - 1 / n) ** (k + 1) * (1 - 1 / m)),
                "One example too many: the question itself shows its input, but not its output.",
            ),
            Mistake(
                lambda k, n, m: float((1 - 1 / n) ** k * (1 - 1 / m)),
                "That is how often it must be wrong. How often can it be right?",
            ),
            Mistake(
                lambda k, n, m: float(1 - (1 - 1 / n) ** k + 1 / m),
                "You grant the lucky guess to all. Only those inputs that were not shown need it.",
            ),
        ],
        praise="Right. This is counting, not learning; and yet the trained model does just as well.",
    )


# --- 3. The edges ----------------------------------------------------------------------------------------------


def induction_edges(answer: Callable[[Tensor], Bool[Tensor, "T T"]]) -> Verdict:
    """Judge ``edges(tokens)``: true at (t, s) where s stands right after an earlier occurrence of token t."""

    def match(tokens: Tensor, shift: int) -> Tensor:
        T = len(tokens)
        same = tokens[:, None] == tokens
        edges = torch.zeros(T, T, dtype=torch.bool)
        if shift >= 0:
            edges[:, shift:] = same[:, : T - shift]
        else:
            edges[:, :shift] = same[:, -shift:]
        return edges

    def right(tokens: Tensor) -> Tensor:
        return successors(tokens[None])[0]

    def latest(tokens: Tensor) -> Tensor:
        edges = right(tokens)
        after = edges.flip(1).long().cumsum(dim=1).flip(1)
        return edges & (after == 1)

    cases = [(torch.tensor([3, 5, 3, 7, 3, 1, 5, 5]),), (torch.tensor([1, 2, 3, 4, 1, 2, 3, 4, 1]),)]
    return check_function(
        answer,
        reference=right,
        cases=cases,
        mistakes=[
            Mistake(
                lambda tokens: right(tokens).T,
                "Queries and keys have changed places: row t belongs to the token that looks back.",
            ),
            Mistake(
                lambda tokens: match(tokens, 0).tril(-1),
                "These lead to the earlier occurrence itself. A head that looked there would find its own token "
                "again; what came after it stands one place later.",
            ),
            Mistake(
                lambda tokens: match(tokens, 1),
                "Some of these edges lead into the future, which a causal mask closes anyway. Keep s up to t.",
            ),
            Mistake(
                lambda tokens: match(tokens, -1).tril(),
                "These lead to what stood *before* the earlier occurrence.",
            ),
            Mistake(
                latest,
                "You keep only the latest occurrence. A head can look at all of them, and each edge must be cut.",
            ),
            Mistake(
                lambda tokens: right(tokens).tril(-1),
                "One kind of edge is missing: where a token stands twice in a row, what came after the first is "
                "the second itself. That is an edge from a place to itself.",
            ),
        ],
        praise="Right. Cut these in the second layer, and copying is gone; cut as many others, and it stays.",
    )


# --- 4. The score ----------------------------------------------------------------------------------------------


def induction_score(answer: Callable[[Tensor, Tensor], Float[Tensor, " H"]]) -> Verdict:
    """Judge ``score(weights, edges)`` for weights (H, T, T), edges (T, T): mean weight on the edges, over rows that
    have any."""

    def draw(seed: int) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(0, 5, (1, 9), generator=generator)
        weights = torch.rand(3, 9, 9, generator=generator).tril()
        return weights / weights.sum(dim=-1, keepdim=True), successors(tokens)[0]

    def on(w: Tensor, edges: Tensor) -> Tensor:
        return (w * edges).sum(dim=-1)  # (H, T)

    return check_function(
        answer,
        reference=lambda w, edges: on(w, edges)[:, edges.any(dim=1)].mean(dim=1),
        cases=[draw(0), draw(1)],
        mistakes=[
            Mistake(
                lambda w, edges: on(w, edges).mean(dim=1),
                "You count rows that have no such edge. At a token's first occurrence no head can do induction: "
                "leave those rows out of the mean.",
            ),
            Mistake(
                lambda w, edges: w[:, edges].mean(dim=1),
                "You average over edges. A row with three of them would count three times, and its weight is "
                "shared among them: add them up within a row first.",
            ),
            Mistake(
                lambda w, edges: on(w, edges)[:, edges.any(dim=1)].mean(),
                "That is one number for all heads. Each head has its own score.",
            ),
            Mistake(
                lambda w, edges: on(w, edges).sum(dim=1),
                "A sum over the rows grows with the text. Take the mean.",
            ),
            Mistake(
                lambda w, edges: (w * edges).amax(dim=-1)[:, edges.any(dim=1)].mean(dim=1),
                "You take the largest edge of a row. If a token came before twice, the head may look at both: add.",
            ),
        ],
        praise="Right: between 0 and 1, and comparable between heads, texts and models.",
    )


# --- 5. Why one layer can, if all blocks are of one length ------------------------------------------------------


def fixed_period(answer: Callable[[int, int], Float[Tensor, "T T"]]) -> Verdict:
    """Judge ``look(T, n)``: the map of a single head that copies blocks of n tokens; before, each looks at itself."""

    def look(T: int, back: int) -> Tensor:
        weights = torch.zeros(T, T)
        for t in range(T):
            weights[t, t - back if 0 <= t - back < T else t] = 1.0
        return weights

    return check_function(
        answer,
        reference=lambda T, n: look(T, n - 1),
        cases=[(9, 4), (12, 5), (6, 1)],
        mistakes=[
            Mistake(
                lambda T, n: look(T, n),
                "You look n places back: there stands the token that you already have. The one that *follows* is "
                "wanted.",
            ),
            Mistake(
                lambda T, n: look(T, n + 1),
                "You look at what stood *before* the earlier occurrence; go one place in the other direction.",
            ),
            Mistake(
                lambda T, n: look(T, n - 1).T,
                "Rows are queries: in row t stands where t looks. Yours looks ahead.",
            ),
            Mistake(
                lambda T, n: look(T, 1),
                "That is the previous-token head. It is the *first* half of induction, and does not copy.",
            ),
            Mistake(
                lambda T, n: torch.zeros(T, T).masked_fill(
                    torch.arange(T)[:, None] - torch.arange(T) == n - 1, 1.0
                ),
                "The first rows are empty. There is nothing to copy yet; let each look at itself, so that every row "
                "sums to one.",
            ),
        ],
        praise="Right, and no token was ever compared with another: it counts places. So vary the block.",
    )


# --- 6. The second head, by hand ---------------------------------------------------------------------------------


def induction_head(answer: Callable[[int], tuple[Tensor, Tensor, Tensor]]) -> Verdict:
    """Judge ``make(V)``, which returns W_q, W_k, W_v, each (2V, V), of a head that does induction.

    It reads vectors of width 2V: the token as a one-hot vector, then the token before, as a previous-token head
    left it. Its scores are ``q k^T / sqrt(V)``, and what it gathers is the guess.
    """
    return check_open(_judge_head, answer)


def _judge_head(answer: Any) -> Verdict:
    if not callable(answer):
        raise Diagnosis("Pass the function itself: it makes the matrices for any number of tokens V.")
    V, T = 24, 40
    matrices = answer(V)
    if matrices is None:
        raise Diagnosis("Your function returned nothing (None). Does it end with a return?")
    fits = isinstance(matrices, tuple | list) and len(matrices) == 3
    if not fits or not all(isinstance(W, Tensor) and tuple(W.shape) == (2 * V, V) for W in matrices):
        raise Diagnosis(
            f"Return three matrices W_q, W_k, W_v, each (2V, V), here ({2 * V}, {V}): rows 0 to V - 1 read the token, "
            "the others the token before."
        )
    W_q, W_k, W_v = (W.double() for W in matrices)
    generator = torch.Generator().manual_seed(0)
    block = torch.randperm(V, generator=generator)[: T // 2]
    tokens = block.repeat(2)
    now = F.one_hot(tokens, V)
    before = F.pad(now[:-1], (0, 0, 1, 0))
    x = torch.cat([now, before], dim=1).double()
    scores = ((x @ W_q) @ (x @ W_k).T / V**0.5).masked_fill(~torch.ones(T, T).bool().tril(), -torch.inf)
    weights = scores.softmax(dim=-1)
    if not weights.isfinite().all():
        raise Diagnosis("The scores overflow: a factor of some tens is insistent enough.")
    at = torch.arange(T // 2 + 1, T)

    def share(back: int) -> float:
        return weights[at, at - back].mean().item()

    right, itself = share(T // 2 - 1), share(T // 2) + share(0)
    before_it, even = share(T // 2 + 1) + share(1), (1 / (at + 1)).mean().item()
    if right < ENOUGH:
        if itself > 0.8:
            raise Diagnosis(
                "Your head finds the token itself, now and in the earlier block. It should find the place whose "
                "token *before* is this one: let the key read the second half of the vector."
            )
        if before_it > 0.8:
            raise Diagnosis(
                "Your head looks one place before where it should: query and key have changed places. The query "
                "reads the token, the key the token before."
            )
        if right > 1.2 * even:
            raise Diagnosis(
                f"The right place, but only {right:.0%} of the weight there: the scores need to be larger, so that "
                "the softmax is sharp."
            )
        raise Diagnosis(
            f"Only {right:.0%} of the weight is on what came after the token. Which half must the query read, and "
            "which the key?"
        )
    guess = (weights @ (x @ W_v)).argmax(dim=-1)[at[:-1]]
    if torch.equal(guess, tokens[at[:-1]]):
        raise Diagnosis(
            "The head looks at the right place and reads the wrong half there: its value repeats the token that "
            "you already have."
        )
    if not torch.equal(guess, tokens[at[1:]]):
        raise Diagnosis(
            "The head looks at the right place, but what it gathers is not the token there: W_v should pass the "
            "first half of the vector on as it is."
        )
    return Verdict(
        "right", "Right: a query for the token, a key that tells the token before, a value that is copied."
    )
