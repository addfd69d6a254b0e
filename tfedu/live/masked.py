"""A model that fills blanks as one graph for the page: a whole text in, and for each place the scores of all pieces.

model: tokens (1, T), mask (1, T, T) -> logits (1, T, V), and the map (1, H, T, T) of each layer

The mask says for each query which keys it may look at, True = may: the page hides words with it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from tfedu import weights
from tfedu.data.wordpiece import WordPiece
from tfedu.live.export import ExportError, export
from tfedu.trace import Edit, trace

#: The special pieces, none of which fills a blank.
SPECIALS = ("pad", "unk", "cls", "sep", "mask")


def facts(words: WordPiece, longest: int) -> dict[str, int]:
    """What the page must know beside the tokenizer: the ids of special pieces, and how many pieces fit.

    Args:
        words: the tokenizer.
        longest: positions that the model has learned.
    """
    return {name: int(getattr(words, name)) for name in SPECIALS} | {"longest": longest}


def export_masked(
    model: str | nn.Module, path: str | Path, *, words: WordPiece | None = None, half: bool = True
) -> Path:
    """Write a masked language model to a file for the page, with its tokenizer and its card.

    Args:
        model: the name of a shipped one, or a `BERTForMaskedLM` or `DistilBERTForMaskedLM` (which has no card).
        path, half: see `tfedu.live.export`.
        words: its tokenizer, if `model` is no name.

    Raises:
        ExportError: as `tfedu.live.export` does, and if there is no tokenizer.
    """
    extras = {}
    if isinstance(model, str):
        extras["card"] = json.dumps(weights.card(model), ensure_ascii=False)
        model, words = load(model)
    if words is None:
        raise ExportError("a model that fills blanks cannot read a text without its tokenizer: give `words`.")
    longest: int = model.config.longest  # type: ignore[union-attr, assignment]
    extras["tokenizer"] = words.to_json()
    extras["masked"] = json.dumps(facts(words, longest))
    return export(
        model,
        (torch.full((1, 5), words.mask), torch.ones(1, 5, 5, dtype=torch.bool)),
        path,
        dynamic={"tokens": {1: "T"}, "mask": {1: "T", 2: "T"}},
        outputs=["logits"],
        half=half,
        extras=extras,
    )


def load(name: str) -> tuple[nn.Module, WordPiece]:
    """A shipped masked language model, BERT's or DistilBERT's, and its tokenizer."""
    from tfedu.models.bert import BERTForMaskedLM
    from tfedu.models.distilbert import DistilBERTForMaskedLM

    kinds = {kind.__name__: kind for kind in (BERTForMaskedLM, DistilBERTForMaskedLM)}
    kind = weights.load(name).kind
    if kind not in kinds:
        raise ExportError(f"{name} is a {kind}, which fills no blanks; {' and '.join(kinds)} do.")
    return kinds[kind].from_pretrained(name), WordPiece.from_pretrained(name)


class Pieces(NamedTuple):
    """What the model reads of a text.

    Attributes:
        ids: of its pieces, between [CLS] and [SEP].
        of: the part of the text that each belongs to: -1 for [CLS], the number of parts for [SEP].
        labels: how the page shows each; a piece that goes on with a word starts with a middle dot.
        blanks: which are blanks.
    """

    ids: list[int]
    of: list[int]
    labels: list[str]
    blanks: list[int]


def parts(text: str) -> list[str]:
    """The words, punctuation marks and blanks of a text, as the page cuts it; a blank is "_" or "[MASK]"."""

    def mark(letter: str) -> bool:
        return unicodedata.category(letter)[0] == "P" or letter in "$+<=>^`|~"

    cut: list[str] = []
    goes_on = False
    for piece in re.findall(r"_+|\[mask\]|\[MASK\]|\S|\s+", text):
        word = len(piece) == 1 and not piece.isspace() and piece != "_" and not mark(piece)
        if word and goes_on:
            cut[-1] += piece
        elif not piece.isspace():
            cut.append("_" if piece[0] == "_" or len(piece) > 1 else piece)
        goes_on = word
    return cut


class BlankFiller:
    """A shipped masked language model as the page uses it: reads a text with blanks, and guesses.

    Args:
        name: of the model.
    """

    def __init__(self, name: str) -> None:
        self.model, self.words = load(name)
        self.longest: int = self.model.config.longest  # type: ignore[union-attr, assignment]

    def pieces(self, text: str) -> Pieces:
        """What the model reads of `text`.

        Raises:
            ValueError: the text has no word, or more pieces than the model has places.
        """
        ids, of, labels = [self.words.cls], [-1], ["start"]
        cut = parts(text)
        for i, part in enumerate(cut):
            seen = [self.words.mask] if part == "_" else self.words.encode(part)
            ids += seen
            labels += ["_"] if part == "_" else [label(piece) for piece in self.words.tokens(seen)]
            of += [i] * len(seen)
        ids, of, labels = [*ids, self.words.sep], [*of, len(cut)], [*labels, "end"]
        if not cut or len(ids) > self.longest:
            raise ValueError(
                f"{text!r} is {len(ids)} pieces with its start and end; the model reads from 3 to "
                f"{self.longest}: give a sentence or two."
            )
        return Pieces(ids, of, labels, [t for t, one in enumerate(ids) if one == self.words.mask])

    @torch.no_grad()
    def read(
        self, ids: Sequence[int], hidden: Sequence[int] = (), edit: dict[str, Edit] | None = None
    ) -> tuple[Float[Tensor, "T V"], dict[str, Float[Tensor, "H T T"]]]:
        """The probabilities of all pieces at each place, and the maps.

        Args:
            ids: of the pieces.
            hidden: places that no head may look at.
            edit: as in `tfedu.trace.trace`.
        """
        mask: Bool[Tensor, "1 T T"] = torch.ones(1, len(ids), len(ids), dtype=torch.bool)
        mask[:, :, list(hidden)] = False
        with trace(self.model, edit=edit) as maps:
            logits = self.model(torch.tensor([ids]), mask)
        return logits[0].softmax(-1), {name: one.weights[0] for name, one in maps.items()}

    def guesses(self, probabilities: Float[Tensor, " V"], count: int) -> list[tuple[str, float]]:
        """The likeliest pieces that can stand in a text, and how probable they are."""
        allowed = probabilities.clone()
        allowed[[getattr(self.words, one) for one in SPECIALS]] = -1
        found: list[Any] = allowed.topk(count).indices.tolist()
        pieces = self.words.tokens(found)
        return [(label(piece), float(probabilities[one])) for one, piece in zip(found, pieces, strict=True)]


def label(piece: str) -> str:
    """How the page shows a piece."""
    return "·" + piece[2:] if piece.startswith("##") and len(piece) > 2 else piece
