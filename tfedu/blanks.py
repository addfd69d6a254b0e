"""Fill in the blank, and ask which heads and which words the answer came from.

blanks = Blanks.from_pretrained("bert-grammar-seed0")
blanks("the dog _ the book .")[0].odds           # every word with its probability, the likeliest first
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from tfedu.data.wordpiece import WordPiece
from tfedu.models.bert import BERTForMaskedLM
from tfedu.trace import Edit, Maps, ablate, trace
from tfedu.train.masked import Cloze, cloze, left_only

#: Where a word can look; each pair of places is of the first kind that it fits.
KINDS = ("separators", "itself", "previous", "next", "same word", "others")


@dataclass(frozen=True)
class Blank:
    """One filled blank.

    Attributes:
        place: its number among the tokens, [CLS] being 0.
        odds: every piece of the vocabulary with its probability, the likeliest first.
    """

    place: int
    odds: dict[str, float]

    @property
    def best(self) -> str:
        """The likeliest piece."""
        return next(iter(self.odds))


class Blanks:
    """A BERT that fills in blanks, and its pieces.

    Args:
        model: trained on hidden words; with `left`, on next words, of which it sees those before.
        words: its tokenizer.
        left: see above.
    """

    def __init__(self, model: BERTForMaskedLM, words: WordPiece, *, left: bool = False) -> None:
        self.model, self.words, self.left = model.eval(), words, left

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Blanks:
        """A shipped model, a published folder or a hub id; "-left" in a shipped name makes it read from the left."""
        left = "-left-seed" in str(name)
        return cls(BERTForMaskedLM.from_pretrained(name), WordPiece.from_pretrained(name), left=left)

    def ids(self, text: str) -> list[int]:
        """The ids of a text, [CLS] and [SEP] included; ``_`` is a blank.

        Raises:
            ValueError: if there is nothing to read, or more than the model has positions for.
        """
        ids, _ = self.words.pair(self.words.encode(re.sub(r"(?<!\w)_+(?!\w)", "[MASK]", text)))
        longest = self.model.config.longest
        if not 2 < len(ids) <= longest:
            raise ValueError(f"a text of 1 to {longest - 2} pieces is wanted; this one has {len(ids) - 2}.")
        return ids

    @torch.no_grad()
    def __call__(self, text: str, *, edit: Mapping[str, Edit] | None = None) -> list[Blank]:
        """Fill each blank ``_`` of a text, all of them at once.

        Args:
            text: words, marks and blanks.
            edit: changes of the maps, as `tfedu.trace.trace` takes them.

        Raises:
            ValueError: if there is no blank, or see `ids`.
        """
        ids = self.ids(text)
        places = [i for i, one in enumerate(ids) if one == self.words.mask]
        if not places:
            raise ValueError("there is no blank in the text: write _ for it.")
        tokens = torch.tensor([ids])
        with trace(self.model, edit=edit):
            logits = self.model(tokens, self._mask(tokens))[0]
        found = []
        for place in places:
            odds = logits[place - int(self.left)].softmax(-1)
            order = odds.argsort(descending=True)
            found.append(
                Blank(place, dict(zip(self.words.tokens(order.tolist()), odds[order].tolist(), strict=True)))
            )
        return found

    def _mask(self, tokens: Int[Tensor, "B T"]) -> Bool[Tensor, "B T T"] | None:
        """Who may look where: all at all, unless the model reads from the left."""
        return left_only(torch.ones_like(tokens).bool()) if self.left else None

    def cloze(self, texts: Sequence[Sequence[int]], silent: Collection[tuple[int, int]] = ()) -> Cloze:
        """How well whole words of `texts` are filled in, one at a time; `silent` heads (layer, head) say nothing."""
        if not silent:
            return cloze(self.model, texts, self.words, left=self.left)
        with trace(self.model, edit=self.quiet(silent)):
            return cloze(self.model, texts, self.words, left=self.left)

    def quiet(self, silent: Collection[tuple[int, int]]) -> dict[str, Edit]:
        """The edits that silence heads, given as (layer, head)."""

        def edit(weights: Tensor, first_row: int, heads: list[int]) -> Tensor:
            for head in heads:
                weights = ablate(head)(weights, first_row)
            return weights

        names = self.model.attentions
        by_layer = {layer: [h for one, h in silent if one == layer] for layer, _ in silent}
        return {names[layer]: partial(edit, heads=heads) for layer, heads in by_layer.items()}

    @torch.no_grad()
    def maps(self, ids: Sequence[int]) -> Maps:
        """All maps of one text, given as ids."""
        tokens = torch.tensor([list(ids)])
        with trace(self.model) as caught:
            self.model(tokens, self._mask(tokens))
        return caught

    def habits(self, texts: Sequence[Sequence[int]]) -> Float[Tensor, "L H 6"]:
        """Of the weight that words give, the share of each of `KINDS`, by head, over all words of `texts`.

        What an even look at everything would give is `even_habits`.
        """
        return self._shares(texts, lambda ids: torch.stack([m.weights[0] for m in self.maps(ids).values()]))

    def even_habits(self, texts: Sequence[Sequence[int]]) -> Float[Tensor, " 6"]:
        """The same of a head that looks at all places alike."""
        return self._shares(texts, lambda ids: torch.full((1, 1, len(ids), len(ids)), 1 / len(ids)))[0, 0]

    def _shares(
        self, texts: Sequence[Sequence[int]], maps: Callable[[Sequence[int]], Float[Tensor, "L H T T"]]
    ) -> Float[Tensor, "L H 6"]:
        total, rows = torch.zeros(()), 0
        for ids in texts:
            kinds = torch.nn.functional.one_hot(self.kinds(ids), len(KINDS)).float()  # (T, S, 6)
            words = torch.tensor([one not in (self.words.cls, self.words.sep) for one in ids])
            total = total + torch.einsum("lhts,tsk->lhk", maps(ids)[:, :, words], kinds[words])
            rows += int(words.sum())
        return total / rows

    def kinds(self, ids: Sequence[int]) -> Int[Tensor, "T S"]:
        """The number in `KINDS` of each pair of places."""
        tokens, place = torch.tensor(ids), torch.arange(len(ids))
        step = place[None] - place[:, None]
        kinds = torch.full((len(ids), len(ids)), KINDS.index("others"))
        kinds[tokens[:, None] == tokens[None]] = KINDS.index("same word")
        for name, distance in (("next", 1), ("previous", -1), ("itself", 0)):
            kinds[step == distance] = KINDS.index(name)
        kinds[:, (tokens == self.words.cls) | (tokens == self.words.sep)] = KINDS.index("separators")
        return kinds

    @torch.no_grad()
    def guess(self, ids: Sequence[int], place: int) -> int:
        """The likeliest word at a place of a text, given as ids with nothing hidden, in one pass."""
        tokens = torch.tensor([list(ids)])
        tokens[0, place] = self.words.mask
        return int(self.model(tokens, self._mask(tokens))[0, place - int(self.left)].argmax())

    @torch.no_grad()
    def weighed(self, ids: Sequence[int], place: int, candidates: int = 30) -> int:
        """The word that makes the whole text likeliest, of the likeliest `candidates` after what stands before.

        So can a model that reads from the left use what stands to the right of a blank: by Bayes' rule, at the
        price of one pass for each candidate.

        Raises:
            ValueError: if the model does not read from the left.
        """
        if not self.left:
            raise ValueError("this model sees both sides: it fills a blank in one pass.")
        tokens = torch.tensor([list(ids)])
        before = tokens[:, :place]
        log_p = self.model(before, self._mask(before))[0, -1]
        tried = log_p.topk(candidates).indices
        rows = tokens.repeat(candidates, 1)
        rows[:, place] = tried
        scores = self.model(rows, self._mask(rows)).log_softmax(-1)
        after = scores[:, place - 1 : -1].gather(-1, rows[:, place:, None]).sum((1, 2))
        return int(tried[after.argmax()])

    @torch.no_grad()
    def needs(
        self, ids: Sequence[int], place: int
    ) -> tuple[Float[Tensor, " T"], Float[Tensor, " T"], Bool[Tensor, " T"]]:
        """What a blank looks at, and what it needs.

        Args:
            ids: of a text, nothing hidden.
            place: of the word to hide.

        Returns:
            the weight that the blank gives to each place, mean over all layers and heads; the nats of the right word
            that are lost when that place is hidden, too; and which places are words other than the blank.
        """
        tokens = torch.tensor([list(ids)])
        hidden = tokens.clone()
        hidden[0, place] = self.words.mask
        with trace(self.model) as maps:
            self.model(hidden)
        looks = torch.stack([one.weights[0, :, place] for one in maps.values()]).mean((0, 1))
        each = torch.arange(len(ids))
        also = hidden.repeat(len(ids), 1)
        also[each, each] = self.words.mask
        log_p = self.model(torch.cat([hidden, also]))[:, place].log_softmax(-1)[:, ids[place]]
        others = (tokens[0] != self.words.cls) & (tokens[0] != self.words.sep) & (each != place)
        return looks, log_p[0] - log_p[1:], others


def texts(count: int, words: WordPiece, lengths: tuple[int, int] = (4, 25)) -> list[list[int]]:
    """Sentences of the grammar that no shipped model was trained on, as ids."""
    from tfedu.data import grammar
    from tfedu.train.recipes.bert import TEST_SEED

    made = grammar.corpus(1000, lengths=(4, 25), seed=TEST_SEED)
    inside = [pair.target for pair in made if lengths[0] <= len(pair.source) <= lengths[1]]
    return [words.pair(words.encode(one))[0] for one in inside[:count]]
