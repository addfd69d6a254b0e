"""BERT's pre-training objective (Devlin et al. 2019, section 3.1), its left-to-right twin, and the cloze test.

Of the tokens 15 % are chosen to be predicted. Of these 80 % become [MASK], 10 % a random token, and 10 % stay: the
model cannot tell which tokens it will be asked about, so it must make a good vector of every one.

Where we deviate: the choice is drawn anew each time a sentence is seen (Liu et al. 2019, section 4.1), where
the authors drew it ten times beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Int
from torch import Tensor, nn

from tfedu.blocks.masks import causal_mask
from tfedu.data.text import pad
from tfedu.data.wordpiece import WordPiece
from tfedu.train.loop import Loss


@dataclass(frozen=True)
class Texts:
    """A batch of texts, padded; `labels` is a class for each (0 where there are none)."""

    tokens: Int[Tensor, "B T"]
    mask: Bool[Tensor, "B T"]
    labels: Int[Tensor, " B"]

    def to(self, device: torch.device | str) -> Texts:
        """The same batch on another device."""
        return Texts(self.tokens.to(device), self.mask.to(device), self.labels.to(device))

    def shard(self, rank: int, world: int) -> Texts:
        """The rows of process `rank` of `world`; a process left without rows gets one that is all padding."""
        if rank < len(self.tokens):
            return Texts(self.tokens[rank::world], self.mask[rank::world], self.labels[rank::world])
        return Texts(self.tokens[:1], torch.zeros_like(self.mask[:1]), self.labels[:1])


class TextBatches:
    """All batches of a corpus, in an order fixed by (seed, epoch), reachable by the number of the step.

    Texts of like length share a batch; within a length they are dealt anew each epoch.

    Args:
        texts: ids, specials included.
        tokens_per_batch: the most that rows times the longest may be.
        seed: of the order.
        labels: a class for each text.

    Raises:
        ValueError: if there is no text, or one does not fit a batch.
    """

    def __init__(
        self,
        texts: Sequence[Sequence[int]],
        tokens_per_batch: int,
        seed: int = 0,
        labels: Sequence[int] | None = None,
    ) -> None:
        self.texts, self.seed = texts, seed
        self.labels = [0] * len(texts) if labels is None else list(labels)
        self._lengths = np.array([len(ids) for ids in texts])
        if not len(texts) or self._lengths.max() > tokens_per_batch:
            raise ValueError(f"no text, or one beyond {tokens_per_batch} tokens: raise tokens_per_batch.")
        self._cuts = [0]
        for row, length in enumerate(np.sort(self._lengths).tolist()):
            if (row + 1 - self._cuts[-1]) * length > tokens_per_batch:
                self._cuts.append(row)
        self._cuts.append(len(texts))
        self._epoch, self._plan = -1, list[np.ndarray]()

    def __len__(self) -> int:
        """Batches in an epoch."""
        return len(self._cuts) - 1

    def __iter__(self) -> Iterator[Texts]:
        """The batches of epoch 0."""
        return (self.batch(step) for step in range(len(self)))

    def batch(self, step: int) -> Texts:
        """The batch of a global step, counted from 0 over all epochs."""
        epoch, index = divmod(step, len(self))
        if epoch != self._epoch:
            random = np.random.default_rng([self.seed, epoch])
            shuffled = random.permutation(len(self.texts))
            rows = shuffled[np.argsort(self._lengths[shuffled], kind="stable")]
            parts = [rows[a:b] for a, b in zip(self._cuts, self._cuts[1:], strict=False)]
            self._plan, self._epoch = [parts[i] for i in random.permutation(len(parts))], epoch
        chosen = self._plan[index]
        tokens, mask = pad([self.texts[row] for row in chosen])
        return Texts(tokens, mask, torch.tensor([self.labels[row] for row in chosen]))


class Hidden(NamedTuple):
    """Tokens of which some are hidden, and which were chosen to be predicted."""

    tokens: Int[Tensor, "B T"]
    chosen: Bool[Tensor, "B T"]


def hide(
    tokens: Int[Tensor, "B T"],
    mask: Bool[Tensor, "B T"],
    words: WordPiece,
    share: float = 0.15,
    generator: torch.Generator | None = None,
) -> Hidden:
    """Choose `share` of the real tokens, never [CLS] or [SEP]: 80 % of them become [MASK], 10 % random, 10 % stay.

    If chance chooses none, the first token after [CLS] is, so that there is a loss.
    """
    device = tokens.device
    open_to = mask & (tokens != words.cls) & (tokens != words.sep)
    draw = torch.rand(tokens.shape, generator=generator, device=device)
    chosen = open_to & (draw < share)
    if not chosen.any():
        chosen[0, 1] = bool(open_to[0, 1])
    fate = draw / share  # of those chosen, uniform on [0, 1)
    anything = torch.randint(0, len(words), tokens.shape, generator=generator, device=device)
    hidden = torch.where(chosen & (fate < 0.8), words.mask, tokens)
    return Hidden(torch.where(chosen & (fate >= 0.9), anything, hidden), chosen)


def masked_loss(
    model: nn.Module,
    batch: Texts,
    words: WordPiece,
    share: float = 0.15,
    generator: torch.Generator | None = None,
) -> Loss:
    """Cross-entropy of the chosen tokens, in nats, summed; `share` of them are chosen, by `hide`."""
    tokens, chosen = hide(batch.tokens, batch.mask, words, share, generator)
    logits = model(tokens, batch.mask, None, chosen)
    total = F.cross_entropy(logits.float(), batch.tokens[chosen], reduction="sum")
    return Loss(total, int(chosen.sum()))


def next_word_loss(model: nn.Module, batch: Texts) -> Loss:
    """The twin's: cross-entropy of every next token, from those before it; nothing is hidden but by the mask."""
    logits = model(batch.tokens[:, :-1], left_only(batch.mask[:, :-1]))
    real = batch.mask[:, 1:]
    total = F.cross_entropy(logits[real].float(), batch.tokens[:, 1:][real], reduction="sum")
    return Loss(total, int(real.sum()))


def left_only(mask: Bool[Tensor, "B T"]) -> Bool[Tensor, "B T T"]:
    """The mask that makes BERT read from left to right: each token sees itself and what comes before it."""
    return causal_mask(mask.shape[1], device=mask.device) & mask[:, None, :]


class Cloze(NamedTuple):
    """How well blanks were filled: share of right words, nats of the right one, and their number."""

    accuracy: float
    nats: float
    blanks: int


def whole_words(ids: Sequence[int], words: WordPiece) -> list[int]:
    """Places of the tokens that are whole words: no piece of a longer one, no special."""
    names = words.tokens(ids)
    special = {words.cls, words.sep, words.pad, words.unk}
    return [
        i
        for i, (one, name) in enumerate(zip(ids, names, strict=True))
        if one not in special and not name.startswith("##") and not names[i + 1].startswith("##")
    ]


@torch.no_grad()
def cloze(
    model: nn.Module, texts: Sequence[Sequence[int]], words: WordPiece, *, left: bool = False, rows: int = 256
) -> Cloze:
    """Hide the whole words of each text, one at a time, and let the model fill the blank.

    Args:
        model: gives logits (B, T, V).
        texts: ids with [CLS] and [SEP].
        words: the tokenizer.
        left: the model was trained on next words: it sees what comes before the blank.
        rows: texts, or blanks, in one batch.
    """
    blanks = [(ids, place) for ids in texts for place in whole_words(ids, words)]
    right, lost = 0, 0.0
    for start in range(0, len(blanks), rows):
        chunk = blanks[start : start + rows]
        tokens, mask = pad([ids for ids, _ in chunk])
        at = torch.zeros_like(mask)
        place = torch.tensor([place for _, place in chunk])
        each = torch.arange(len(chunk))
        wanted = tokens[each, place]
        at[each, place - int(left)] = True  # a next word is read off the place before it
        if not left:
            tokens[each, place] = words.mask
        log_p = model(tokens, left_only(mask) if left else mask, None, at).float().log_softmax(-1)
        right += int((log_p.argmax(-1) == wanted).sum())
        lost -= float(log_p[each, wanted].sum())
    return Cloze(right / len(blanks), lost / len(blanks), len(blanks))
