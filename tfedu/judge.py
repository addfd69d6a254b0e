"""Judge a translator on sentences of the grammar corpus: its BLEU, its links, and what an edit of its map does.

The corpus (`tfedu.data.grammar`) has one right translation for each sentence and gold links between the
words, so that each question has a certain answer.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from tfedu.data import grammar
from tfedu.data.alignment import Link, links_from_map
from tfedu.data.grammar import Pair
from tfedu.data.text import BOS
from tfedu.trace import Edit, Maps, ablate, trace
from tfedu.translator import Translator


def held_out(ranges: Sequence[tuple[int, int]], count: int) -> list[list[Pair]]:
    """For each (shortest, longest) up to `count` pairs that no shipped grammar model was trained on.

    Ranges up to 25 words are cut from the recipes' own test set, longer ones are new by their length.

    Raises:
        ValueError: if a range lies on both sides of the longest training length.
    """
    from tfedu.train.recipes import LONG
    from tfedu.train.recipes.translate import TEST_SEED

    longest = LONG["words"][1]
    known = grammar.corpus(1000, lengths=LONG["words"], seed=TEST_SEED)
    found = []
    for low, high in ranges:
        if low <= longest < high:
            raise ValueError(
                f"the range {low} to {high} mixes lengths seen in training, up to {longest}, with others."
            )
        inside = [pair for pair in known if low <= len(pair.source) <= high]
        found.append(
            inside[:count] if high <= longest else grammar.corpus(count, lengths=(low, high), seed=TEST_SEED)
        )
    return found


def ids(translator: Translator, pairs: Sequence[Pair]) -> list[tuple[list[int], list[int]]]:
    """The pairs as (source ids, target ids)."""
    return [(translator.source.encode(p.source), translator.target.encode(p.target)) for p in pairs]


def bleu(translator: Translator, pairs: Sequence[Pair]) -> float:
    """BLEU of the greedy translations, 0 to 100, words taken as they stand."""
    from tfedu.train.translation import bleu, decode_all, translate_all

    found = translate_all(translator.model, [translator.source.encode(pair.source) for pair in pairs])
    wanted = [" ".join(pair.target) for pair in pairs]
    return bleu(decode_all(translator.target, found), wanted, tokenize="none")[0]


def links(translator: Translator, pairs: Sequence[Pair]) -> list[set[Link]]:
    """For each pair the links of its map, the right translation being fed in word by word."""
    return [links_from_map(weights, skip_rows=[-1]) for weights in translator.maps(ids(translator, pairs))]


@torch.no_grad()
def next_words(translator: Translator, pair: Pair, rows: Float[Tensor, "T S"] | None = None) -> list[str]:
    """The likeliest word at each row, the right words before it being given.

    Args:
        translator: with attention, if `rows` are given.
        pair: the sentence; T and S are its target and source lengths.
        rows: weights to put in the model's place, one row at a time: word t is what the model would write if
            row t alone were ``rows[t]`` and all rows before it its own.
    """
    [(source, target)] = ids(translator, [pair])
    T = len(target)
    read = torch.tensor([[BOS, *target[:-1]]])
    if rows is None:
        best = translator.model(torch.tensor([source]), read)[0].argmax(dim=-1)
    else:

        def edit(weights: Tensor, first_row: int) -> Tensor:
            weights = weights.clone()  # the batch holds the sentence T times; copy t has its row t replaced
            for row in range(weights.shape[2]):
                weights[first_row + row, :, row] = rows[first_row + row]
            return weights

        with trace(translator.model, edit={"decoder.attention": edit}):
            logits = translator.model(torch.tensor([source] * T), read.expand(T, T))
        best = logits[torch.arange(T), torch.arange(T)].argmax(dim=-1)
    return translator.target.tokens(best.tolist())


def misplaced(translator: Translator, pairs: Sequence[Pair]) -> float:
    """Of the rightly predicted words, the share whose largest weight is on a word that they do not translate.

    NaN if no word is predicted rightly.
    """
    wrong = total = 0
    for pair, found in zip(pairs, links(translator, pairs), strict=True):
        words = next_words(translator, pair)
        right = {(i, j) for i, j in found if words[j] == pair.target[j]}
        wrong, total = wrong + len(right - pair.links), total + len(right)
    return wrong / total if total else float("nan")


def ahead(translator: Translator, pairs: Sequence[Pair]) -> float:
    """Of the wrong links, the share that lies to the right of every true one of its target word; NaN if none is."""
    wrong = total = 0
    for pair, found in zip(pairs, links(translator, pairs), strict=True):
        for i, j in found - pair.links:
            wrong, total = wrong + all(i > a for a, b in pair.links if b == j), total + 1
    return wrong / total if total else float("nan")


@torch.no_grad()
def maps(translator: Translator, pair: Pair) -> Maps:
    """All maps of one pair, the right translation being fed in word by word."""
    [(source, target)] = ids(translator, [pair])
    with trace(translator.model) as caught:
        translator.model(torch.tensor([source]), torch.tensor([[BOS, *target]]))
    return caught


def silenced(translator: Translator, heads: Collection[tuple[str, int]], pairs: Sequence[Pair]) -> float:
    """BLEU of the greedy translations when some heads gather nothing.

    Args:
        translator: with attention.
        heads: pairs of a map's name and a head's number in it.
        pairs: what is translated.
    """

    def quiet(name: str) -> Edit:
        edits = [ablate(head) for other, head in heads if other == name]

        def edit(weights: Tensor, first_row: int) -> Tensor:
            for one in edits:
                weights = one(weights, first_row)
            return weights

        return edit

    with trace(translator.model, edit={name: quiet(name) for name, _ in heads}):
        return bleu(translator, pairs)
