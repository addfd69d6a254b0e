"""The exercises of chapter 2, "Learning to align": checks, and the mistakes they know."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from tfedu.exercises import Mistake, Verdict, check_function, check_open

Link = tuple[int, int]

#: How well a confidence must rank right links above wrong ones in `confidence`; 0.5 is a coin.
ENOUGH = 0.8


def _draw(*shapes: tuple[int, ...]) -> tuple[Tensor, ...]:
    generator = torch.Generator().manual_seed(sum(map(sum, shapes)))
    return tuple(torch.randn(*shape, generator=generator) for shape in shapes)


# --- 1. What is gathered -----------------------------------------------------------------------------------


def context(
    answer: Callable[[Float[Tensor, "B T S"], Float[Tensor, "B S D"]], Float[Tensor, "B T D"]],
) -> Verdict:
    """Judge ``context(weights, values)``: the context vectors (B, T, D)."""
    square = _draw((2, 4, 4), (2, 4, 4))  # a square map hides a transposition from the shapes
    cases = [
        (w.softmax(dim=-1), v) for w, v in (square, _draw((2, 3, 5), (2, 5, 4)), _draw((1, 1, 6), (1, 6, 2)))
    ]

    def hard(weights: Tensor, values: Tensor) -> Tensor:
        best = weights.argmax(dim=-1, keepdim=True).expand(-1, -1, values.shape[-1])
        return values.gather(1, best)

    return check_function(
        answer,
        reference=lambda weights, values: weights @ values,
        cases=cases,
        mistakes=[
            Mistake(
                lambda weights, values: (weights @ values) / values.shape[1],
                "Every number is too small by the factor S. The weights of a row sum to one already: a weighted "
                "sum needs no second division.",
            ),
            Mistake(
                lambda weights, values: values.mean(dim=1, keepdim=True).expand(-1, weights.shape[1], -1),
                "Each query gathers the plain mean of the values: the weights are not used.",
            ),
            Mistake(
                hard,
                "You take the one value with the largest weight. That is a hard choice, through which no "
                "gradient reaches the scores; the context mixes all values.",
            ),
            Mistake(
                lambda weights, values: (weights @ values).sum(dim=1),
                "The contexts of all queries are added up. Each target word has a context of its own: keep T.",
            ),
            Mistake(
                lambda weights, values: weights.unsqueeze(-1) * values.unsqueeze(1),
                "You have weighted the values but not added them up: the axis of the keys should be gone.",
            ),
        ],
        praise="Each query's values, mixed by its own row of weights: the law of this book.",
    )


# --- 2. The additive score ---------------------------------------------------------------------------------


def additive_score(
    answer: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Float[Tensor, "T S"]],
) -> Verdict:
    """Judge ``additive_score(q, k, W, U, v)`` -> (T, S); q is (T, Dq), k (S, Dk), W (A, Dq), U (A, Dk), v (A,)."""
    cases = [
        _draw((t, dq), (s, dk), (a, dq), (a, dk), (a,))
        for t, s, dq, dk, a in ((4, 4, 3, 3, 3), (2, 5, 3, 4, 6), (1, 3, 2, 2, 5))
    ]

    def reference(q: Tensor, k: Tensor, W: Tensor, U: Tensor, v: Tensor) -> Tensor:
        return torch.tanh((q @ W.T).unsqueeze(1) + (k @ U.T).unsqueeze(0)) @ v

    def apart(q: Tensor, k: Tensor, W: Tensor, U: Tensor, v: Tensor) -> Tensor:
        return (torch.tanh(q @ W.T) @ v).unsqueeze(1) + (torch.tanh(k @ U.T) @ v).unsqueeze(0)

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda q, k, W, U, v: ((q @ W.T).unsqueeze(1) + (k @ U.T).unsqueeze(0)) @ v,
                "The tanh is missing. Without it the query adds the same number to every score of its row, "
                "and the softmax cancels it: no query could choose.",
            ),
            Mistake(
                apart,
                "You squash query and key apart and add afterwards. Then, too, the query only shifts its row. "
                "The tanh must see their sum.",
            ),
            Mistake(
                lambda q, k, W, U, v: reference(q, k, W, U, v).T,
                "The map is turned round: rows belong to the queries, columns to the keys.",
            ),
            Mistake(
                lambda q, k, W, U, v: torch.tanh((q @ W.T).unsqueeze(1) + (k @ U.T).unsqueeze(0)).sum(dim=-1),
                "v is not used: the hidden units are to be weighed by it, not just added up.",
            ),
            Mistake(
                lambda q, k, W, U, v: reference(q, k, W, U, v).softmax(dim=-1),
                "These are the weights already. Stop before the softmax: a score may be any real number.",
            ),
            Mistake(
                lambda q, k, W, U, v: (q @ W.T) @ (k @ U.T).T,
                "That is a dot product of the two projections. This score adds them, and a small network judges.",
            ),
        ],
        praise="One small network judges every pair of query and key.",
    )


# --- 3. From scores to weights -----------------------------------------------------------------------------


def attention_weights(
    answer: Callable[[Float[Tensor, "B T S"], Bool[Tensor, "B T S"]], Float[Tensor, "B T S"]],
) -> Verdict:
    """Judge ``attention_weights(scores, mask)``: the masked softmax over the keys; True = may attend."""
    scores = [*_draw((2, 4, 4)), *_draw((3, 2, 6))]
    masks = []
    for one in scores:
        lengths = torch.tensor([one.shape[-1], 2, 3][: len(one)])
        inside = torch.arange(one.shape[-1]) < lengths.unsqueeze(1)  # (B, S): the real words
        masks.append(inside.unsqueeze(1).expand_as(one).clone())
    masks[1][1] = False  # a sentence without any word: its queries may attend to nothing
    cases = list(zip(scores, masks, strict=True))

    def soft(scores: Tensor, mask: Tensor, axis: int = -1, fill: float = -torch.inf) -> Tensor:
        return scores.masked_fill(~mask, fill).softmax(dim=axis)

    columns = "Each column sums to 1, but each row should: the softmax ran over the queries. Which axis are the keys?"
    inverted = "The mask is read the wrong way round: True means that a query may attend."
    return check_function(
        answer,
        reference=lambda scores, mask: soft(scores, mask).nan_to_num(0.0),
        cases=cases,
        mistakes=[
            Mistake(lambda scores, mask: soft(scores, mask, 1), columns),
            Mistake(lambda scores, mask: soft(scores, mask, 1).nan_to_num(0.0), columns),
            Mistake(lambda scores, mask: soft(scores, mask, 1, -1e9), columns),
            Mistake(
                lambda scores, mask: scores.softmax(dim=1),
                "Each column sums to 1, but each row should, and the mask is not used. Which axis are the keys?",
            ),
            Mistake(
                lambda scores, mask: scores.softmax(dim=-1),
                "The mask is not used: padding gets weight.",
            ),
            Mistake(
                lambda scores, mask: scores.softmax(dim=-1) * mask,
                "You mask after the softmax, so the rows of short sentences sum to less than 1. "
                "What is masked must not take part in the softmax.",
            ),
            Mistake(
                lambda scores, mask: (scores * mask).softmax(dim=-1),
                "A masked score became 0, and exp(0) = 1: padding still gets weight. Which score has weight 0?",
            ),
            Mistake(lambda scores, mask: soft(scores, ~mask), inverted),
            Mistake(lambda scores, mask: soft(scores, ~mask).nan_to_num(0.0), inverted),
            Mistake(lambda scores, mask: soft(scores, ~mask, fill=-1e9), inverted),
            Mistake(
                soft,
                "Right, but for a query that may attend to nothing: its row is NaN. It should be zeros.",
            ),
            Mistake(
                lambda scores, mask: soft(scores, mask, fill=-1e9),
                "Right, but for a query that may attend to nothing: it spreads its weight over the padding. "
                "Its row should be zeros.",
            ),
        ],
        praise="Rows sum to one over the real words, padding gets exactly nothing, and no NaN.",
    )


# --- 4. From a map to links --------------------------------------------------------------------------------


def links(answer: Callable[[Float[Tensor, "T S"]], list[Link]]) -> Verdict:
    """Judge ``links(weights)``: sorted (source, target) links of a map whose last row predicts the end."""
    # The peaks rise and fall, so that no wrong reading gives the right links by accident; the first map is square.
    cases = []
    for peaks, width in (((2, 0, 3, 1, 3), 5), ((4, 1, 0, 6, 1, 2), 7), ((1, 1, 0), 2)):
        noise = _draw((len(peaks), width))[0]
        chosen = torch.nn.functional.one_hot(torch.tensor(peaks), width)
        cases.append(((noise.clamp(-2, 2) + 6 * chosen).softmax(dim=-1),))

    def reference(weights: Tensor) -> list[Link]:
        return sorted((int(i), j) for j, i in enumerate(weights[:-1].argmax(dim=-1)))

    return check_function(
        answer,
        reference=reference,
        cases=cases,
        mistakes=[
            Mistake(
                lambda weights: sorted((int(i), j) for j, i in enumerate(weights.argmax(dim=-1))),
                "The last row got a link. It is the row at which the model decides to stop: no word stands there.",
            ),
            Mistake(
                lambda weights: sorted((int(i), j) for j, i in enumerate(weights[1:].argmax(dim=-1))),
                "Your links are shifted by one: row j is the row of the j-th word that is predicted, not of the "
                "word that is read there. Nothing is to be dropped in front.",
            ),
            Mistake(
                lambda weights: sorted((int(i), j + 1) for j, i in enumerate(weights[:-1].argmax(dim=-1))),
                "Your links are shifted by one: you count the rows as if the first belonged to the start mark.",
            ),
            Mistake(
                lambda weights: sorted((j, int(i)) for j, i in enumerate(weights[:-1].argmax(dim=-1))),
                "Source and target have changed places: a link is (source, target), that is (column, row).",
            ),
            Mistake(
                lambda weights: sorted((i, int(j)) for i, j in enumerate(weights[:-1].argmax(dim=0))),
                "You ask of each source word which target word looks at it most. A row is a distribution, a "
                "column is not: ask of each target word where it looks.",
            ),
            Mistake(
                lambda weights: sorted((i, int(j)) for i, j in enumerate(weights.argmax(dim=0))),
                "You ask of each source word which target word looks at it most. A row is a distribution, a "
                "column is not: ask of each target word where it looks.",
            ),
        ],
        praise="One link for each word written, none for the end.",
    )


# --- 5. How wrong an alignment is --------------------------------------------------------------------------


def alignment_error_rate(answer: Callable[[list[set[Link]], list[set[Link]]], float]) -> Verdict:
    """Judge ``alignment_error_rate(predicted, gold)`` over a corpus: one set of links a sentence each."""
    first = ([{(0, 0), (1, 1), (2, 3)}], [{(0, 0), (1, 1), (2, 2), (3, 3), (3, 2)}])
    second = (
        [{(0, 0)}, {(i, i) for i in range(8)}, {(1, 0), (2, 1), (2, 2)}],
        [{(0, 0), (1, 0)}, {(i, i + (i > 5)) for i in range(9)}, {(0, 1)}],
    )

    def counts(predicted: list[set[Link]], gold: list[set[Link]]) -> tuple[int, int, int]:
        both = sum(len(a & g) for a, g in zip(predicted, gold, strict=True))
        return both, sum(map(len, predicted)), sum(map(len, gold))

    def reference(predicted: list[set[Link]], gold: list[set[Link]]) -> float:
        both, found, wanted = counts(predicted, gold)
        return 1 - 2 * both / (found + wanted)

    def mean(predicted: list[set[Link]], gold: list[set[Link]]) -> float:
        rates = [reference([a], [g]) for a, g in zip(predicted, gold, strict=True)]
        return sum(rates) / len(rates)

    def share(which: int) -> Callable[..., float]:
        return lambda predicted, gold: 1 - counts(predicted, gold)[0] / counts(predicted, gold)[which]

    def jaccard(predicted: list[set[Link]], gold: list[set[Link]]) -> float:
        both, found, wanted = counts(predicted, gold)
        return 1 - both / (found + wanted - both)

    return check_function(
        answer,
        reference=reference,
        cases=[first, second],
        mistakes=[
            Mistake(
                lambda predicted, gold: 1 - reference(predicted, gold),
                "That is the F-score, the share that is right. The error rate is what is left.",
            ),
            Mistake(
                mean,
                "You average the rates of the sentences, so a sentence of two words counts as much as one of "
                "forty. Add up the counts first, divide once.",
            ),
            Mistake(
                share(1),
                "You divide by the predicted links alone: that is 1 − precision. One safe link in the whole "
                "corpus would score 0.",
            ),
            Mistake(
                share(2),
                "You divide by the gold links alone: that is 1 − recall. Linking every word with every word "
                "would score 0.",
            ),
            Mistake(
                jaccard,
                "You divide by the union of both sets (the Jaccard distance). Here a shared link counts in both "
                "sets: twice above, and in each of the two sizes below.",
            ),
            Mistake(
                lambda predicted, gold: 1 - counts(predicted, gold)[0] / sum(counts(predicted, gold)[1:]),
                "A shared link is in both sets, so it counts twice above the line. As it is, a perfect alignment "
                "would have the error rate 0.5.",
            ),
        ],
        praise="Counted over the corpus, precision and recall held in balance.",
    )


# --- 6. When the map is wrong ------------------------------------------------------------------------------


def confidence(answer: Callable[[Float[Tensor, "T S"]], Float[Tensor, " T"]]) -> Verdict:
    """Judge ``confidence(weights)``: a number for each row, higher where its link is likelier to be right.

    It is tried on the maps of a shipped translator, on sentences longer than it was trained on, where some
    links are wrong. The score is the chance that a right link gets the higher number of a right and a wrong
    one, ties counting half (the area under the ROC curve).
    """
    return check_open(_judge_confidence, answer)


def _judge_confidence(answer: Any) -> Verdict:
    if not callable(answer):
        return Verdict("wrong", "Pass the function itself, without calling it: confidence(my_function).")
    numbers: list[float] = []
    right: list[bool] = []
    for weights, gold in _long_maps():
        found = answer(weights.clone())
        if found is None:
            return Verdict("wrong", "Your function returned nothing (None). Does it end with a return?")
        if complaint := _shape_complaint(found, *weights.shape):
            return Verdict("wrong", complaint)
        numbers += torch.as_tensor(found, dtype=torch.float64).tolist()
        right += [(int(row.argmax()), j) in gold for j, row in enumerate(weights)]
    if not np.isfinite(numbers).all():
        return Verdict(
            "wrong", "Some confidences are not finite. Is there a log(0)? Clamp the weights first."
        )
    if np.ptp(numbers) < 1e-4:
        return Verdict(
            "wrong",
            "Every row gets the same number. Each row sums to 1 whatever its shape, so its sum or its mean "
            "tells nothing: look at how the weight is spread.",
        )
    area = _area(np.array(numbers), np.array(right))
    if area < 0.45:
        return Verdict(
            "wrong",
            f"The area is {area:.2f}, worse than a coin: your order is turned round. Is the number high where "
            "the weight is spread out?",
        )
    if area < ENOUGH:
        return Verdict(
            "wrong",
            f"The area is {area:.2f}; a coin has 0.50, and {ENOUGH:.2f} is wanted. The row knows more than "
            "that: how would it look if the model were sure?",
        )
    return Verdict(
        "right",
        f"The area is {area:.2f}: a right link gets the higher number {100 * area:.0f} times in 100. "
        "The rest are rows that are sure and wrong: no reading of the map alone finds those.",
    )


def _long_maps() -> list[tuple[Tensor, frozenset[Link]]]:
    """Maps (without the row of the end) of sentences of 26 to 40 words, each with its gold links."""
    from tfedu.data import grammar
    from tfedu.translator import Translator

    translator = Translator.from_pretrained("translate-grammar-additive-seed0")
    pairs = grammar.corpus(40, lengths=(26, 40), seed=10_001)
    maps = translator.maps(
        [(translator.source.encode(p.source), translator.target.encode(p.target)) for p in pairs]
    )
    return [(weights[:-1], pair.links) for weights, pair in zip(maps, pairs, strict=True)]


def _shape_complaint(found: Any, T: int, S: int) -> str | None:
    try:
        shape = tuple(torch.as_tensor(found, dtype=torch.float64).shape)
    except (TypeError, ValueError, RuntimeError):
        return f"Return a tensor of T numbers, one for each row; got a {type(found).__name__}."
    if shape == (T,):
        return None
    if shape == (S,):
        return (
            f"You return S = {S} numbers, one for each source word: the reduction ran over the queries. "
            f"One for each row is wanted, T = {T}."
        )
    if shape in ((), (1,)):
        return f"You return one number for the whole map. Each of its {T} rows wants its own."
    return f"The shape should be ({T},), one number for each row, but it is {shape}."


def _area(numbers: np.ndarray, right: np.ndarray) -> float:
    """The area under the ROC curve: how often a right link has the higher number of a right and a wrong one."""
    higher = numbers[right][:, None] - numbers[~right][None, :]
    return float((higher > 0).mean() + 0.5 * (higher == 0).mean())
