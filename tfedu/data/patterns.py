"""Patterns that only the text before tells: blocks that come again, and mappings shown by examples.

Nothing about either can be known beforehand. Each sequence draws its own block, or its own mapping; so whoever
predicts it well has read it in the same sequence, with the weights as they were.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

#: How the 64 tokens of `repeats` are written; any text of these characters is a sequence for the models.
SYMBOLS = string.ascii_lowercase + string.ascii_uppercase + string.digits + " ."
PERIOD = (8, 24)
LENGTH = 48
INPUTS, OUTPUTS, SHOTS = 8, 4, 16
#: Every mapping from `INPUTS` inputs to `OUTPUTS` outputs has a number, in base `OUTPUTS`.
MAPPINGS = OUTPUTS**INPUTS


@dataclass(frozen=True)
class Sequences:
    """Sequences of tokens, and which of their tokens can be predicted from what came before.

    Attributes:
        tokens: the sequences.
        told: at t, whether the token *after* t is one that the sequence has told by then; the last is never.
        counted: at t, whether training counts the prediction of the token after t.
        period: the length of the repeated block; 0 where there is none.
    """

    tokens: Int[Tensor, "B T"]
    told: Bool[Tensor, "B T"]
    counted: Bool[Tensor, "B T"]
    period: Int[Tensor, " B"]

    def __len__(self) -> int:
        """B."""
        return len(self.tokens)

    def rows(self, which: Tensor | slice) -> Sequences:
        """Some of the sequences."""
        return Sequences(self.tokens[which], self.told[which], self.counted[which], self.period[which])

    def to(self, device: torch.device | str) -> Sequences:
        """The same sequences on `device`."""
        return Sequences(*(t.to(device) for t in (self.tokens, self.told, self.counted, self.period)))

    def shard(self, rank: int, world: int) -> Sequences:
        """The rows of process `rank` of `world`."""
        return self.rows(slice(rank, None, world))


def encode(text: str) -> Int[Tensor, "1 T"]:
    """A text as tokens of `SYMBOLS`.

    Raises:
        ValueError: for a character that is none of them.
    """
    if foreign := sorted(set(text) - set(SYMBOLS)):
        raise ValueError(f"{' '.join(map(repr, foreign))}: not among the {len(SYMBOLS)} symbols {SYMBOLS!r}.")
    return torch.tensor([[SYMBOLS.index(character) for character in text]], dtype=torch.long)


def decode(tokens: Sequence[int] | Tensor) -> str:
    """Tokens as a text of `SYMBOLS`."""
    return "".join(SYMBOLS[int(token)] for token in tokens)


def repeats(
    count: int,
    seed: int | Sequence[int] = 0,
    *,
    period: tuple[int, int] = PERIOD,
    length: int = LENGTH,
    vocabulary: int = len(SYMBOLS),
) -> Sequences:
    """Random blocks, each repeated until its sequence is full.

    A block's tokens are drawn with replacement: if each came once, the last ones of a block could be told from
    those that are left. Its length is drawn for each sequence: with one for all, copying what stood so many places
    before would do, and no token need be recognised (pass ``period=(n, n)`` to see it).

    Told are the tokens of the second occurrence, from its second token on: the first cannot be known.

    Args:
        count: B.
        seed: of all of it.
        period: the shortest and longest block.
        length: T.
        vocabulary: V; tokens are drawn from 0 to V - 1 alike.

    Raises:
        ValueError: if there are no periods, or a block would leave no second occurrence to predict.
    """
    low, high = period
    if not 1 <= low <= high:
        raise ValueError(f"period is {period}: give the shortest and the longest block, at least 1.")
    if low + 1 >= length:
        raise ValueError(f"a block of {low} does not come again in a sequence of {length}: make it longer.")
    rng = np.random.default_rng(seed)
    periods = rng.integers(low, high + 1, size=(count, 1))
    blocks = rng.integers(0, vocabulary, size=(count, high))
    place = np.arange(length)[None]
    tokens = np.take_along_axis(blocks, place % periods, axis=1)
    told = (place >= periods) & (place + 1 < np.minimum(2 * periods, length))
    counted = np.broadcast_to(place + 1 < length, told.shape).copy()
    return Sequences(*(torch.from_numpy(x) for x in (tokens, told, counted, periods[:, 0])))


def mapping_numbers(split: Literal["train", "test"]) -> Int[np.ndarray, " M"]:
    """The numbers of the mappings that training draws from, or of those it never sees: one in four."""
    shuffled = np.random.default_rng(0).permutation(MAPPINGS)
    held_out = MAPPINGS // 4
    return shuffled[held_out:] if split == "train" else shuffled[:held_out]


def few_shot(
    count: int,
    seed: int | Sequence[int] = 0,
    *,
    split: Literal["train", "test"] = "train",
    shots: int = SHOTS,
) -> Sequences:
    """Examples of a mapping, one after the other: input, output, input, output, ...

    Each sequence draws a mapping from 8 inputs (tokens 0 to 7) to 4 outputs (tokens 8 to 11), and then inputs at
    random. Nothing relates an input's output to another's: what an unseen input maps to cannot be known.

    Told are the outputs of inputs already shown; training counts all outputs, and no inputs.

    Args:
        count: B.
        seed: of all of it.
        split: which mappings are drawn; those of "test" never occur in "train".
        shots: pairs a sequence; T is twice as much.
    """
    rng = np.random.default_rng(seed)
    number = rng.choice(mapping_numbers(split), size=count)
    maps_to = number[:, None] // OUTPUTS ** np.arange(INPUTS) % OUTPUTS
    inputs = rng.integers(0, INPUTS, size=(count, shots))
    outputs = INPUTS + np.take_along_axis(maps_to, inputs, axis=1)
    tokens = np.stack([inputs, outputs], axis=-1).reshape(count, 2 * shots)
    same = inputs[:, :, None] == inputs[:, None, :]
    shown = (same & np.tril(np.ones((shots, shots), dtype=bool), -1)).any(axis=-1)
    at_inputs = np.arange(2 * shots) % 2 == 0
    told = np.repeat(shown, 2, axis=1) & at_inputs
    counted = np.broadcast_to(at_inputs, told.shape).copy()
    nothing = np.zeros(count, dtype=np.int64)
    return Sequences(*(torch.from_numpy(x) for x in (tokens, told, counted, nothing)))


def successors(tokens: Int[Tensor, "B T"]) -> Bool[Tensor, "B T T"]:
    """The edges of induction (Olsson et al. 2022): from a token to what came after it, the times before.

    True at (t, s) where the token before s equals the token at t, and stands before it.
    """
    before = torch.nn.functional.pad(tokens[:, :-1], (1, 0), value=-1)
    same = tokens[:, :, None] == before[:, None, :]
    return same & torch.ones_like(same[0]).tril()
