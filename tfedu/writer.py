"""Text in, more text out: a trained language model with its tokens.

writer = Writer.from_pretrained("gpt-shakespeare-seed0")
writer("ROMEO:", 200, temperature=0.8, seed=0)
writer.odds("To be, or not to b")
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from tfedu import weights
from tfedu.data.text import BOS, EOS, PAD, UNK, Tokenizer, tokenizer_from_json
from tfedu.models.gpt import GPT
from tfedu.trace import Edit, Maps, trace


class Writer:
    """A `GPT` and its tokens.

    Args:
        model: the language model.
        tokenizer: its vocabulary.
    """

    def __init__(self, model: GPT, tokenizer: Tokenizer) -> None:
        self.model, self.tokenizer = model.eval(), tokenizer

    @classmethod
    def from_pretrained(cls, name: str | Path) -> Writer:
        """A shipped model by name (see `tfedu.weights.find`), or one by its path."""
        checkpoint = weights.load(name, kind="GPT")
        return cls(GPT.from_pretrained(checkpoint.path), tokenizer_from_json(checkpoint.extras["tokenizer"]))

    def __call__(
        self,
        begun: str | Sequence[str],
        length: int,
        *,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        seed: int | None = None,
    ) -> list[str]:
        """What follows each of some beginnings, `length` tokens of it; see `tfedu.models.gpt.GPT.generate`.

        Args:
            begun: one text, or several with equally many tokens.
            length, temperature, top_k, top_p, seed: as there. Special tokens are never written.

        Raises:
            ValueError: for an empty beginning, a character without a token, or beginnings of unequal length.
        """
        rows = self._rows(begun)
        if len({len(row) for row in rows}) != 1:
            raise ValueError("texts that are written side by side begin with equally many tokens.")
        written = self.model.generate(
            torch.tensor(rows),
            length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            never=(PAD, BOS, EOS, UNK),
            seed=seed,
        )
        return [self.tokenizer.decode(row[len(rows[0]) :]) for row in written.tolist()]

    @torch.no_grad()
    def odds(self, text: str) -> dict[str, float]:
        """Every token with its probability after `text`, the likeliest first."""
        odds = self.model(torch.tensor([self.ids(text)]))[0, -1].softmax(-1)
        order = odds.argsort(descending=True)
        return dict(zip(self.tokenizer.tokens(order.tolist()), odds[order].tolist(), strict=True))

    @torch.no_grad()
    def surprise(
        self, text: str | Sequence[str], *, edit: Mapping[str, Edit] | None = None
    ) -> Float[Tensor, "B T-1"]:
        """How surprising each token but the first is, in bits, given those before it.

        Args:
            text: one, or several with equally many tokens; not longer than the context, and two tokens at least.
            edit: changes of the attention on the way, as `tfedu.trace.trace` takes them.
        """
        ids = torch.tensor(self._rows(text))
        if edit:
            with trace(self.model, edit=edit):
                logits = self.model(ids[:, :-1])
        else:
            logits = self.model(ids[:, :-1])
        return -logits.log_softmax(-1).gather(-1, ids[:, 1:, None])[..., 0] / math.log(2)

    @torch.no_grad()
    def maps(self, text: str | Sequence[str]) -> Maps:
        """What each head attends to while it reads; see `surprise` for `text`."""
        ids = torch.tensor(self._rows(text))
        with trace(self.model) as maps:
            self.model(ids)
        return maps

    def _rows(self, text: str | Sequence[str]) -> list[list[int]]:
        return [self.ids(one) for one in ([text] if isinstance(text, str) else text)]

    def ids(self, text: str) -> list[int]:
        """The tokens of `text` as numbers.

        Raises:
            ValueError: if it is empty, or holds what the vocabulary lacks.
        """
        ids = self.tokenizer.encode(text)
        if not ids:
            raise ValueError("there is no text: begin with at least one token.")
        if UNK in ids:
            unknown = sorted({one for one in text if UNK in self.tokenizer.encode(one)})
            raise ValueError(f"{', '.join(map(repr, unknown))}: not in the vocabulary of this model.")
        return ids


def repeated(text: str, n: int = 12) -> float:
    """The share of places in `text` whose next n characters stood there before, word for word."""
    seen: set[str] = set()
    pieces = [text[i : i + n] for i in range(len(text) - n + 1)]
    again = 0
    for piece in pieces:
        again += piece in seen
        seen.add(piece)
    return again / max(1, len(pieces))
