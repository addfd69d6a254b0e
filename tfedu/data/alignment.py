"""Word alignments: read them from an attention map, score them, and the two baselines to beat.

An alignment is a set of links (i, j): source word i translates target word j, both counted from 0.

- The score is the alignment error rate of Och and Ney (2003), "A Systematic Comparison of Various Statistical
  Alignment Models".
- IBM Model 1 is from Brown et al. (1993), "The Mathematics of Statistical Machine Translation", section 4.1.
  It aligns by counting which words occur together, and knows nothing of order.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from collections.abc import Set as AbstractSet

import numpy as np
from jaxtyping import Float
from torch import Tensor

Link = tuple[int, int]


def alignment_error_rate(
    predicted: Sequence[AbstractSet[Link]],
    sure: Sequence[AbstractSet[Link]],
    possible: Sequence[AbstractSet[Link]] | None = None,
) -> float:
    """The alignment error rate over a corpus: 0 is perfect, 1 shares no link with the gold.

    With predicted links A, sure gold links S and possible ones P: 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|), each
    count summed over the sentences. Sure links are always possible too; without `possible`, P = S and the
    rate is one minus the F-score.

    Raises ValueError when the sequences differ in length, or hold no link at all.
    """
    possible = sure if possible is None else possible
    if not len(predicted) == len(sure) == len(possible):
        raise ValueError(
            "predicted, sure and possible need one set of links a sentence each, "
            f"got {len(predicted)}, {len(sure)} and {len(possible)}"
        )
    hits = total = 0
    for a, s, p in zip(predicted, sure, possible, strict=True):
        hits += len(a & s) + len(a & (p | s))
        total += len(a) + len(s)
    if total == 0:
        raise ValueError("there is no link to score: both the predicted and the sure sets are empty")
    return 1 - hits / total


def links_from_map(
    weights: Float[Tensor, "T S"] | Float[np.ndarray, "T S"],
    *,
    skip_rows: Collection[int] = (),
    skip_columns: Collection[int] = (),
) -> set[Link]:
    """Link each target word to the source word it attends most.

    Row j of `weights` is the j-th *predicted* target word, column i the i-th source word. The rows in
    `skip_rows` get no link, and no word is linked to a column in `skip_columns`: its next best is taken. Both
    may count from the end, so -1 skips a final end-of-sentence mark. A row of zeros (a query that may attend
    nothing) gets no link. The first of two equal weights wins.

    Raises ValueError unless `weights` has two axes (take one sentence and one head, or their mean).
    """
    array = weights.detach().float().cpu().numpy() if isinstance(weights, Tensor) else np.asarray(weights)
    if array.ndim != 2:
        raise ValueError(f"weights must be one map of shape (T, S), got {tuple(array.shape)}")
    array = array.astype(np.float64)  # a copy, so the caller's map stays
    array[:, list(skip_columns)] = 0
    rows = {row % len(array) for row in skip_rows} if len(array) else set()
    if array.shape[1] == 0:
        return set()
    return {(int(row.argmax()), j) for j, row in enumerate(array) if j not in rows and row.max() > 0}


def diagonal_links(source: int, target: int) -> set[Link]:
    """The alignment of someone who knows only the two lengths: each target word to its proportional place."""
    return {(int((j + 0.5) * source / target), j) for j in range(target)}


def parse_links(line: str, *, swap: bool = False) -> tuple[set[Link], set[Link]]:
    """Read a line such as ``0-0 1-2 2p1``: sure links have a hyphen, links that are only possible a ``p``.

    Returns (sure, possible), where possible includes sure. With `swap` the file has the target word first.
    Raises ValueError for anything else on the line.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for cell in line.split():
        match = re.fullmatch(r"(\d+)([-p])(\d+)", cell)
        if match is None:
            raise ValueError(f'{cell!r} is not a link: expected "3-4" (sure) or "3p4" (possible)')
        first, second = int(match[1]), int(match[3])
        link = (second, first) if swap else (first, second)
        possible.add(link)
        if match[2] == "-":
            sure.add(link)
    return sure, possible


class IBMModel1:
    """IBM Model 1: a table t(e|f) of how likely German word f is to produce English word e.

    Each target word is made by one source word, all equally likely beforehand. With `null` there is one more,
    the empty word, that makes what has no origin. Expectation maximisation finds the table from a uniform
    start; the log-likelihood is concave, so no other start would reach a higher one.

    The empty word is in every sentence, and so is the full stop: counting cannot tell them apart. Where every
    word is known to have an origin, as in the grammar corpus, leave it out.
    """

    def __init__(self, *, null: bool = True) -> None:
        self.null = null
        self._source: dict[str, int] = {}
        self._target: dict[str, int] = {}
        self._codes = np.zeros(0, np.int64)  # the pairs (f, e) that occur together, as f * |E| + e, sorted
        self._table = np.zeros(0)  # t(e|f) for each
        self.log_likelihood: list[float] = []

    def fit(self, pairs: Iterable[tuple[Sequence[str], Sequence[str]]], rounds: int = 5) -> IBMModel1:
        """Learn from (source words, target words), with `rounds` rounds of expectation maximisation.

        `log_likelihood` then holds the corpus's log-likelihood, up to a constant, before each round: it never
        falls. Raises ValueError without pairs, or for less than one round.
        """
        corpus = [(source, target) for source, target in pairs if len(target) and (len(source) or self.null)]
        if not corpus or rounds < 1:
            raise ValueError(f"fit needs at least one pair and one round, got {len(corpus)} and {rounds}")
        self._source = {"": 0}  # the empty word
        self._target = {}
        for source, target in corpus:
            for word in source:
                self._source.setdefault(word, len(self._source))
            for word in target:
                self._target.setdefault(word, len(self._target))
        width = len(self._target)

        # One entry for each source word and target word of each sentence; its slot is that target word.
        entries, slots, slot = [], [], 0
        for source, target in corpus:
            f = np.array([*[0][: self.null], *(self._source[word] for word in source)])
            e = np.array([self._target[word] for word in target])
            entries.append((f[None, :] * width + e[:, None]).ravel())
            slots.append(np.repeat(np.arange(slot, slot + len(e)), len(f)))
            slot += len(e)
        which_slot = np.concatenate(slots)
        self._codes, which = np.unique(np.concatenate(entries), return_inverse=True)
        origin = self._codes // width

        self._table = np.full(len(self._codes), 1 / width)
        self.log_likelihood = []
        for _ in range(rounds):
            share = self._table[which]  # expectation: how much each source word explains of each target word
            total = np.bincount(which_slot, share, minlength=slot)
            self.log_likelihood.append(float(np.log(total).sum()))
            count = np.bincount(which, share / total[which_slot], minlength=len(self._codes))
            self._table = count / np.bincount(origin, count)[origin]  # maximisation: normalise for each f
        return self

    def probability(self, target: str, source: str = "") -> float:
        """t(target | source); an empty source is the empty word. Zero for words never seen together."""
        if source not in self._source or target not in self._target:
            return 0.0
        return float(self._look_up([self._source[source]], self._target[target])[0])

    def _look_up(self, sources: Sequence[int], target: int) -> np.ndarray:
        codes = np.asarray(sources) * len(self._target) + target
        at = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        return np.where(self._codes[at] == codes, self._table[at], 0.0)

    def align(self, source: Sequence[str], target: Sequence[str]) -> set[Link]:
        """Each target word's likeliest source word, or no link where the empty word is likelier.

        A word never seen with any word of the other sentence gets no link. Raises ValueError before `fit`.
        """
        if not len(self._codes):
            raise ValueError("IBMModel1 has no table yet: call fit(pairs) first")
        links: set[Link] = set()
        known = [(i, self._source[word]) for i, word in enumerate(source) if word in self._source]
        for j, word in enumerate(target):
            if word not in self._target or not known:
                continue
            likely = self._look_up([0, *(f for _, f in known)], self._target[word])
            best = int(likely[1:].argmax())
            # A tie with the empty word, but for rounding, is a link.
            if likely[1 + best] > 0 and likely[1 + best] >= (1 - 1e-6) * likely[0]:
                links.add((known[best][0], j))
        return links
